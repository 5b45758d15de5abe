"""What a Worker can be bound to, all of it in one edge: each binding is asked what it is for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from xswarm_twin.edge.simulators import Consumer, Question
from xswarm_twin.model import ObjectClass, WorkflowClass

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
SHOP = (HERE / "shop.js").read_text()
OTHER = (HERE / "other.js").read_text()
BINDINGS = (
    {"type": "kv_namespace", "name": "KV", "namespace_id": "k1"},
    {"type": "d1", "name": "DB", "id": "d1"},
    {"type": "durable_object_namespace", "name": "COUNTER", "class_name": "Counter"},
    {
        "type": "durable_object_namespace",
        "name": "THEIRS",
        "class_name": "Tally",
        "script_name": "other",
        "namespace_id": "tallies",
    },
    {"type": "service", "name": "SELF", "service": "shop", "entrypoint": "Greeter"},
    {"type": "service", "name": "OTHER", "service": "other", "entrypoint": "Greeter"},
    {"type": "service", "name": "OTHER_DEFAULT", "service": "other"},
    {"type": "queue", "name": "JOBS", "queue_name": "jobs"},
    {"type": "workflow", "name": "ORDERS", "workflow_name": "orders", "class_name": "Order"},
    {
        "type": "ratelimit",
        "name": "LIMIT",
        "namespace_id": "1001",
        "simple": {"limit": 2, "period": 60},
    },
    {"type": "analytics_engine", "name": "EVENTS", "dataset": "events"},
    {"type": "send_email", "name": "MAIL", "destination_address": "b@x.example"},
    {"type": "secrets_store_secret", "name": "STORED", "text": "s3cret"},
    {
        "type": "hyperdrive",
        "name": "HYPER",
        "id": "h1",
        "origin": {
            "host": "127.0.0.1",
            "port": 5432,
            "database": "app",
            "user": "me",
            "password": "p",
            "scheme": "postgres",
        },
    },
    {"type": "worker_loader", "name": "LOADER"},
    {"type": "ai", "name": "AI"},
    {"type": "vectorize", "name": "VECTORS", "index_name": "v"},
    {"type": "browser", "name": "BROWSER"},
)
TOLD: dict[str, Any] = {
    "kv": ["1", {"m": 1}, ["a"]],
    "d1": [{"what": "tea"}],
    "object": {"count": 1, "code": "one"},
    "self": "hello me",
    "service": ["hi you", "POST /deep b"],
    "standing": "tallied",
    "queue": "sent",
    "workflow": [36, "charged 5"],
    "limit": [True, True, False, True],
    "events": "written",
    "mail": "email to c@x.example not allowed",
    "secret": "s3cret",
    "cache": ["not there", False],
    "hyperdrive": ["app", "me", "string"],
    "loader": "loaded",
    "ai": ["the local twin has no Worke", [2, 768], ord("P"), "[DONE]"],
}


def shop(workshop: Any, code: str) -> Any:
    return workshop.version(
        {"index.js": SHOP.replace("CODE", code)},
        bindings=BINDINGS,
        objects=(ObjectClass("Counter", "counters", sqlite=True),),
        workflows=(WorkflowClass("Order", "orders"),),
    )


def _read(status: int, text: str) -> tuple[int, Any]:
    return status, json.loads(text) if status == 200 else text


def test_every_binding_does_what_it_is_for(play: Any, workshop: Any) -> None:
    other = workshop.version(
        {"index.js": OTHER},
        worker="other",
        bindings=({"type": "kv_namespace", "name": "KV", "namespace_id": "k2"},),
        objects=(ObjectClass("Tally", "tallies", sqlite=False),),
    )
    one, two = shop(workshop, "one"), shop(workshop, "two")

    async def scene(stage: Any) -> None:
        edge = stage.edge
        their_url = await stage.serve(other)
        settings = {"maxBatchSize": 2, "maxBatchTimeout": 1}
        await edge.validate(one)
        url = await stage.serve(one)
        answers = {name: await stage.text(f"{url}/{name}") for name in TOLD}
        wanted = {name: (200, told) for name, told in TOLD.items()}
        assert {name: _read(*answer) for name, answer in answers.items()} == wanted
        _, text = await stage.text(f"{url}/absent")
        assert all("the local twin has no" in said for said in json.loads(text)), text
        await edge.consume(
            {"jobs": Consumer("other", settings)}
        )  # which is later than the messages
        async with asyncio.timeout(30):
            while (got := json.loads((await stage.text(f"{their_url}/got"))[1])) is None:
                await asyncio.sleep(0.1)
        assert got == ["jobs", {"job": 1}, "two"]

        # The next version finds the state of the one before, and an object runs one version.
        await edge.validate(two)
        await edge.deploy("shop", {one: 90, two: 10}, enabled=True, previews=True)
        headers = {"Cloudflare-Workers-Version-Overrides": f'shop="{two.id}"'}
        assert (await stage.text(url, headers=headers))[1] == "two"
        _, text = await stage.text(f"{url}/object", headers=headers)
        assert json.loads(text) == {"count": 2, "code": "one"}
        await edge.deploy("shop", {two: 100}, enabled=True, previews=True)
        _, text = await stage.text(f"{url}/object")
        assert json.loads(text) == {"count": 3, "code": "two"}
        async with stage.client.ws_connect(f"{url}/socket") as socket:
            await socket.send_str("a")
            assert await socket.receive_str(timeout=30) == "counted a"

        mail = (stage.state / "logs" / "mail.jsonl").read_text()
        assert json.loads(mail)["raw"] == "Subject: hi\r\n\r\nbody"
        kept = await edge.ask(Question("kv", {"namespace": "k1"}, "GET", "/a"))
        assert (kept.status, kept.body) == (200, b"1")
        target = {
            "service": "workflows",
            "entrypoint": "WorkflowBinding",
            "props": {"workflow": "orders"},
            "method": "status",
        }
        with pytest.raises(Exception, match="not_found"):
            await edge.call("shop", target, ["none"])

    play(scene)


FLOW = """\
import { WorkflowEntrypoint } from "cloudflare:workers";
export class Order extends WorkflowEntrypoint { async run() { return "done"; } }
export default { async fetch(request, env) {
  const path = new URL(request.url).pathname;
  if (path === "/start") return new Response((await env.ORDERS.create({ id: "a" })).id);
  return new Response("CODE");
} };
"""


def test_a_version_with_a_workflow_has_a_preview_host_and_runs_where_it_is_deployed(
    play: Any, workshop: Any
) -> None:
    """As at Cloudflare, where Durable Objects alone take the preview host away."""
    bound = ({"type": "workflow", "name": "ORDERS", "workflow_name": "o", "class_name": "Order"},)
    live, draft = (
        workshop.version(
            {"index.js": FLOW.replace("CODE", code)},
            bindings=bound,
            workflows=(WorkflowClass("Order", "o"),),
        )
        for code in ("live", "draft")
    )

    async def scene(stage: Any) -> None:
        url = await stage.serve(live)
        await stage.edge.preview(draft)
        host = f"{draft.id[:8]}-shop.localhost:{url.rpartition(':')[2]}"
        assert await stage.text(url, headers={"Host": host}) == (200, "draft")
        assert await stage.text(f"{url}/start", headers={"Host": host}) == (200, "a")
        await stage.edge.deploy("shop", {draft: 100}, enabled=True, previews=True)
        assert await stage.text(url) == (200, "draft")
        assert await stage.text(url, headers={"Host": host}) == (200, "draft")

    play(scene)
