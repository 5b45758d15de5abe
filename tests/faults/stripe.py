"""Stripe's stand-in in this process: one for all cases, since localstripe is one application."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.project import LOCAL_VALUES
from xswarm_twin.providers.stripe import Keys, Stripe

KEY: Final = LOCAL_VALUES["STRIPE_SECRET_KEY_TEST"]
_KEYS: Final = Keys(KEY, "sk_live_nobody", "rk_test_nobody")


class StandIn:
    """Serve on loopback until :meth:`stop`; what is kept there can be taken back.

    Args:
        folder: where its state is.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # localstripe's, of aiohttp
            import_module("localstripe.server")
        self._provider = Stripe(_KEYS, "acct_faults", folder)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._do(self._listen())}"

    def kept(self) -> str:
        """Return all that is kept there."""
        return json.dumps(self._tables)

    def restore(self, kept: str) -> None:
        """Let there be again what was kept at an earlier time."""
        then = json.loads(kept)
        for name, table in self._tables.items():
            table.clear()
            table.update(then.get(name, {}))

    def stop(self) -> None:
        """End the server and its thread."""
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def _tables(self) -> dict[str, dict[str, Any]]:
        return self._provider._endpoints._records._tables

    async def _listen(self) -> int:
        self._runner = web.AppRunner(self._provider.application(_healthy), access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@web.middleware
async def _healthy(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)
