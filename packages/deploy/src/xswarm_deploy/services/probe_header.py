"""Sign the requests of verification, canary and monitoring, so that the Worker recognises them."""

from __future__ import annotations

from typing import Final

from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.settings import Settings
from xswarm_monitoring.probe_header import EXEMPT, HEADER, ProbedRequest, sign

TOKEN: Final = "ADMIN_TOKEN"  # noqa: S105 - a variable's name


def headers(
    settings: Settings,
    request: ProbedRequest,
    now: float,
    *,
    staged: Secret | None = None,
    kind: str = EXEMPT,
    version: str = "",
) -> dict[str, str]:
    """Return the header that marks a request as a deployment's own; empty without ADMIN_TOKEN.

    Args:
        settings: the environment's; they hold the token.
        request: the request that it goes with.
        now: seconds since 1970.
        staged: the token that the version under way brings, while it is rotated.
        kind: whether the rate limit is to count it.
        version: the only version that is asked; empty: whichever answers.
    """
    tokens = [token.reveal() for token in (staged, settings.secret(TOKEN)) if token]
    value = sign(tokens, request, now, kind=kind, version=version)
    return {HEADER: value} if value else {}
