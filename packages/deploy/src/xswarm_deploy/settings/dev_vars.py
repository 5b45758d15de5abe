"""``.dev.vars``: the secrets that ``wrangler dev`` gives a Worker on this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import dotenv

NAME: Final = ".dev.vars"
DOTENV: Final = (".env", ".env.local")


def file(folder: Path, environment: str = "") -> Path | None:
    """Return the file that wrangler would read; None: there is none.

    Args:
        folder: of the wrangler configuration.
        environment: a part under ``env`` in it; its own file comes first.
    """
    names = (f"{NAME}.{environment}", NAME) if environment else (NAME,)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read(folder: Path, environment: str = "") -> dict[str, str]:
    """Return name → value of the file that wrangler would read; empty: there is none.

    Without a ``.dev.vars`` it reads ``.env``, which other programs have, too.

    Raises:
        Refused: it cannot be read.
    """
    found = file(folder, environment)
    if found is None:
        return _of_dotenv(folder)
    return parsed(found)


def _of_dotenv(folder: Path) -> dict[str, str]:
    values: dict[str, str] = {}
    for name in DOTENV:
        if (folder / name).is_file():
            with suppress(Refused):  # not ours, and perhaps meant for somebody else
                values |= parsed(folder / name)
    return values


def parsed(found: Path) -> dict[str, str]:
    """Return name → value of one such file.

    Raises:
        Refused: it cannot be read.
    """
    try:
        return dotenv.parsed(found.read_text(encoding="utf-8-sig"), found.name)
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, ValueError) else error.strerror or ""
        raise Refused(f"{found.name} cannot be read", why, "save it as UTF-8 text") from None
