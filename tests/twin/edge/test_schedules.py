"""Cron triggers reach Workers of both kinds, when they are due and when somebody asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.twin.edge.conftest import TOKEN
from xswarm_twin.control import bearer
from xswarm_twin.edge.schedules import MINUTE, Schedules

PYTHON = """
from workers import WorkerEntrypoint, Response, wait_until

fired = []

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(" ".join(fired))

    async def scheduled(self, controller, env, ctx):
        if controller.cron == "1 1 1 1 *":
            raise ValueError("not on that day")
        wait_until(self.later(f"{controller.cron.count('*')}@{int(controller.scheduledTime)}"))

    async def later(self, told):
        fired.append(f"{self.env.WORD}:{told}")
"""
JAVASCRIPT = """
const fired = [];
export default {
  async fetch() { return new Response(fired.join(" ")); },
  async scheduled(controller, env, ctx) {
    if (controller.cron === "1 1 1 1 *") throw new Error("not on that day");
    const stars = controller.cron.split("*").length - 1;
    ctx.waitUntil((async () => fired.push(`${env.WORD}:${stars}@${controller.scheduledTime}`))());
  },
};
"""
DEAF = "export default { async fetch() { return new Response('') } }"
WORD = ({"type": "plain_text", "name": "WORD", "text": "w"},)


@pytest.mark.slow
@pytest.mark.parametrize("modules", [{"entry.py": PYTHON}, {"index.js": JAVASCRIPT}])
def test_a_worker_is_told(play: Any, workshop: Any, modules: dict[str, str]) -> None:
    version = workshop.version(modules, bindings=WORD)

    async def scene(stage: Any) -> None:
        url = await stage.serve(version)
        assert await stage.edge.fire("shop", "*/5 * * * *", 1_760_000_000_000) == "ok"
        asked = f"{url}/cdn-cgi/local/scheduled?cron=*+*+*+*+*&time=1760000060000"
        assert (await stage.text(asked))[0] == 401
        elsewhere = {**bearer(TOKEN), "Host": "shop.example"}
        assert (await stage.text(asked, headers=elsewhere))[0] == 401
        assert await stage.text(asked, headers=bearer(TOKEN)) == (200, "ok")
        assert await stage.text(url) == (200, "w:5@1760000000000 w:5@1760000060000")
        assert await stage.edge.fire("shop", "1 1 1 1 *", 0) == "exception"
        failing = f"{url}/cdn-cgi/local/scheduled?cron=1+1+1+1+*"
        assert (await stage.text(failing, headers=bearer(TOKEN)))[0] == 500

    play(scene)
    log = (workshop.folder.parent / ".sandbox/logs/worker-shop.log").read_text()
    assert "not on that day" in log or "index.js" in modules  # workerd keeps it to itself
    assert "cron trigger 1 1 1 1 *: exception" in log


@pytest.mark.slow
def test_a_worker_that_listens_to_none_fails(play: Any, workshop: Any) -> None:
    version = workshop.version({"index.js": DEAF})

    async def scene(stage: Any) -> None:
        await stage.serve(version)
        assert await stage.edge.fire("shop", "* * * * *", 0) != "ok"
        assert "nothing deployed" in await stage.edge.fire("absent", "* * * * *", 0)

    play(scene)


def test_what_is_due_is_fired_once(play: Any) -> None:
    fired: list[tuple[str, str, int]] = []

    async def fire(worker: str, cron: str, time: int) -> str:
        fired.append((worker, cron, time))
        return "ok"

    async def scene(_stage: Any) -> None:
        schedules, noon = Schedules(fire), 1_767_268_800  # 2026-01-01T12:00:00Z, a Thursday
        schedules.set("shop", ["0 12 * * *", "* * * * 5"])
        schedules.set("other", ["1 12 * * *"])
        schedules.set("gone", ["* * * * *"])
        schedules.forget("gone")
        schedules.begin(noon)
        schedules.begin(noon + MINUTE)
        await asyncio.sleep(0)
        await schedules.close()
        assert fired == [
            ("shop", "0 12 * * *", noon * 1000),
            ("shop", "* * * * 5", noon * 1000),
            ("shop", "* * * * 5", (noon + MINUTE) * 1000),
            ("other", "1 12 * * *", (noon + MINUTE) * 1000),
        ]
        with pytest.raises(ValueError, match="five fields"):
            schedules.set("shop", ["daily"])

    play(scene)
