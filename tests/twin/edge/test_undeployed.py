"""Processes of versions that are not deployed: a few are kept, whatever is uploaded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.twin.edge.conftest import Workshop
from xswarm_twin.edge import versions as edge_versions
from xswarm_twin.edge.runtime import Runtime, Serving
from xswarm_twin.edge.versions import Versions
from xswarm_twin.model import WorkerVersion


class FakeRuntime(Runtime):
    """Has no process; knows whether it would have one."""

    def __init__(self) -> None:
        super().__init__(self._never, lambda: None)
        self.ended = False

    async def _never(self) -> Any:
        raise AssertionError("nothing is started here")

    async def stop(self) -> None:
        self.ended = True


def test_the_ones_asked_longest_ago_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, FakeRuntime] = {}

    def new_serving(_self: Versions, version: WorkerVersion) -> Serving:
        made[version.id] = FakeRuntime()
        return Serving(made[version.id], version.id, "")

    monkeypatch.setattr(Versions, "_new_serving", new_serving)
    workshop = Workshop(tmp_path)
    uploaded = [workshop.version({"main.js": "x"}) for _ in range(30)]
    deployed, answering = uploaded[0], uploaded[1]

    async def upload() -> list[WorkerVersion]:
        known = Versions(tmp_path, Any, Any, drain=0.0, idle=60.0)  # type: ignore[arg-type]
        known.hold([deployed])
        for place, version in enumerate(uploaded):
            known.know(version)
            runtime = known.serving(version).runtime
            runtime.last_used = float(place)
            runtime.in_flight = int(version is answering)
        await asyncio.sleep(0)
        running = [version for version in uploaded if not made[version.id].ended]
        for version in uploaded:
            known._cancel(version.id)
        return running

    running = asyncio.run(upload())
    assert running[:2] == [deployed, answering]
    assert running[2:] == uploaded[-edge_versions._UNDEPLOYED :]


def test_versions_that_are_too_old_to_be_deployed_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_versions, "_DEPLOYABLE", 5)
    workshop = Workshop(tmp_path)
    uploaded = [workshop.version({"main.js": "x"}) for _ in range(12)]
    known = Versions(tmp_path, Any, Any, drain=0.0, idle=60.0)  # type: ignore[arg-type]
    known.hold(uploaded[:1])
    for version in uploaded:
        known.know(version)
    left = [version for version in uploaded if known.find(version.worker, version.id)]
    assert left == [uploaded[0], *uploaded[-5:]]
    assert len(known._sites) == 6
