"""The edge as a whole: routes, splits, overrides, load through switches, and no process left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import psutil
import pytest

from xswarm_twin.edge import runtime, versions
from xswarm_twin.model import ScriptInvalid

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
JAVASCRIPT = "export default {{ fetch() {{ return new Response('{0}') }} }}"
PYTHON = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request): return Response("{0}")
"""


def javascript(workshop: Any, text: str, **given: Any) -> Any:
    return workshop.version({"index.js": JAVASCRIPT.format(text)}, **given)


def python(workshop: Any, text: str) -> Any:
    return workshop.version({"entry.py": PYTHON.format(text)})


def running() -> list[int]:
    """List the processes that this one started, and theirs, that still run."""
    return [child.pid for child in psutil.Process().children() if _is_ours(child)]


def _is_ours(child: psutil.Process) -> bool:
    try:
        arguments = " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return False
    return any(name in arguments for name in ("workerd", "python_serve", "kill -KILL 0"))


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something, as long as a busy machine may need."""
    async with asyncio.timeout(120):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("make", [javascript, python])
def test_no_request_fails_through_switches_splits_and_rollback(
    play: Any, workshop: Any, make: Any
) -> None:
    async def scene(stage: Any) -> None:
        first, second, third = (make(workshop, text) for text in ("one", "two", "three"))
        broken = workshop.version({"index.js": "throw new Error('no')"})
        url = await stage.serve(first)
        seen: Counter[str] = Counter()
        failed: list[str] = []
        stop = asyncio.Event()

        async def load() -> None:
            async with aiohttp.ClientSession() as session:
                while not stop.is_set():
                    try:
                        async with session.get(url) as response:
                            text = await response.text()
                            seen[text] += 1
                            if response.status != 200:
                                failed.append(f"{response.status} {text}")
                    except aiohttp.ClientError as error:
                        failed.append(repr(error))

        async def deploy(split: Any) -> None:
            await stage.edge.deploy("shop", split, enabled=True, previews=True)
            await answered(5 * len(loads))  # more than were in flight

        async def answered(more: int) -> None:
            before = seen.total()
            await until(lambda: seen.total() >= before + more)

        loads = [asyncio.create_task(load()) for _ in range(16)]
        await answered(len(loads))
        await deploy({first: 90, second: 10})
        await deploy({second: 100})
        assert await stage.text(url) == (200, "two")
        with pytest.raises(ScriptInvalid):
            await deploy({broken: 100})
        await deploy({third: 100, second: 0})
        assert await stage.text(url) == (200, "three")
        await deploy({first: 100})
        assert await stage.text(url) == (200, "one")
        await asyncio.sleep(2.5)
        await until(lambda: seen.total() > 500)
        stop.set()
        await asyncio.gather(*loads)
        assert failed == []
        assert set(seen) == {"one", "two", "three"}

    play(scene)
    assert running() == []


def test_requests_in_flight_end_on_the_version_that_took_them(play: Any, workshop: Any) -> None:
    slow = workshop.version(
        {
            "index.js": """export default { async fetch() {
              await scheduler.wait(800); return new Response("slow") } }"""
        }
    )

    async def scene(stage: Any) -> None:
        url = await stage.serve(slow)
        taken = asyncio.create_task(stage.text(url))
        await until(lambda: stage.edge._versions.serving(slow).runtime.in_flight == 1)
        await stage.edge.deploy(
            "shop", {javascript(workshop, "new"): 100}, enabled=True, previews=True
        )
        assert await stage.text(url) == (200, "new")
        assert await taken == (200, "slow")

    play(scene)


def test_split_overrides_and_sticky_keys(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        old, new, other = (javascript(workshop, text) for text in ("old", "new", "other"))
        url = await stage.serve(old)
        await stage.edge.validate(other)

        async def get(header: str, value: str) -> str:
            status, text = await stage.text(url, headers={header: value})
            assert status == 200
            return str(text)

        await stage.edge.deploy("shop", {old: 100, new: 0}, enabled=True, previews=True)
        overrides = "Cloudflare-Workers-Version-Overrides"
        assert {await get("x", "y") for _ in range(30)} == {"old"}
        assert await get(overrides, f'shop="{new.id}"') == "new"
        assert await get(overrides, f'x="{old.id}", shop="{new.id}"') == "new"
        assert await get(overrides, f'shop="{other.id}"') == "old"
        assert await get(overrides, f'another="{new.id}"') == "old"
        assert await get(overrides, "nonsense") == "old"

        await stage.edge.deploy("shop", {old: 50, new: 50}, enabled=True, previews=True)
        counted = Counter([await get("x", "y") for _ in range(300)])
        assert 90 < counted["new"] < 210
        key = "Cloudflare-Workers-Version-Key"
        places = {user: await get(key, user) for user in map(str, range(40))}
        assert set(places.values()) == {"old", "new"}
        assert {user: await get(key, user) for user in places} == places
        await stage.edge.deploy("shop", {old: 20, new: 80}, enabled=True, previews=True)
        grown = {user: await get(key, user) for user in places}
        assert all(grown[user] == "new" for user in places if places[user] == "new")

    play(scene)


def test_hosts(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        version, next_version = javascript(workshop, "shop"), javascript(workshop, "next")
        other = javascript(workshop, "other", worker="my-other")
        url = f"http://127.0.0.1:{await stage.edge.listen('worker', 'shop', 0)}"
        port = url.rpartition(":")[2]

        async def at(host: str) -> tuple[int, str]:
            status, text = await stage.text(url, headers={"Host": f"{host}:{port}"})
            return status, str(text)

        assert (await stage.text(url))[0] == 404
        await stage.serve(version)
        await stage.serve(other)
        await stage.edge.preview(next_version)
        assert await at("localhost") == (200, "shop")
        assert await at("my-other.localhost") == (200, "other")
        assert await at(f"{next_version.id[:8]}-shop.localhost") == (200, "next")
        assert await at(f"{other.id[:8]}-my-other.localhost") == (200, "other")
        assert (await at("00000000-shop.localhost"))[0] == 404
        assert (await at("unknown.localhost"))[0] == 404
        await stage.edge.deploy("shop", {version: 100}, enabled=False, previews=False)
        assert (await at("localhost"))[0] == 404
        assert (await at(f"{next_version.id[:8]}-shop.localhost"))[0] == 404
        await stage.edge.remove("my-other")
        assert (await at("my-other.localhost"))[0] == 404
        with pytest.raises(OSError, match="in use"):
            await stage.edge.listen("worker", "third", int(port))

    play(scene)


@pytest.mark.parametrize("make", [javascript, python])
def test_a_process_that_dies_is_started_again(play: Any, workshop: Any, make: Any) -> None:
    async def scene(stage: Any) -> None:
        version = make(workshop, "alive")
        url = await stage.serve(version)
        assert await stage.text(url) == (200, "alive")
        guard, *_ = sorted(running())
        for pid in [pid for pid in running() if pid != guard]:
            os.kill(pid, signal.SIGKILL)
        answers = await asyncio.gather(*(stage.text(url) for _ in range(8)))
        assert answers == [(200, "alive")] * 8

    play(scene)


def test_a_process_that_keeps_dying_rests(
    play: Any, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(runtime, "time", SimpleNamespace(monotonic=lambda: now))
    dying = workshop.version(
        {
            "entry.py": """
import os
from workers import WorkerEntrypoint
print("started")
class Default(WorkerEntrypoint):
    async def fetch(self, request): os._exit(1)
"""
        }
    )

    async def scene(stage: Any) -> None:
        nonlocal now
        url = await stage.serve(dying)
        for turned in (0.0, runtime._FIRST_PAUSE):
            now += turned
            for _ in range(6):
                assert (await stage.text(url))[0] == 502

    play(scene)
    log = workshop.folder.parent / ".sandbox" / "logs" / "worker-shop.log"
    # Deployed, once more after a first death, and once more after it had rested.
    assert log.read_text().count("started") == 3


def test_an_idle_undeployed_version_is_stopped(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xswarm_twin.edge.edge import Edge
    from xswarm_twin.objects.store import Objects

    now = 0.0
    for module in (runtime, versions):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))

    def folders() -> list[str]:
        return [folder.name[:36] for folder in (tmp_path / "edge" / "runs").iterdir()]

    async def scene() -> None:
        nonlocal now
        objects = Objects(tmp_path / "objects")
        edge = Edge(tmp_path, objects, idle=0.3, drain=60.0)
        deployed, tried = javascript(workshop, "deployed"), javascript(workshop, "tried")
        try:
            await edge.validate(deployed)
            await edge.validate(tried)
            await edge.deploy("shop", {deployed: 100}, enabled=True, previews=True)
            assert len(running()) == 3  # with the guard
            now = 1.0
            await until(lambda: len(running()) == 2)
            await until(lambda: folders() == [deployed.id])
        finally:
            await edge.close()
            objects.close()

    asyncio.run(scene())
    assert running() == []
    assert not (tmp_path / "edge" / "runs").exists()


def test_children_end_with_a_killed_parent(workshop: Any, tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, json, pickle, sys
        from pathlib import Path
        from xswarm_twin.edge.edge import Edge
        from xswarm_twin.objects.store import Objects

        async def main():
            state = Path(sys.argv[1])
            edge = Edge(state, Objects(state / "objects"))
            for version in pickle.load(open(sys.argv[2], "rb")):
                await edge.validate(version)
            print("ready", flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
        """
    )
    import pickle

    versions = tmp_path / "versions"
    versions.write_bytes(pickle.dumps([javascript(workshop, "js"), python(workshop, "python")]))
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "state"), str(versions)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"ready\n"
    children = _children(parent.pid)
    assert len(children) == 3
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while (left := [pid for pid in children if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == []


def _children(parent: int) -> list[int]:
    return [child.pid for child in psutil.Process(parent).children()]


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_bodies_are_not_unpacked_on_the_way(play: Any, workshop: Any) -> None:
    import gzip

    echo = workshop.version(
        {
            "index.js": """export default { async fetch(request) { return Response.json(
              [...new Uint8Array(await request.arrayBuffer())].slice(0, 2)) } }"""
        }
    )

    async def scene(stage: Any) -> None:
        url = await stage.serve(echo)
        packed = gzip.compress(b"content")
        headers = {"Content-Encoding": "gzip"}
        async with stage.client.post(url, data=packed, headers=headers) as response:
            assert json.loads(await response.text()) == [0x1F, 0x8B]

    play(scene)
