"""Read text: a file that a person wrote, a page that somebody else answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from xswarm_deploy.errors import Refused
from xswarm_monitoring.printable import storable


def read(file: Path, encoding: str = "utf-8") -> str:
    """Return what a file holds; one that is no UTF-8 is told by its name.

    Args:
        file: it must be there.
        encoding: ``utf-8``, or ``utf-8-sig`` to leave out a byte order mark.

    Raises:
        Refused: it is no UTF-8 text.
    """
    try:
        return file.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise not_utf8(file, error) from None


def not_utf8(file: Path, error: UnicodeDecodeError) -> Refused:
    """Return the refusal of a file, with the line of the first byte that is none."""
    line = error.object[: error.start].count(b"\n") + 1
    why = f"line {line} is no UTF-8 text"
    return Refused(f"{file.name} cannot be read", why, f"save {file} as UTF-8")


def require_named(path: str, folder: Path) -> None:
    """Refuse a file whose name is no UTF-8 text, as an archive of another system brings it.

    Raises:
        Refused: no Worker, no site and no database can hold such a name.
    """
    if not path.isascii() and path != storable(path):
        what = f"{storable(path)} in {folder.name} has a name that is no UTF-8 text"
        raise Refused(what, f"it is in {folder}", "rename the file, or remove it")


def valid(word: str) -> str:
    """Return a word of the system's, such as an argument, with a sign where a byte is no text.

    A commit's message in another encoding is one; Python keeps such a byte as a lone surrogate,
    which no file and no database takes.
    """
    return storable(word)


def page_title(text: str) -> str:
    """Return that a text is a page in HTML, by its title; empty: it is none."""
    if not text.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        return ""
    found = re.search(r"<title>([^<]*)</title>", text)
    return f"a page in HTML: {' '.join(found[1].split()) if found else 'without a title'}"


_EDGE: Final = re.compile(r"\s*error code: 1\d{3}\s*")
UNBLOCK: Final = (
    "a firewall, a proxy or a login page answers here: ask who runs this network, or try from"
    " another one; HTTPS_PROXY and NO_PROXY name the way"
)
"""What to do about an answer of somebody in between."""

NO_PROXY_THERE: Final = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names no proxy that can be used"
WRITE_PROXY: Final = (
    "write HTTPS_PROXY=http://HOST:PORT; a SOCKS proxy needs: pip install 'requests[socks]'"
    " python-socks"
)
"""What to do about a proxy of which nothing can be made."""


def of_another(text: str) -> str:
    """Return who answered in place of the service that was asked; empty: it may be the service.

    A page in HTML is a proxy's, a login's or an edge's: no provider's API has any. Cloudflare's
    edge refuses programs by a line such as ``error code: 1020``.
    """
    return f"Cloudflare's edge: {text.strip()}" if _EDGE.fullmatch(text) else page_title(text)


_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def number(text: str) -> int | None:
    """Return a number that stands in a header of somebody's; None: it is none, or has no end."""
    return int(text) if _NUMBER.fullmatch(text) else None
