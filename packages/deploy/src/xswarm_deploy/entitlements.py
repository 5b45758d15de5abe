"""What an account must have or do before Cloudflare takes a call, by its code: no token gives it.

A permission's name in place of these would send people the wrong way. Sources: Workers, "Errors and
exceptions"; wrangler's source (10063, 10208); what wrangler printed of the others, in public
repositories and issues (workers-sdk 5601: 100158).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple


class _Cause(NamedTuple):
    """What Cloudflare says, by its code and a part of its words, and what to do."""

    code: str
    words: str
    remedy: str


_PAID: Final = "take the Workers Paid plan (Cloudflare: Workers & Pages, Plans), or remove what"
_CAUSES: Final = (
    _Cause(
        *("10034", ""),
        "verify the e-mail address of the account (Cloudflare: My Profile), then: inv check",
    ),
    _Cause(
        *("10042", "enable R2"),
        "switch R2 on for the account, once (Cloudflare: Storage & databases, R2), then: inv check",
    ),
    _Cause(
        *("10089", ""),
        "switch Analytics Engine on for the account, once (Cloudflare: Storage & databases,"
        " Analytics Engine), then: inv check",
    ),
    _Cause("10015", "", f"{_PAID} needs it: the account may use no Workers as it is"),
    _Cause(
        *("10097", ""),
        'write "new_sqlite_classes" in the place of "new_classes": the free plan has no others',
    ),
    _Cause("100158", "", f"{_PAID} needs it: vectorize"),
    _Cause("100328", "", 'remove "limits": the free plan takes no limits of CPU time'),
    _Cause(
        *("10072", ""),
        "remove cron triggers, of this or another Worker: they count together, 5 on the free plan",
    ),
    _Cause("10208", "", f"{_PAID} needs it: schedules of workflows"),
    _Cause("10067", "", f"{_PAID} needs it: containers"),
    _Cause(
        *("10037", ""),
        "delete Workers that nobody needs (Cloudflare: Workers & Pages), or ask for a higher limit",
    ),
    _Cause(
        *("10063", ""),
        "choose the account's name under workers.dev (Cloudflare, Workers & Pages, Account details,"
        " Subdomain), then: inv check",
    ),
    _Cause(
        *("10035", ""),
        "somebody else changes the same at this moment (the dashboard, wrangler, Workers Builds):"
        " let them end, then run the command again",
    ),
)


def remedy(codes: Sequence[str], message: str) -> str:
    """Return what to do about a refusal; empty: it is of another kind.

    Args:
        codes: Cloudflare's codes.
        message: its own words.
    """
    found = (one for one in _CAUSES if one.code in codes and one.words in message)
    return next((one.remedy for one in found), "")
