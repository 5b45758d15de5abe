"""The secrets that ``wrangler dev`` gives a Worker on this machine: ``.dev.vars``, else ``.env``.

They are read by the rules of wrangler's own reader, so that a Worker on the twin gets what it gets
from ``wrangler dev``: ``#`` begins a comment in what is not quoted, back quotes are quotes, and
``$NAME`` is replaced in ``.env`` files alone.

Source: dotenv 16 and dotenv-expand 12, which wrangler brings; wrangler's ``getVarsForDev``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from xswarm_deploy.errors import Refused

NAME: Final = ".dev.vars"
DOTENV: Final = (".env", ".env.local")
_LINE: Final = (
    r"""(?m)^\s*(?:export\s+)?([A-Za-z0-9_.-]+)(?:\s*=\s*?|:\s+?)"""
    r"""(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:\#.*)?$"""
)
"""This and the others are compiled at their first use: few commands meet such a file."""
_QUOTED: Final = r"""\A(['"`])([\s\S]*)\1\Z"""
_NAMED: Final = r"(?<!\\)\$\{([^{}]+)\}|(?<!\\)\$([A-Za-z_][A-Za-z0-9_]*)"
_OPERATOR: Final = r":\+|\+|:-|-"
_OPEN: Final = "a quote that never ends"
_MOST: Final = 100  # replacements in one value: one that names itself has an end


def file(folder: Path, environment: str = "") -> Path | None:
    """Return the file that wrangler would read; None: there is none.

    Args:
        folder: of the wrangler configuration.
        environment: a part under ``env`` in it; its own file comes first.
    """
    names = (f"{NAME}.{environment}", NAME) if environment else (NAME,)
    return next((folder / name for name in names if (folder / name).exists()), None)


def read(folder: Path, environment: str = "") -> dict[str, str]:
    """Return name → value of the file that wrangler would read; empty: there is none.

    Without a ``.dev.vars`` it reads ``.env``, which other programs have, too, and over it
    ``.env.local``, ``.env.NAME`` and ``.env.NAME.local`` of the environment.

    Raises:
        Refused: it cannot be read.
    """
    found = file(folder, environment)
    if found is None:
        return _of_dotenv(folder, environment)
    return parsed(found)


def parsed(found: Path) -> dict[str, str]:
    """Return name → value of one such file.

    Raises:
        Refused: it cannot be read, or a line of it says nothing.
    """
    if not found.is_file():  # a pipe would be waited for: for ever, where nobody writes
        why = "a folder holds no values, and a pipe, as 1Password makes one, is not waited for"
        raise Refused(f"{found.name} is no file", why, "write its lines to a file of that name")
    try:
        text = found.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, ValueError) else error.strerror or ""
        raise Refused(f"{found.name} cannot be read", why, "save it as UTF-8 text") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _require_whole(text, found.name)
    return {match[1]: _value(match[2] or "") for match in re.finditer(_LINE, text)}


def _of_dotenv(folder: Path, environment: str) -> dict[str, str]:
    own = (f".env.{environment}", f".env.{environment}.local") if environment else ()
    values: dict[str, str] = {}
    for name in (*DOTENV, *own):
        if (folder / name).is_file():
            with suppress(Refused):  # not ours, and perhaps meant for somebody else
                values |= parsed(folder / name)
    return _expanded(values)


def _value(text: str) -> str:
    text = text.strip()
    quoted = re.fullmatch(_QUOTED, text)
    value = quoted[2] if quoted else text
    if text.startswith('"'):
        value = value.replace("\\n", "\n").replace("\\r", "\r")
    return value


def _require_whole(text: str, name: str) -> None:
    """Refuse a line that wrangler would leave out in silence, and a quote that never ends."""
    left = re.sub(
        _LINE, lambda match: _OPEN if _is_open(match) else "\n" * match[0].count("\n"), text
    )
    for number, line in enumerate(left.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            raise Refused(
                f"{name} has a line that cannot be read",
                f"line {number}",
                "write NAME=value, with quotes around what has spaces",
            )


def _is_open(match: re.Match[str]) -> bool:
    value = (match[2] or "").strip()
    return value[:1] in ("'", '"', "`") and re.fullmatch(_QUOTED, value) is None


def _expanded(values: Mapping[str, str]) -> dict[str, str]:
    """Replace ``$NAME``, ``${NAME}``, ``${NAME:-other}`` and ``${NAME:+other}`` by those above."""
    done: dict[str, str] = {}
    for name, value in values.items():
        done[name] = _replaced(value, done).replace("\\$", "$")
    return done


def _replaced(value: str, known: Mapping[str, str]) -> str:
    seen = set()
    for _ in range(_MOST):
        match = re.search(_NAMED, value)
        if match is None:
            break
        seen.add(value)
        found = _looked_up(match[1] or match[2], known, seen)
        value = value[: match.start()] + found + value[match.end() :]
    return value


def _looked_up(expression: str, known: Mapping[str, str], seen: set[str]) -> str:
    operator = re.search(_OPERATOR, expression)
    if operator is None:
        name, other = expression, ""
    else:
        name, other = expression[: operator.start()], expression[operator.end() :]
    value = known.get(name, "")
    if operator and operator[0] in (":+", "+"):
        return other if value else ""
    return value if value and value not in seen else other
