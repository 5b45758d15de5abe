"""Python Workers on the quick host: what they may see, and what they are given."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from xswarm_twin.model import ScriptInvalid

pytestmark = pytest.mark.slow

ECHO = """
import json
from helper import NAME
from vendored.thing import VALUE
from workers import asgi

started = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["ready"] = "yes"
        started.append(1)
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = (await receive())["body"]
    env = scope["env"]
    if scope["path"] == "/boom":
        raise ValueError("boom at request")
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})
        return
    if scope["path"] == "/nothing":
        await send({"type": "http.response.start", "status": 204, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body"})
        return
    print("printed", scope["path"])
    told = {
        "name": NAME, "value": VALUE, "path": scope["path"], "raw": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(), "method": scope["method"],
        "body": len(body), "state": scope["state"], "plain": env.PLAIN, "secret": env.SECRET,
        "json": env.JSON_VALUE.a, "version": dict(env.VERSION), "missing": hasattr(env, "NONE"),
        "headers": {k.decode(): v.decode() for k, v in scope["headers"]},
    }
    data = json.dumps(told).encode()
    await send({"type": "http.response.start", "status": 201, "headers": [
        (b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]})
    await send({"type": "http.response.body", "body": data})

Default = asgi.entrypoint(app)
"""
HELPER = {"helper.py": "NAME = 'helper'", "python_modules/vendored/thing.py": "VALUE = 7"}
BINDINGS = (
    {"type": "plain_text", "name": "PLAIN", "text": "plain"},
    {"type": "secret_text", "name": "SECRET", "text": "s3cret-value"},
    {"type": "json", "name": "JSON_VALUE", "json": {"a": [1, None]}},
    {"type": "version_metadata", "name": "VERSION"},
)


def test_versions_that_are_gone_are_kept_by_nobody(play: Any, workshop: Any) -> None:
    """A version of hundreds of modules once stayed in a cache, as long as the twin ran."""

    async def scene(stage: Any) -> None:
        kept = []
        for _ in range(2):
            version = workshop.version({"entry.py": ECHO, **HELPER}, bindings=BINDINGS)
            await stage.edge.validate(version)
            await stage.text(await stage.serve(version) + "/nothing")
            kept.append(weakref.ref(version))
            del version
        assert all(one() for one in kept), "both can be deployed"
        await stage.edge.remove("shop")
        until = time.monotonic() + 20
        while any(one() for one in kept) and time.monotonic() < until:
            await asyncio.sleep(0.05)  # processes end in their own time
            gc.collect()
        assert [one() for one in kept] == [None, None]

    play(scene)


def test_javascripts_request_has_every_method(play: Any, workshop: Any) -> None:
    """As tests/worker/test_pyodide.py finds of the real SDK."""
    entry = ECHO.replace(
        "Default = asgi.entrypoint(app)",
        "class Default(asgi.entrypoint(app)):\n"
        "    async def fetch(self, request):\n"
        "        return await asgi.fetch(app, request.js_object, self.env, self.ctx)\n",
    )
    version = workshop.version({"entry.py": entry, **HELPER}, bindings=BINDINGS)

    async def scene(stage: Any) -> None:
        url = await stage.serve(version)
        async with stage.client.request("PROPFIND", f"{url}/x", data=b"abc") as response:
            told = await response.json()
        assert (response.status, told["method"], told["body"]) == (201, "PROPFIND", 3)

    play(scene)


def test_an_asgi_application_is_served(play: Any, workshop: Any) -> None:
    version = workshop.version({"entry.py": ECHO, **HELPER}, bindings=BINDINGS)

    async def scene(stage: Any) -> None:
        await stage.edge.validate(version)
        url = await stage.serve(version)
        body = b"x" * 300_000
        async with stage.client.post(f"{url}/a%2Fb%20c?d=e", data=body) as response:
            told = await response.json()
            assert response.status == 201
            assert response.headers.getall("set-cookie") == ["a=1", "b=2"]
        assert told["headers"]["host"] == url.removeprefix("http://")
        assert told["headers"]["cf-connecting-ip"] == "127.0.0.1"
        assert {name: told[name] for name in told if name != "headers"} == {
            "name": "helper",
            "value": 7,
            "path": "/a/b c",
            "raw": "/a%2Fb%20c",
            "query": "d=e",
            "method": "POST",
            "body": 300_000,
            "state": {"ready": "yes"},
            "plain": "plain",
            "secret": "s3cret-value",
            "json": [1, None],
            "version": {"id": version.id, "tag": "", "timestamp": version.created_on},
            "missing": False,
        }
        async with stage.client.request("PROPFIND", url) as response:  # the SDK raises for it
            assert await response.text() == "error code: 1101\n"
        assert await stage.text(f"{url}/stream") == (200, "012end")
        async with stage.client.get(f"{url}/nothing") as response:
            assert (response.status, response.headers["x-a"]) == (204, "1")
        async with stage.client.head(f"{url}/") as response:
            assert response.status == 201
        status, text = await stage.text(f"{url}/boom")
        assert (status, text) == (500, "error code: 1101\n")

    play(scene)
    log = (workshop.folder.parent / ".sandbox" / "logs" / "worker-shop.log").read_text()
    assert f"[{version.id[:8]}] printed /a/b c" in log
    assert "ValueError: boom at request" in log
    assert "s3cret-value" not in log


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import requests", "ModuleNotFoundError: No module named 'requests'"),
        ("import xswarm_deploy.services", "ModuleNotFoundError: No module named 'xswarm_deploy'"),
        ("import uvicorn", "ModuleNotFoundError: No module named 'uvicorn'"),
        ("import uvicorn.config", "ModuleNotFoundError: No module named 'uvicorn'"),
        ("import h11", "ModuleNotFoundError: No module named 'h11'"),
        ("import click", "ModuleNotFoundError: No module named 'click'"),
        ("import helper", 'File "helper.py", line 1, in <module>'),
        ("def broken(:", 'File "entry.py", line 1'),
        ("from workers import Blob", "ImportError: cannot import name 'Blob'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "exports no class Default"),
        ("class Default: pass", "exports no class Default"),
    ],
)
def test_what_is_not_imported_is_invalid(play: Any, workshop: Any, source: str, said: str) -> None:
    version = workshop.version({"entry.py": source, "helper.py": "1 / 0"})

    async def scene(stage: Any) -> None:
        with pytest.raises(ScriptInvalid) as refusal:
            await stage.edge.validate(version)
        assert said in str(refusal.value)
        assert str(stage.state) not in str(refusal.value)
        assert "python_serve" not in str(refusal.value)

    play(scene)


SIGHT = """
import os, sys
from workers import Response, WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        files = [str(getattr(m, "__file__", "")) for m in list(sys.modules.values())]
        return Response.json({"environ": dict(os.environ), "path": sys.path, "argv": sys.argv,
            "outside": [f for f in files if "site-packages" in f]})
"""


def test_a_worker_sees_nothing_of_ours(
    play: Any, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "not-for-workers")
    version = workshop.version({"entry.py": SIGHT})

    async def scene(stage: Any) -> None:
        _, text = await stage.text(await stage.serve(version))
        told = json.loads(text)
        assert "not-for-workers" not in text
        assert told["outside"] == []
        assert not any("site-packages" in path for path in told["path"])
        assert told["path"][-2:] == [told["path"][-2], f"{told['path'][-2]}/python_modules"]

    play(scene)


ENTRYPOINT = """
import asyncio, json
from workers import Response, WorkerEntrypoint, env, fetch, handler, wait_until
from workers import import_from_javascript

later = []

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = request.url.split("/", 3)[3]
        if path == "later":
            return Response(",".join(later))
        if path == "wait":
            async def work():
                await asyncio.sleep(0.1)
                later.append("done")
            self.ctx.waitUntil(work())
            return Response("soon", status=202)
        if path == "bad":
            return "no response"
        if path.startswith("via/"):
            reply = await fetch(self.env.OTHER + "/" + path[4:], method="POST",
                                headers={"x-sent": "1"}, body="body")
            return Response(json.dumps([reply.status, await reply.text(), reply.headers["x-back"]]))
        assert env is self.env is import_from_javascript("cloudflare:workers").env
        out = {"json": await request.json() if request.method == "POST" else None}
        b = self.env.BUCKET
        put = await b.put("k/ü", "hello", httpMetadata={"contentType": "text/x"},
                          customMetadata={"who": "me"})
        got = await b.get("k/ü")
        out["get"] = [await got.text(), got.size, got.httpEtag, got.httpMetadata.contentType,
                      got.customMetadata.who, got.uploaded.year > 2000]
        out["range"] = await (await b.get("k/ü", range={"offset": 1, "length": 2})).text()
        out["head"] = (await b.head("k/ü")).etag
        out["missing"] = [await b.get("none"), await b.head("none")]
        out["not met"] = await b.put("k/ü", b"no", {"onlyIf": {"etagDoesNotMatch": put.etag}})
        await b.put("json", json.dumps({"a": {"b": 1}}))
        out["as json"] = (await (await b.get("json")).json()).a.b
        page = await b.list(limit=1)
        rest = await b.list(cursor=page.cursor)
        out["list"] = [page.objects[0].key, page.truncated, [o.key for o in rest.objects]]
        await b.delete(["json", "none"])
        out["left"] = [o.key for o in (await b.list(prefix="k")).objects]
        asset = await self.env.ASSETS.fetch("http://x/page.txt")
        out["asset"] = [asset.status, await asset.text()]
        return Response.json(out)
"""


def test_the_sdk_reaches_buckets_files_and_other_servers(play: Any, workshop: Any) -> None:
    other = workshop.version(
        {
            "index.js": """export default { async fetch(r) {
              if (r.url.endsWith("/moved")) return Response.redirect(r.url + "-here", 307);
              return new Response(`${r.method} ${await r.text()} ${r.headers.get("x-sent")}`,
                { status: 201, headers: { "x-back": "yes" } }) } }"""
        },
        worker="other",
    )

    async def scene(stage: Any) -> None:
        stage.objects.create_bucket("files")
        version = workshop.version(
            {"entry.py": ENTRYPOINT},
            bindings=(
                {"type": "r2_bucket", "name": "BUCKET", "bucket_name": "files"},
                {"type": "assets", "name": "ASSETS"},
                {"type": "plain_text", "name": "OTHER", "text": await stage.serve(other)},
            ),
            assets=workshop.assets({"/page.txt": "a page"}, run_worker_first=True),
        )
        url = await stage.serve(version)
        async with stage.client.post(f"{url}/", json={"x": 1}) as response:
            assert response.status == 200, await response.text()
            told = await response.json()
        etag = "5d41402abc4b2a76b9719d911017c592"
        assert told == {
            "json": {"x": 1},
            "get": ["hello", 5, f'"{etag}"', "text/x", "me", True],
            "range": "el",
            "head": etag,
            "missing": [None, None],
            "not met": None,
            "as json": 1,
            "list": ["json", True, ["k/ü"]],
            "left": ["k/ü"],
            "asset": [200, "a page"],
        }
        assert stage.objects.read("files", "k/ü") == b"hello"
        for path in ("via/there", "via/moved"):
            _, text = await stage.text(f"{url}/{path}")
            assert json.loads(text) == [201, "POST body 1", "yes"]
        assert (await stage.text(f"{url}/wait")) == (202, "soon")
        async with asyncio.timeout(60):
            while (later := await stage.text(f"{url}/later")) == (200, ""):
                await asyncio.sleep(0.05)
        assert later == (200, "done")
        assert (await stage.text(f"{url}/bad"))[0] == 500

    play(scene)


def test_what_was_compiled_once_is_not_compiled_again(play: Any, workshop: Any) -> None:
    source = "from heavy import VALUE\nfrom workers import Response, WorkerEntrypoint\n"
    source += "import heavy\nclass Default(WorkerEntrypoint):\n"
    source += "  async def fetch(self, r): return Response(heavy.__cached__ + str(VALUE))\n"
    heavy = "VALUE = 1\n" + "".join(f"def f{n}(a, b): return a + b\n" for n in range(2000))
    modules = {"entry.py": source, "python_modules/heavy.py": heavy}

    async def scene(stage: Any) -> None:
        await stage.edge.validate(workshop.version(modules))
        kept = times(stage.state / "edge" / "bytecode")
        assert len(kept) == 2
        changed = {**modules, "entry.py": source + "# changed\n"}
        url = await stage.serve(workshop.version(changed))
        status, text = await stage.text(url)
        assert status == 200
        assert text.endswith("1")
        after = times(stage.state / "edge" / "bytecode")
        assert len(after) == 3
        assert kept.items() <= after.items()

    play(scene)


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
