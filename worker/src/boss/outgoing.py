"""What the monitor sends, sent by the host's fetch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from xswarm_monitoring.http_request import Outgoing, Response, Send

if TYPE_CHECKING:
    from boss.database import Fetch


def sending(fetch: Fetch, patience: float) -> Send:
    """Return what sends one request, once.

    Args:
        fetch: the host's fetch.
        patience: seconds that it may take: API_TIMEOUT_MS.
    """

    async def send(request: Outgoing) -> Response:
        content = {"body": request.body} if request.body else {}
        headers = dict(request.headers)
        try:
            async with asyncio.timeout(patience):
                answer = await fetch(request.url, method=request.method, headers=headers, **content)
                text = await answer.text()
        except OSError:  # its words may quote the address, and Slack's is a secret
            raise ConnectionError("no answer") from None
        after = {"retry-after": answer.headers.get("retry-after") or ""}
        return Response(answer.status, after, text)

    return send
