"""Identifiers of rows and sessions."""

from __future__ import annotations

import secrets


def new_id() -> str:
    """Make an identifier nobody can guess: 128 random bits (``uuid`` costs 40 ms to import)."""
    return secrets.token_hex(16)
