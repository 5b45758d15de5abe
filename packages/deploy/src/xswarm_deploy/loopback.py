"""Judge whether an address is this machine, or nobody: once, on what the parser reads."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

_LONGEST_LABEL: Final = 63  # characters of a part of a name (RFC 1035, section 2.3.4)


def is_address(url: str) -> bool:
    """Return whether a URL names a host that can be asked, and that every parser reads alike.

    Two read two hosts where there is a user, a backslash or white space.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or "\\" in url or not url.isprintable() or " " in url:
        return False
    if host.startswith("*"):
        return False
    return all(0 < len(label) <= _LONGEST_LABEL for label in host.removesuffix(".").split("."))


def is_loopback(url: str) -> bool:
    """Return whether a URL's host can only be this machine."""
    return is_address(url) and is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """Return whether a host name or address is this machine's own (RFC 6761, section 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_nowhere(url: str) -> bool:
    """Return whether a URL says that nobody answers (RFC 2606: a host under ``.invalid``)."""
    return is_address(url) and (urlsplit(url).hostname or "").endswith(".invalid")
