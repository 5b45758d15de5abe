"""Judge whether an address is this machine, or nobody: once, on what the parser reads."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Return whether a URL's host can only be this machine.

    Where two parsers could read two hosts (a user, a backslash, white space), it is not.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or "\\" in url or not url.isprintable() or " " in url:
        return False
    return is_loopback_host(host)


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
    return (urlsplit(url).hostname or "").endswith(".invalid")
