"""Lengths of time as people write them: ``90``, ``90s``, ``5m``, ``1h`` or ``7d``."""

from __future__ import annotations

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """Read a length of time, in seconds.

    Raises:
        ValueError: it is none.
    """
    number, unit = (text, "") if text[-1:].isdigit() else (text[:-1], text[-1:])
    if not number.isdecimal() or unit not in _UNITS:
        raise ValueError(f"it is a number with s, m, h or d, not {text[:20]!r}")
    return float(number) * _UNITS[unit]
