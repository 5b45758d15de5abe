"""What a refusal of Cloudflare's means: a wrong token, or a permission that the token lacks.

The API says of a call that a token may not make "Authentication error" (10000) and no more. Which
permission it is follows from the call; the names are those of the dashboard's form for tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_NO_TOKEN: Final = frozenset({"1000", "6003", "6111", "9103", "9106"})
"""Codes of a credential that is no API token, or of none, whatever the status is."""
_ELSEWHERE: Final = "Cannot use the access token from location"
_INVALID: Final = "Invalid access token"
_FORM: Final = "Cloudflare: My Profile, API Tokens; or Manage Account, Account API Tokens"
_TOKEN: Final = (
    "put an API token into CLOUDFLARE_API_TOKEN, no Global API Key, and one that has neither ended"
    f" nor been rolled ({_FORM}); then: inv check"
)
_ADDRESS: Final = (
    "let the token be used from here (its Client IP Address Filtering), or deploy from an address"
    " that it names; then: inv check"
)
OTHER_ACCOUNT: Final = "put the id of the account that has the Worker into CLOUDFLARE_ACCOUNT_ID"
_SCRIPTS: Final = "Account, Workers Scripts: Edit"
_NEEDED: Final = (
    (r"/workers/scripts/[^/]+/tails", "Account, Workers Tail: Read"),
    (r"/workers/observability", "Account, Workers Observability: Read (or Edit)"),
    (r"/accounts/[^/]+/workers", _SCRIPTS),
    (r"/workflows", _SCRIPTS),
    (r"/d1/", "Account, D1: Edit"),
    (r"/storage/kv/", "Account, Workers KV Storage: Edit"),
    (r"/r2/", "Account, Workers R2 Storage: Edit"),
    (r"/queues", "Account, Queues: Edit"),
    (r"/pages/", "Account, Cloudflare Pages: Edit"),
    (r"/hyperdrive/", "Account, Hyperdrive: Read"),
    (r"/vectorize/", "Account, Vectorize: Read"),
    (r"/secrets_store/", "Account, Secrets Store: Read"),
    (r"/mtls_certificates", "Account, SSL and Certificates: Read"),
    (r"/pipelines/", "Account, Pipelines: Read"),
    (r"/ai-search/", "Account, AI Search: Read"),
    (r"/connectivity/", "Account, Connectivity Directory: Read"),
    (r"/cfd_tunnel/", "Account, Cloudflare Tunnel: Read"),
    (r"/flagship/", "Account, Flagship: Read"),
    (r"/graphql", "Account, Account Analytics: Read"),
    (r"/zones/[^/]+/workers/routes", "Zone, Workers Routes: Edit"),
    (r"/zones/[^/]+/dns_records", "Zone, DNS: Read"),
    (r"/zones/[^/]+/settings", "Zone, Zone Settings: Read"),
    (r"/zones/[^/]+/rulesets", "Zone, Transform Rules: Edit"),
    (r"/zones", "Zone, Zone: Read"),
)
"""A part of the path, and what a token needs for it; the first that fits counts."""


_BOUND: Final = re.compile(r"\b(\w+) bindings require")
_OF_BINDINGS: Final = {
    "kv": "Account, Workers KV Storage: Edit",
    "d1": "Account, D1: Edit",
    "r2": "Account, Workers R2 Storage: Edit",
    "queue": "Account, Queues: Edit",
    "hyperdrive": "Account, Hyperdrive: Edit",
    "vectorize": "Account, Vectorize: Edit",
}
"""By the word of Cloudflare's message, of which only the first is known from one."""


def is_wrong_token(call: str, status: int, codes: Sequence[str], message: str) -> bool:
    """Return whether a refusal is of the token itself; arguments as of :func:`remedy`."""
    if _ELSEWHERE in message:
        return False
    wrong = not _NO_TOKEN.isdisjoint(codes) or _INVALID in message or status == 401
    return wrong or (status == 403 and call.endswith("/tokens/verify"))


def remedy(call: str, status: int, codes: Sequence[str], message: str) -> str:
    """Return what to do about a refusal; empty: it is neither of the token nor of a permission.

    Args:
        call: method and path.
        status: the HTTP status.
        codes: Cloudflare's codes.
        message: its own words.
    """
    if _ELSEWHERE in message:
        return _ADDRESS
    if is_wrong_token(call, status, codes, message):
        return _TOKEN
    name = _of_bindings(message) or (needed(call) if status == 403 else "")
    if not name:
        return ""
    where = "this zone" if name.startswith("Zone") else "the account CLOUDFLARE_ACCOUNT_ID"
    return f"give the token {name}, for {where} ({_FORM}); then: inv check"


def needed(call: str) -> str:
    """Return the permission that a call needs, as the dashboard names it; empty: unknown."""
    return next((name for path, name in _NEEDED if re.search(path, call)), "")


def _of_bindings(message: str) -> str:
    """Return the permission that an upload lacks for what it is bound to; empty: none is named.

    Source: workers-sdk, issue 13828: "kv bindings require kv write perms" (10023).
    """
    found = _BOUND.search(message)
    return _OF_BINDINGS.get(found[1], "") if found else ""


def is_of_token(told: str) -> bool:
    """Return whether a remedy is one of these: one cause, however many calls were refused."""
    return told in (_TOKEN, _ADDRESS) or is_of_permission(told)


def is_of_permission(told: str, scope: str = "") -> bool:
    """Return whether a remedy is to give a permission; of an account or a zone, where one is asked.

    Args:
        told: the remedy.
        scope: ``Account``, ``Zone``; empty: either.
    """
    return told.startswith(f"give the token {scope}") and _FORM in told
