"""Of which kind a refusal of Cloudflare's is."""

from __future__ import annotations

from collections.abc import Sequence

from xswarm_deploy import entitlements, permissions
from xswarm_deploy.services.errors import (
    ServiceError,
    ServiceUnavailable,
    Unauthorised,
    error_kind,
)


def judged(
    call: str, status: int, codes: Sequence[str], message: str
) -> tuple[type[ServiceError], str]:
    """Return the kind of a refusal, and what to do; empty: what the kind itself says.

    Args:
        call: method and path.
        status: the HTTP status.
        codes: Cloudflare's codes.
        message: its own words.
    """
    if status in (401, 403) and not codes:
        return ServiceUnavailable, ""  # a page of the edge's or of a proxy's, not the API's word
    if lacking := entitlements.remedy(codes, message):
        return error_kind(status), lacking
    told = permissions.remedy(call, status, codes, message)
    if permissions.is_wrong_token(call, status, codes, message):
        return Unauthorised, told
    return error_kind(status), told
