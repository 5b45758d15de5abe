"""The API stand-in on a port of its own, with an edge that only remembers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from aiohttp import web

from tests.twin.cloudflare import d1_engine
from xswarm_twin.cloudflare.app import BASE, make_app, serve_stored
from xswarm_twin.cloudflare.telemetry import Kept
from xswarm_twin.cloudflare.twin import TWIN, Account, Addresses, Twin, open_twin
from xswarm_twin.edge.cron import parse
from xswarm_twin.edge.degraded import Degraded
from xswarm_twin.edge.edge import Edge
from xswarm_twin.edge.proxy import CallFailed
from xswarm_twin.edge.simulators import Answer, Consumer, Question
from xswarm_twin.model import PagesDeployment, ScriptInvalid, WorkerVersion
from xswarm_twin.objects.store import Objects

ACCOUNT = Account("f" * 32, "sandbox-token-for-tests")
GOOD = b"export default { fetch() {} }"
BROKEN = b"this does not start"


class RememberedEdge(Edge):
    """Serve nothing, but remember what was asked for, and refuse what is marked as broken."""

    def __init__(self) -> None:
        self.deployed: dict[str, dict[str, float]] = {}
        self.bindings: dict[str, Any] = {}
        self.flags: dict[str, tuple[bool, bool]] = {}
        self.previews: list[str] = []
        self.validated: list[WorkerVersion] = []
        self.pages: dict[str, PagesDeployment] = {}
        self.published: list[str] = []
        self.crons: dict[str, list[str]] = {}
        self.consumers: dict[str, Consumer] = {}
        self.degraded: Degraded | None = None
        self.questions: list[Question] = []
        self.answers: list[Answer] = []
        self.databases: Path | None = None
        self.key_of: Callable[[web.Request], str] = lambda _: ""
        self.pulled: Callable[[str, Sequence[Mapping[str, Any]]], None] = lambda *_: None
        self.purged: list[str] = []

    async def validate(self, version: WorkerVersion) -> int:
        self.validated.append(version)
        for module in version.modules:
            if BROKEN in module.path.read_bytes():
                raise ScriptInvalid(f"{module.name}:1: {BROKEN.decode()}")
        return 7

    async def deploy(
        self,
        worker: str,
        split: Mapping[WorkerVersion, float],
        *,
        enabled: bool,
        previews: bool,
    ) -> None:
        for version in split:
            if any(binding.get("text") == BROKEN.decode() for binding in version.bindings):
                raise ScriptInvalid(BROKEN.decode())
        self.deployed[worker] = {version.id: share for version, share in split.items()}
        self.bindings.update({version.id: version.bindings for version in split})
        self.flags[worker] = (enabled, previews)

    async def purge(self, queue: str) -> None:
        self.purged.append(queue)

    async def consume(self, consumers: Mapping[str, Consumer]) -> None:
        self.consumers = dict(consumers)

    async def ask(self, question: Question) -> Answer:
        self.questions.append(question)
        if question.service == "d1" and self.databases is not None:
            file = self.databases / f"{question.props['database']}.sqlite"
            return await asyncio.to_thread(d1_engine.answer, file, question)
        return self.answers.pop(0)

    async def call(self, worker: str, target: Mapping[str, Any], given: Sequence[Any]) -> Any:
        raise CallFailed(f"{worker} has no process here: {target['method']}{given}")

    def degrade(self, degraded: Degraded | None) -> None:
        self.degraded = degraded

    def instances(self, worker: str, workflow: str) -> Sequence[str]:
        return ()

    async def remove(self, worker: str) -> None:
        self.deployed.pop(worker, None)
        self.crons.pop(worker, None)

    async def schedule(self, worker: str, crons: Sequence[str]) -> None:
        for cron in crons:
            parse(cron)
        self.crons[worker] = list(crons)

    async def preview(self, version: WorkerVersion) -> None:
        self.previews.append(version.id)

    async def publish(self, deployment: PagesDeployment, *, production: bool) -> None:
        self.published.append(deployment.id)
        if production:
            self.pages[deployment.project] = deployment

    async def try_functions(self, deployment: PagesDeployment, *, production: bool) -> None:
        functions = deployment.functions
        if functions is not None:
            await self.validate(functions)

    async def unpublish(self, project: str) -> None:
        self.pages.pop(project, None)
        self.published.clear()


class Api:
    """The stand-in, running in a thread; ``restart`` is what a killed process would see."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {ACCOUNT.token}"
        self.account = f"/accounts/{ACCOUNT.id}"
        self._start()

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API; ``A`` at the start stands for the account's path."""
        if path.startswith("A/"):
            path = self.account + path[1:]
        if method == "PATCH" and path.endswith("/versions/latest"):
            options = {"headers": {"Content-Type": "application/merge-patch+json"}, **options}
        return self.session.request(method, self.base + path, timeout=60, **options)

    def result(self, method: str, path: str, **options: Any) -> Any:
        """Call the API and give the result of a success."""
        response = self.call(method, path, **options)
        assert response.status_code in (200, 201), response.text
        body = response.json()
        assert body["success"] is True
        return body["result"]

    def refused(self, method: str, path: str, **options: Any) -> tuple[int, int]:
        """Call the API and give the status and code of a failure."""
        response = self.call(method, path, **options)
        body = response.json()
        assert body["success"] is False
        assert body["errors"][0]["message"]
        return response.status_code, body["errors"][0]["code"]

    def upload(
        self,
        worker: str,
        code: bytes = GOOD,
        *,
        method: str = "POST",
        query: str = "?bindings_inherit=strict",
        **metadata: Any,
    ) -> requests.Response:
        """Upload a script: a new version (POST), or directly (PUT)."""
        path = f"A/workers/scripts/{worker}"
        path = f"{path}/versions{query}" if method == "POST" else path + query
        return self.call(method, path, files=form(code, **metadata))

    def worker(self, name: str = "shop", *, code: bytes = GOOD, **metadata: Any) -> str:
        """Make a Worker by its first direct upload, and return the version's id."""
        response = self.upload(name, code, method="PUT", **metadata)
        assert response.status_code == 200, response.text
        return str(response.json()["result"]["deployment_id"])

    def version(
        self, name: str = "shop", code: bytes = b"export default { fetch() {} }", **more: Any
    ) -> str:
        """Upload a version and give its id."""
        response = self.upload(name, code, **more)
        assert response.status_code == 200, response.text
        return str(response.json()["result"]["id"])

    def deploy(self, worker: str, *shares: tuple[str, Any], query: str = "") -> requests.Response:
        """Ask for a deployment."""
        body = {
            "strategy": "percentage",
            "versions": [{"version_id": id_, "percentage": share} for id_, share in shares],
        }
        return self.call("POST", f"A/workers/scripts/{worker}/deployments{query}", json=body)

    def fault(self, **fault: Any) -> None:
        """Order a fault."""
        response = self.session.put(self.origin + "/__sandbox/faults", json=fault, timeout=60)
        assert response.status_code == 200, response.text

    @property
    def twin(self) -> Twin:
        """Return the parts behind the API."""
        return self.app[TWIN]

    def restart(self) -> None:
        """Stop, and start anew with another edge on the same state."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the server and its thread."""
        self.do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _start(self) -> None:
        self.edge = RememberedEdge()
        self.edge.databases = self.state / "d1"
        self.edge.databases.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        port = self.do(self._listen())
        self.origin = f"http://127.0.0.1:{port}"
        self.base = self.origin + BASE

    async def _listen(self) -> int:
        objects = Objects(self.state / "objects")
        addresses = Addresses({"shop": 8001}, {"site": 8002})
        twin = open_twin(ACCOUNT, self.state, self.edge, objects, addresses, Kept())
        self.app = make_app(twin)
        self.app.on_cleanup.append(_closing(objects.close))
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await serve_stored(self.twin)
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run in the stand-in's own thread, which its records belong to."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


def form(code: bytes, **metadata: Any) -> list[tuple[str, Any]]:
    """Return the parts of a script upload."""
    told = {"main_module": "index.js", "compatibility_date": "2026-01-01"} | metadata
    return [
        ("metadata", (None, json.dumps(told), "application/json")),
        ("index.js", ("index.js", code, "application/javascript+module")),
    ]


def _closing(close: Callable[[], None]) -> Callable[[web.Application], Coroutine[Any, Any, None]]:
    async def cleanup(_: web.Application) -> None:
        close()

    return cleanup
