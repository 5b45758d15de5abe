"""Lengths of time as people write them: 90, 30s, 15m, 2h, 1d."""

from __future__ import annotations

import re
from typing import Final

from xswarm_deploy.errors import Refused

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_WRITTEN: Final = re.compile(r"(\d{1,9})([smhd]?)")


def seconds(text: str, flag: str) -> float:
    """Return a length of time in seconds; the empty text is none.

    Args:
        text: a number and s, m, h or d; without one of them seconds.
        flag: where it was given, for the message.

    Raises:
        Refused: it is no length of time.
    """
    found = _WRITTEN.fullmatch(text.strip() or "0")
    if found is None:
        raise Refused(f"{flag} {text} is no length of time", "", "write 90, 30s, 15m or 2h")
    return float(int(found[1]) * _SECONDS[found[2]])
