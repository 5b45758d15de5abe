"""Addresses of this machine."""

from __future__ import annotations

from typing import Final

HOST: Final = "127.0.0.1"


def address(port: int) -> str:
    """Return the URL of a port of this machine."""
    return f"http://{HOST}:{port}"
