"""JavaScript Workers on the real workerd."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from xswarm_twin import programs
from xswarm_twin.errors import Unavailable
from xswarm_twin.model import ClassMissing, ObjectClass, ScriptInvalid
from xswarm_twin.programs import find_workerd, newest_date

pytestmark = pytest.mark.slow

COMPUTING = """
let sum = 0;
for (let i = 0; i < 1e11; i++) sum += i % 7;
export default { fetch: () => new Response(String(sum)) };
"""
EVERYTHING = """
import text from "./0123abcd-greeting.txt";
import data from "./blob.bin";
import { suffix } from "./lib/suffix.js";
export default {
  async fetch(request, env) {
    return Response.json({
      text, data: data.byteLength, suffix, plain: env.PLAIN, secret: env.SECRET,
      json: env.JSON_VALUE, version: env.VERSION, colo: request.cf.colo,
      ip: request.headers.get("CF-Connecting-IP"), ray: request.headers.get("CF-Ray"),
      url: request.url, proto: request.headers.get("X-Forwarded-Proto"),
    });
  }
}
"""


def test_modules_and_bindings_arrive(play: Any, workshop: Any) -> None:
    version = workshop.version(
        {
            "index.js": EVERYTHING,
            "./0123abcd-greeting.txt": "grüezi",
            "blob.bin": b"\x00\x01\x02",
            "lib/suffix.js": 'export const suffix = "!";',
        },
        bindings=(
            {"type": "plain_text", "name": "PLAIN", "text": 'a "quoted" \\ ü\n'},
            {"type": "secret_text", "name": "SECRET", "text": "s3cret"},
            {"type": "json", "name": "JSON_VALUE", "json": {"a": [1, None]}},
            {"type": "version_metadata", "name": "VERSION"},
        ),
        annotations={"workers/tag": "v1"},
    )

    async def scene(stage: Any) -> None:
        started = await stage.edge.validate(version)
        url = await stage.serve(version)
        async with stage.client.get(f"{url}/a%20b?c=d") as response:
            told = await response.json()
            ray = response.headers["CF-Ray"]
            assert response.headers["Server"] == "cloudflare"
        assert 0 < started < 10_000
        assert told == {
            "text": "grüezi",
            "data": 3,
            "suffix": "!",
            "plain": 'a "quoted" \\ ü\n',
            "secret": "s3cret",
            "json": {"a": [1, None]},
            "version": {"id": version.id, "tag": "v1", "timestamp": version.created_on},
            "colo": "LCL",
            "ip": "127.0.0.1",
            "ray": ray,
            "url": f"{url}/a%20b?c=d",
            "proto": "http",
        }

    play(scene)


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("export default {", {}, "SyntaxError"),
        ("throw new Error('at start')", {}, "at start"),
        ('import "./missing.js"; export default {}', {}, "missing.js"),
        ("export default {}", {"compatibility_date": "2099-01-01"}, "2099-01-01"),
        ("export default {}", {"compatibility_flags": ("no_such_flag",)}, "no_such_flag"),
        (COMPUTING, {}, "Script startup exceeded CPU time limit."),
        ("export default {}", {"objects": (ObjectClass("Room", "1f", sqlite=True),)}, "Room"),
        (
            "export default {}",
            {"bindings": ({"type": "wasm_module", "name": "OLD", "part": "a.wasm"},)},
            "OLD (wasm_module)",
        ),
    ],
)
def test_what_does_not_start_is_invalid(
    play: Any, workshop: Any, source: str, given: dict[str, Any], said: str
) -> None:
    version = workshop.version({"index.js": source}, **given)

    async def scene(stage: Any) -> None:
        with pytest.raises(ScriptInvalid, match=r"(?s).+") as refusal:
            await stage.edge.validate(version)
        assert said in str(refusal.value)
        assert isinstance(refusal.value, ClassMissing) is ("objects" in given)
        assert str(stage.state) not in str(refusal.value)
        assert version.id not in str(refusal.value)

    play(scene)


def test_a_date_that_workerd_does_not_know_yet_runs_as_the_newest_that_it_knows(
    play: Any, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cloudflare takes every day up to today; the workerd of a project is older."""
    monkeypatch.setattr("xswarm_twin.edge.workerd.newest_date", lambda _binary: "2024-01-01")
    source = """
      const { internal_writable_stream_abort_clears_queue: of2024 } = Cloudflare.compatibilityFlags;
      export default { fetch: () => new Response(of2024) };
    """
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    version = workshop.version({"index.js": source}, compatibility_date=today)

    async def scene(stage: Any) -> None:
        assert await stage.text(await stage.serve(version)) == (200, "false")
        log = (stage.state / "logs" / f"worker-{version.worker}.log").read_text()
        assert f"compatibility date {today} runs as 2024-01-01" in log

    play(scene)


@pytest.mark.parametrize(
    ("version", "date"), [("1.20261117.0", "2026-11-17"), ("0.0.0", ""), ("", "")]
)
def test_the_newest_date_is_that_of_the_version(tmp_path: Path, version: str, date: str) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"version": version}))
    assert newest_date(tmp_path / "bin/workerd") == date


def test_output_goes_to_the_log_and_secrets_leave_no_file(play: Any, workshop: Any) -> None:
    version = workshop.version(
        {
            "index.js": """export default { fetch() {
              console.log("seen"); return new Response("ok") } }"""
        },
        bindings=({"type": "secret_text", "name": "SECRET", "text": "s3cret-value"},),
    )

    async def scene(stage: Any) -> None:
        url = await stage.serve(version)
        assert await stage.text(url) == (200, "ok")
        kept = [path for path in (stage.state / "edge").rglob("*") if path.is_file()]
        assert not any(b"s3cret-value" in path.read_bytes() for path in kept)

    play(scene)
    log = workshop.folder.parent / ".sandbox" / "logs" / "worker-shop.log"
    assert f"[{version.id[:8]}] seen" in log.read_text()


STREAMS = """
export default {
  async fetch(request) {
    const path = new URL(request.url).pathname;
    if (path === "/echo") return new Response(request.body, { headers: { "x-length":
      request.headers.get("content-length") ?? "none" } });
    if (path === "/empty") return new Response(null, { status: 204, headers: { "x-a": "1" } });
    if (path === "/cookies") { const r = new Response("x"); r.headers.append("set-cookie", "a=1");
      r.headers.append("set-cookie", "b=2"); return r; }
    if (path === "/untyped") return new Response(new Uint8Array([1, 2]));
    if (path === "/redirect") return Response.redirect("https://example.com/", 302);
    if (path === "/socket") { const pair = new WebSocketPair(); pair[1].accept();
      pair[1].addEventListener("message", e => pair[1].send("echo " + e.data));
      return new Response(null, { status: 101, webSocket: pair[0] }); }
    return new Response("hello", { headers: { "content-length": "5" } });
  }
}
"""


def test_the_proxy_keeps_what_is_said(play: Any, workshop: Any) -> None:
    version = workshop.version({"index.js": STREAMS})
    big = b"x" * 3_000_000

    async def chunks() -> Any:
        for start in range(0, len(big), 100_000):
            yield big[start : start + 100_000]

    async def scene(stage: Any) -> None:
        url = await stage.serve(version)
        async with stage.client.post(f"{url}/echo", data=io.BytesIO(big)) as response:
            assert await response.read() == big
            assert response.headers["x-length"] == str(len(big))
        async with stage.client.put(f"{url}/echo", data=chunks()) as response:
            assert await response.read() == big
        async with stage.client.post(f"{url}/echo", data=b"abc", expect100=True) as response:
            assert await response.read() == b"abc"
        async with stage.client.get(f"{url}/empty") as response:
            assert (response.status, response.headers["x-a"]) == (204, "1")
        async with stage.client.get(f"{url}/cookies") as response:
            assert response.headers.getall("set-cookie") == ["a=1", "b=2"]
        async with stage.client.get(f"{url}/untyped") as response:
            assert "content-type" not in response.headers
        async with stage.client.get(f"{url}/redirect", allow_redirects=False) as response:
            assert response.headers["location"] == "https://example.com/"
        async with stage.client.head(f"{url}/") as response:
            assert (response.status, response.headers["content-length"]) == (200, "5")
        async with stage.client.ws_connect(f"{url}/socket") as socket:
            await socket.send_str("a")
            assert await socket.receive_str(timeout=60) == "echo a"

    play(scene)


BUCKET = """
export default {
  async fetch(request, env) {
    const b = env.BUCKET, out = {};
    const text = async (k, o) => { const v = await b.get(k, o);
      return v === null ? null : v.body === undefined ? "no body" : await v.text(); };
    const put = await b.put("a/ü", "hello", { httpMetadata: { contentType: "text/x" },
      customMetadata: { who: "me" }, md5: "5d41402abc4b2a76b9719d911017c592" });
    out.put = [put.key, put.size, put.etag, put.httpEtag];
    out.get = await text("a/ü");
    out.range = await text("a/ü", { range: { offset: 1, length: 3 } });
    out.suffix = await text("a/ü", { range: { suffix: 2 } });
    out.missing = await text("none");
    out.notMet = await text("a/ü", { onlyIf: { etagMatches: "0123" } });
    out.putNotMet = await b.put("a/ü", "no", { onlyIf: { etagDoesNotMatch: put.etag } });
    const head = await b.head("a/ü");
    out.head = [head.httpMetadata.contentType, head.customMetadata.who,
      head.uploaded instanceof Date, head.checksums.toJSON().md5];
    await b.put("a/b/1", "1"); await b.put("c", "2"); await b.put("empty", "");
    const all = await b.list({ limit: 2 });
    const rest = await b.list({ cursor: all.cursor, include: ["customMetadata"] });
    out.list = [all.objects.map(o => o.key), all.truncated, rest.objects.map(o => o.key),
      rest.truncated];
    const grouped = await b.list({ prefix: "a/", delimiter: "/" });
    out.grouped = [grouped.objects.map(o => o.key), grouped.delimitedPrefixes];
    try { await b.put("bad", "x", { md5: "00000000000000000000000000000000" }); }
    catch (e) { out.bad = e.message; }
    const upload = await b.createMultipartUpload("big", { customMetadata: { m: "1" } });
    const one = await upload.uploadPart(1, "x".repeat(5 * 1024 * 1024));
    const two = await upload.uploadPart(2, "end");
    const big = await upload.complete([one, two]);
    out.big = [big.size, big.etag.endsWith("-2"), (await b.head("big")).customMetadata.m];
    const gone = await b.createMultipartUpload("gone"); await gone.abort();
    try { await gone.uploadPart(1, "x"); } catch (e) { out.gone = e.message; }
    await b.delete(["c", "none"]); await b.delete("empty");
    out.left = (await b.list()).objects.map(o => o.key);
    return Response.json(out);
  }
}
"""


def test_the_r2_binding_is_the_object_store(play: Any, workshop: Any) -> None:
    version = workshop.version(
        {"index.js": BUCKET},
        bindings=({"type": "r2_bucket", "name": "BUCKET", "bucket_name": "files"},),
    )

    async def scene(stage: Any) -> None:
        stage.objects.create_bucket("files")
        url = await stage.serve(version)
        status, text = await stage.text(url)
        assert status == 200, text
        told = json.loads(text)
        etag = "5d41402abc4b2a76b9719d911017c592"
        assert told["put"] == ["a/ü", 5, etag, f'"{etag}"']
        assert (told["get"], told["range"], told["suffix"]) == ("hello", "ell", "lo")
        assert (told["missing"], told["notMet"], told["putNotMet"]) == (None, "no body", None)
        assert told["head"] == ["text/x", "me", True, etag]
        assert told["list"] == [["a/b/1", "a/ü"], True, ["c", "empty"], False]
        assert told["grouped"] == [["a/ü"], ["a/b/"]]
        assert "10037" in told["bad"]
        assert told["big"] == [5 * 1024 * 1024 + 3, True, "1"]
        assert "10024" in told["gone"]
        assert told["left"] == ["a/b/1", "a/ü", "big"]
        assert stage.objects.read("files", "a/ü") == b"hello"

    play(scene)


def test_a_workerd_that_is_too_old_is_passed_over_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_workerd(Path(__file__).parents[3])
    beside = found.parts[found.parts.index("node_modules") + 1 : -2]

    def lay(modules: Path, version: str) -> Path:
        folder = modules.joinpath(*beside)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/workerd").write_text("")
        (folder / "package.json").write_text(f'{{"version": "{version}"}}')
        return folder / "bin/workerd"

    its, ours = tmp_path / "node_modules", tmp_path / "share"
    monkeypatch.setattr(programs, "packages", lambda _: (its, ours))
    with pytest.raises(Unavailable, match="is not installed"):
        find_workerd(tmp_path)
    lay(its, "1.20250101.0")
    with pytest.raises(Unavailable, match=r"workerd 1\.20250101\.0 is too old"):
        find_workerd(tmp_path)
    recent = lay(ours, "1.20261117.1")
    assert find_workerd(tmp_path) == recent
