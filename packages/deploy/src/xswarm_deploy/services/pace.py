"""Keep to the limits that a Worker sets its callers, as its answers tell them.

``Retry-After`` (RFC 9110, 10.2.3) and three spellings of what is left: ``RateLimit-Remaining`` with
``RateLimit-Reset``, the field ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers), and the older
``X-RateLimit-…``, whose reset some give as seconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from xswarm_deploy import texts

TOO_MANY: Final = 429
_EPOCH: Final = 1_000_000_000  # seconds; a greater reset is a date
_PARAMETER: Final = re.compile(r"([a-z]{1,20})=(\d{1,12})")


class Allowance(NamedTuple):
    """What a Worker still allows: requests left, and seconds until there are more."""

    left: int
    reset: float


def allowance(headers: Mapping[str, str], now: float) -> Allowance | None:
    """Return what an answer says is left; None: it says nothing.

    Args:
        headers: the answer's, by name in any case.
        now: seconds since 1970.
    """
    found = {name.lower(): value.strip() for name, value in headers.items()}
    said = dict(_PARAMETER.findall(found.get("ratelimit", "")))
    left, reset = said.get("r", said.get("remaining")), said.get("t", said.get("reset"))
    if left and reset:
        return Allowance(int(left), float(reset))
    for prefix in ("ratelimit-", "x-ratelimit-"):
        count, ends = found.get(f"{prefix}remaining", ""), found.get(f"{prefix}reset", "")
        if (known := texts.number(count)) is not None:
            return Allowance(known, _seconds(ends, now))
    return None


def pause(status: int, headers: Mapping[str, str], now: float) -> float:
    """Return how many seconds to wait before the next request; 0: none.

    Args:
        status: the answer's.
        headers: the answer's.
        now: seconds since 1970.
    """
    told = allowance(headers, now)
    if status == TOO_MANY:
        return retry_after(headers, now) or (told.reset if told else 0.0) or 1.0
    return told.reset if told and told.left <= 0 else 0.0


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds that ``Retry-After`` asks to wait; 0: it asks for nothing.

    Args:
        headers: the answer's.
        now: seconds since 1970.
    """
    value = next((v.strip() for k, v in headers.items() if k.lower() == "retry-after"), "")
    if value.isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        return max((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return 0.0


def limit(headers: Mapping[str, str]) -> str:
    """Return the limit that an answer names, as evidence; empty: none."""
    found = {name.lower(): value for name, value in headers.items()}
    return found.get("ratelimit-limit", "") or found.get("x-ratelimit-limit", "")


def _seconds(reset: str, now: float) -> float:
    if not reset.isdecimal():
        return 0.0
    return max(float(reset) - now, 0.0) if float(reset) > _EPOCH else float(reset)
