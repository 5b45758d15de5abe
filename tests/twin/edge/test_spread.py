"""Deployments that take their time to the edge, and the tails that show which version answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.twin.edge.conftest import javascript_version
from xswarm_twin.edge import spread
from xswarm_twin.edge.tails import Tail, Tails

pytestmark = pytest.mark.slow


async def later(stage: Any, seconds: float, split: Any) -> None:
    """Deploy so that the edge serves it after some seconds."""
    before = spread.SECONDS.set(seconds)
    try:
        await stage.edge.deploy("shop", split, enabled=True, previews=True)
    finally:
        spread.SECONDS.reset(before)


def test_a_deployment_is_served_when_it_has_spread(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        old, new = (javascript_version(workshop, text) for text in ("old", "new"))
        url = await stage.serve(old)
        await later(stage, 0.5, {new: 100.0})
        assert await stage.text(url) == (200, "old")
        await asyncio.sleep(0.8)
        assert await stage.text(url) == (200, "new")
        await later(stage, 0.5, {old: 100.0})
        await stage.edge.deploy("shop", {new: 100.0}, enabled=True, previews=True)
        await asyncio.sleep(0.8)
        assert await stage.text(url) == (200, "new")  # what was overtaken is not served later

    play(scene)


def test_a_tail_names_the_version_and_no_preview_shows_in_it(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        version, tails = javascript_version(workshop, "hello"), Tails()
        stage.edge._tails = tails
        tail = Tail("shop", [{"header": {"key": "X-Run"}}], connected=True)
        tails.add(tail)
        url = await stage.serve(version)
        preview = {"Host": f"{version.id[:8]}-shop.localhost", "X-Run": "preview"}
        assert await stage.text(url, headers=preview) == (200, "hello")
        assert await stage.text(url, headers={"X-Run": "one"}) == (200, "hello")
        event = json.loads(tail.events.get_nowait())
        assert event["scriptVersion"]["id"] == version.id
        assert event["event"]["request"]["headers"]["x-run"] == "one"
        assert tail.events.empty()

    play(scene)


def test_nothing_is_answered_by_a_page_where_nothing_is(play: Any) -> None:
    async def scene(stage: Any) -> None:
        port = await stage.edge.listen("worker", "shop", 0)
        status, text = await stage.text(f"http://127.0.0.1:{port}/")
        assert (status, "nothing here yet" in text) == (404, True)

    play(scene)
