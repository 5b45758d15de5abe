"""The Worker's main module: the application behind the Workers SDK's ASGI adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import workers
from boss.app import create_app
from workers import asgi


def defer(coroutine: Coroutine[Any, Any, None]) -> None:
    """Let a coroutine run on after the answer.

    ``wait_until`` is looked up here, not above: it belongs to the runtime, and what a Worker
    imports at its start must hold nothing of the runtime's, or no snapshot of it can be made.
    """
    workers.wait_until(asyncio.ensure_future(coroutine))


app = create_app(workers.fetch, defer)


class Default(asgi.entrypoint(app)):  # type: ignore[misc]
    """The Worker: requests, and the cron trigger of wrangler.jsonc."""

    async def fetch(self, request: Any) -> Any:
        """Answer a request, of whatever method: the SDK has none that Python has no name for.

        Its ``Request`` raises KeyError for PROPFIND and the like, as scanners send them, which ends
        the Worker in error 1101; JavaScript's own request has the method's text.
        """
        return await asgi.fetch(app, request.js_object, self.env, self.ctx)

    async def scheduled(self, controller: Any, _environment: Any, _context: Any) -> None:
        """Go a round; see :meth:`boss.app.Application.go_round`."""
        await app.go_round(self.env, controller.scheduledTime / 1000)
