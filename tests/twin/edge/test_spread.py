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


LOGGING = """
export default {
  fetch(request) {
    console.log("asked for", { path: new URL(request.url).pathname });
    if (request.url.endsWith("/broken")) throw new TypeError("no such thing");
    return new Response("hello");
  },
};
"""
LOGGING_PYTHON = """
import sys
from workers import Response, WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        print("asked", "for")
        if request.url.endswith("/broken"):
            raise KeyError("no such thing")
        print("half a line", end="", file=sys.stderr)
        print(" and the rest", file=sys.stderr)
        return Response("hello")
"""


async def heard(tail: Tail) -> Any:
    return json.loads(await asyncio.wait_for(tail.events.get(), 10))


def test_a_tail_names_the_version_and_no_preview_shows_in_it(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        version, tails = workshop.version({"index.js": LOGGING}), Tails()
        stage.edge._tails = tails
        tail = Tail("shop", [{"header": {"key": "X-Run"}}], connected=True)
        tails.add(tail)
        url = await stage.serve(version)
        preview = {"Host": f"{version.id[:8]}-shop.localhost", "X-Run": "preview"}
        assert await stage.text(url, headers=preview) == (200, "hello")
        assert await stage.text(url, headers={"X-Run": "one"}) == (200, "hello")
        event = await heard(tail)
        assert event["scriptVersion"]["id"] == version.id
        assert event["event"]["request"]["headers"]["x-run"] == "one"
        assert tail.events.empty()

    play(scene)


def test_a_tail_tells_what_was_logged_and_raised(play: Any, workshop: Any) -> None:
    async def scene(stage: Any) -> None:
        javascript = workshop.version({"index.js": LOGGING})
        python = workshop.version({"index.py": LOGGING_PYTHON}, worker="snake")
        stage.edge._tails = tails = Tails()
        for version in (javascript, python):
            tail, search = (Tail(version.worker, given) for given in ([], [{"query": "asked"}]))
            for one in (tail, search):
                one.connected = True
                tails.add(one)
            url = await stage.serve(version)
            assert (await stage.text(url))[0] == 200
            assert (await stage.text(url + "/broken"))[0] == 500
            by_outcome = [
                {event["outcome"]: event for event in (await heard(one), await heard(one))}
                for one in (tail, search)
            ]
            fine, broken = by_outcome[0]["ok"], by_outcome[0]["exception"]
            assert "no such thing" in broken["exceptions"][0]["message"]
            assert by_outcome[1]["ok"]["logs"] == fine["logs"], "whoever asks for both hears both"
            told = [(line["level"], line["message"]) for line in fine["logs"]]
            assert told == (
                [("log", ["asked for", {"path": "/"}])]
                if version is javascript
                else [("log", ["asked for"]), ("error", ["half a line and the rest"])]
            )

    play(scene)
