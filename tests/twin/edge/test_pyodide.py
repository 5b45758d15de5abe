"""Python Workers on Pyodide in workerd: what Cloudflare runs, with every binding and WebSockets."""

from __future__ import annotations

import importlib.metadata
import json
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from xswarm_deploy.bundling.bundle import bundle
from xswarm_deploy.settings.project import Project
from xswarm_deploy.settings.settings import Settings
from xswarm_twin.edge import python_host
from xswarm_twin.edge.configuration import python_flags
from xswarm_twin.model import ObjectClass, ScriptInvalid, WorkerVersion

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
DATE = "2026-11-01"
SHOP = """
import json
from js import WebSocketPair
from workers import DurableObject, Response, WorkerEntrypoint, asgi

async def app(scope, receive, send):
    if scope["type"] != "websocket":
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
        return
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
            return
        answer = {"text": message["text"] + "!"} if message.get("text") else {"bytes": b"\\0\\1"}
        await send({"type": "websocket.send", **answer})

class Counter(DurableObject):
    async def fetch(self, request):
        rows = self.ctx.storage.sql.exec("SELECT 6 * 7 AS answer").toArray()
        return Response(str(rows[0].answer))

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = request.url.split("/", 3)[3]
        if path == "pair":
            ours, theirs = WebSocketPair.new().object_values()
            theirs.accept()
            theirs.send("welcome")
            return Response(None, status=101, web_socket=ours)
        if path != "bound":
            if (request.headers.get("upgrade") or "").lower() == "websocket":
                return await asgi.websocket(app, request, self.env)
            return await asgi.fetch(app, request, self.env, self.ctx)
        env = self.env
        await env.KV.put("k", "kept")
        await env.BUCKET.put("o", "stored")
        row = await env.DB.prepare("SELECT 1 + 1 AS two").first()
        other = await env.OTHER.fetch("http://other/x")
        stub = env.COUNTER.get(env.COUNTER.idFromName("one"))
        asset = await env.ASSETS.fetch("http://x/page.txt")
        print("bound", path)
        return Response(json.dumps([
            await env.KV.get("k"), await (await env.BUCKET.get("o")).text(), row.two,
            await other.text(), await (await stub.fetch("http://object/")).text(),
            await asset.text(), env.JSON_VALUE.a.to_py(), env.SECRET,
        ]))

    async def scheduled(self, controller, env, ctx):
        print("fired", controller.cron)
"""
BINDINGS = (
    {"type": "kv_namespace", "name": "KV", "namespace_id": "k1"},
    {"type": "d1", "name": "DB", "id": "d1"},
    {"type": "r2_bucket", "name": "BUCKET", "bucket_name": "files"},
    {"type": "service", "name": "OTHER", "service": "other"},
    {"type": "durable_object_namespace", "name": "COUNTER", "class_name": "Counter"},
    {"type": "assets", "name": "ASSETS"},
    {"type": "json", "name": "JSON_VALUE", "json": {"a": [1, None]}},
    {"type": "secret_text", "name": "SECRET", "text": "s3cret"},
)
OTHER = "export default { fetch(request) { return new Response('hi ' + request.url) } }"


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Want Pyodide for Workers that the quick host could serve, too."""
    monkeypatch.setenv("XSWARM_TWIN_PYTHON", "pyodide")


def sdk() -> dict[str, str]:
    """Return the real SDK as pywrangler vendors it."""
    files = importlib.metadata.files("workers-runtime-sdk") or []
    kept = (file for file in files if file.suffix == ".py")
    return {f"python_modules/{file}": file.read_text() for file in kept}


def test_a_python_worker_has_all_bindings_and_web_sockets(play: Any, workshop: Any) -> None:
    version = workshop.version(
        {"entry.py": SHOP, **sdk()},
        bindings=BINDINGS,
        compatibility_date=DATE,
        assets=workshop.assets({"/page.txt": "a page"}, run_worker_first=True),
        objects=(ObjectClass("Counter", "counters", True),),
    )

    async def scene(stage: Any) -> None:
        stage.objects.create_bucket("files")
        await stage.serve(workshop.version({"index.js": OTHER}, worker="other"))
        url = await stage.serve(version)
        status, text = await stage.text(f"{url}/bound")
        assert status == 200, text
        assert json.loads(text) == [
            *("kept", "stored", 2, "hi http://other/x", "42", "a page"),
            *([1, None], "s3cret"),
        ]
        assert await stage.text(f"{url}/by/asgi") == (201, "/by/asgi")
        address = url.replace("http", "ws")
        async with connect(f"{address}/chat") as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello!"
            await socket.send(b"\1")
            assert await socket.recv() == b"\0\1"
            await socket.send("close")
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (4001, "enough")
        async with connect(f"{address}/pair") as socket:
            assert await socket.recv() == "welcome"
        assert await stage.edge.fire("shop", "* * * * *", 0) == "ok"

    play(scene)
    log = (workshop.folder.parent / ".sandbox" / "logs" / "worker-shop.log").read_text()
    assert f"[{version.id[:8]}] bound bound" in log
    assert "fired * * * * *" in log


REFUSED = {
    "import random; random.getrandbits(8)": "Cannot use random.getrandbits() outside of request",
    "import requests": "No module named 'requests'",
    "1 / 0": 'File "/session/metadata/entry.py", line 1',
}


@pytest.mark.usefixtures("wanted")
def test_what_cloudflare_refuses_of_python_is_refused(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        for source, said in REFUSED.items():
            version = workshop.version({"entry.py": source, **sdk()}, compatibility_date=DATE)
            with pytest.raises(ScriptInvalid) as refusal:
                await stage.edge.validate(version)
            assert said in str(refusal.value)
        version = workshop.version({"entry.py": "x = 1"}, compatibility_flags=())
        with pytest.raises(ScriptInvalid, match="python_workers compatibility flag is required"):
            await stage.edge.validate(version)

    play(scene)


@pytest.mark.usefixtures("wanted")
def test_the_reference_worker_starts_as_at_cloudflare(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        url = await stage.serve(reference(workshop))
        status, text = await stage.text(f"{url}/health/live")
        assert (status, json.loads(text)["status"]) == (200, "pass")

    play(scene)


def reference(workshop: Any) -> WorkerVersion:
    """Return the reference Worker by the very upload that a release makes."""
    body = bundle(Settings("local", ROOT, Project(), "")).body
    boundary = body.split(b"\r\n", 1)[0][2:]
    head = b"Content-Type: multipart/form-data; boundary=" + boundary + b"\r\n\r\n"
    parts = {
        str(part.get_param("name", header="content-disposition")): bytes(
            part.get_payload(decode=True) or b""
        )
        for part in BytesParser().parsebytes(head + body).walk()
        if not part.is_multipart()
    }
    told = json.loads(parts.pop("metadata"))
    main = told["main_module"]
    modules = {main: parts.pop(main), **parts}
    made: WorkerVersion = workshop.version(
        modules,
        compatibility_date=told["compatibility_date"],
        compatibility_flags=tuple(told["compatibility_flags"]),
    )
    return made


def test_what_the_quick_host_lacks_is_served_by_pyodide(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = '"""It has no websockets."""'
    plain = {"entry.py": said, "python_modules/workers/asgi.py": "WebSocketPair"}
    extension = "python_modules/p/_p.cpython-314-wasm32-emscripten.so"
    assert python_host.serves(workshop.version(plain))
    assert python_host.serves(reference(workshop))
    for modules, given in (
        ({"entry.py": "from js import WebSocketPair"}, {}),
        ({"entry.py": "if scope['type'] == 'websocket': pass"}, {}),
        ({"entry.py": "@app.websocket('/chat')"}, {}),
        ({"entry.py": "Response(None, status=101, web_socket=ours)"}, {}),
        ({**plain, extension: b"\0asm"}, {}),
        (plain, {"bindings": BINDINGS[:1]}),
        (plain, {"compatibility_flags": ()}),
        ({"index.js": "export default {}"}, {}),
    ):
        assert not python_host.serves(workshop.version(modules, **given))
    monkeypatch.setenv("XSWARM_TWIN_PYTHON", "pyodide")
    assert not python_host.serves(workshop.version(plain))


def test_the_flags_of_a_python_worker() -> None:
    own = ["python_workers_development", "disable_python_dedicated_snapshot"]
    assert python_flags(("python_workers", "python_dedicated_snapshot")) == ["python_workers", *own]
    assert python_flags(()) == []
