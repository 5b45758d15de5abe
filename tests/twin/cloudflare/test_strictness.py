"""What Cloudflare refuses, and by which of its codes; nothing of a refused call is kept.

Where Cloudflare documents no code for a wrong body, it is that of one that cannot be read, 10026.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_twin.cloudflare import assets, pages, quota, workers
from xswarm_twin.cloudflare.envelope import Refusal
from xswarm_twin.cloudflare.quota import QUOTA, Quota

SHOP = "A/workers/scripts/shop"
SETTINGS = f"{SHOP}/script-settings"
EMPTY = "0" * 32
PARSE = (400, 10026)
CASES: dict[str, tuple[str, str, Any, tuple[int, int]]] = {
    "a cron of six fields": ("PUT", f"{SHOP}/schedules", [{"cron": "* * * * * *"}], (400, 10100)),
    "a cron on day 0": ("PUT", f"{SHOP}/schedules", [{"cron": "0 22 * * 0"}], (400, 10100)),
    "a cron that is an object": ("PUT", f"{SHOP}/schedules", [{"cron": {"cron": "*"}}], PARSE),
    "251 crons": (
        *("PUT", f"{SHOP}/schedules", [{"cron": f"{n % 60} {n // 60} * * *"} for n in range(251)]),
        (400, 10072),
    ),
    "an unknown setting": ("PATCH", SETTINGS, {"banana": 1}, PARSE),
    "observability by a word": ("PATCH", SETTINGS, {"observability": {"enabled": "yes"}}, PARSE),
    "a sample of 200 %": (
        *("PATCH", SETTINGS, {"observability": {"enabled": True, "head_sampling_rate": 2}}),
        PARSE,
    ),
    "nine tags": ("PATCH", SETTINGS, {"tags": [str(n) for n in range(9)]}, PARSE),
    "a tag with a comma": ("PATCH", SETTINGS, {"tags": ["a,b"]}, PARSE),
    "a tail consumer of no name": ("PATCH", SETTINGS, {"tail_consumers": [{}]}, PARSE),
    "a tail for a Worker that is not there": (
        *("PATCH", SETTINGS, {"tail_consumers": [{"service": "nobody"}]}),
        (404, 10203),
    ),
    "a secret of no name": (
        *("PUT", f"{SHOP}/secrets", {"name": "a b", "type": "secret_text", "text": "x"}),
        (400, 10021),
    ),
    "a secret that is too long": (
        *("PUT", f"{SHOP}/secrets", {"name": "A", "type": "secret_text", "text": "x" * 5121}),
        (400, 10054),
    ),
    "a secret with a field too many": (
        *("PUT", f"{SHOP}/secrets", {"name": "A", "type": "secret_text", "text": "", "value": ""}),
        PARSE,
    ),
    "a deployment with a field too many": (
        *("POST", f"{SHOP}/deployments", {"strategy": "percentage", "versions": [], "banana": 1}),
        PARSE,
    ),
    "a share with a field too many": (
        "POST",
        f"{SHOP}/deployments",
        {
            "strategy": "percentage",
            "versions": [{"version_id": "v", "percentage": 100, "weight": 1}],
        },
        PARSE,
    ),
    "a deployment of no versions": (
        *("POST", f"{SHOP}/deployments", {"strategy": "percentage", "versions": []}),
        PARSE,
    ),
    "an annotation that there is not": (
        *("POST", f"{SHOP}/deployments"),
        {"strategy": "percentage", "versions": [], "annotations": {"workers/banana": "x"}},
        PARSE,
    ),
    "a queue's name with a space": ("POST", "A/queues", {"queue_name": "a b"}, PARSE),
    "a queue's name that is too long": ("POST", "A/queues", {"queue_name": "a" * 64}, PARSE),
    "messages kept for ten seconds": (
        *("POST", "A/queues", {"queue_name": "q", "settings": {"message_retention_period": 10}}),
        PARSE,
    ),
    "messages to no queue": ("POST", "A/queues/none/messages", {"body": "x"}, (404, 10104)),
    "a database's name with a space": ("POST", "A/d1/database", {"name": "a b"}, (400, 7400)),
    "a database on Mars": (
        *("POST", "A/d1/database", {"name": "d", "primary_location_hint": "mars"}),
        (400, 7400),
    ),
    "a database by Martian law": (
        *("POST", "A/d1/database", {"name": "d", "jurisdiction": "mars"}),
        (400, 7400),
    ),
    "a bucket on Mars": ("POST", "A/r2/buckets", {"name": "abc", "locationHint": "mars"}, PARSE),
    "a bucket of fruit": ("POST", "A/r2/buckets", {"name": "abc", "storageClass": "fruit"}, PARSE),
    "a bucket's short name": ("POST", "A/r2/buckets", {"name": "ab"}, (400, 10005)),
    "a namespace of no title": (
        *("POST", "A/storage/kv/namespaces", {"title": ""}),
        (400, 10147),
    ),
    "a project of a long name": (
        *("POST", "A/pages/projects", {"name": "a" * 59, "production_branch": "main"}),
        (400, 8000001),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused(settled: Api, case: str) -> None:
    method, path, body, refused = CASES[case]
    assert settled.refused(method, path, json=body) == refused


def test_too_many_files_are_refused(settled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (assets.MAXIMUM_FILES, pages.MAXIMUM_FILES) == (100_000, 100_000)
    for product in (assets, pages):
        monkeypatch.setattr(product, "MAXIMUM_FILES", 1)
    told = {f"/{n}": {"hash": EMPTY, "size": 1} for n in range(2)}
    path = f"{SHOP}/assets-upload-session"
    assert settled.refused("POST", path, json={"manifest": told}) == PARSE
    form = {"manifest": (None, json.dumps({"/a": EMPTY, "/b": EMPTY}))}
    path = "A/pages/projects/site/deployments"
    assert settled.refused("POST", path, files=form) == (400, 8000096)


def test_an_account_has_so_many_workers(settled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAXIMUM_WORKERS", 1)
    told = settled.upload("other", method="PUT")
    assert (told.status_code, told.json()["errors"][0]["code"]) == (403, 10037)
    assert list((settled.state / "cloudflare/blobs/incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("", 10068),
        ("export default {}", 10068),
        ("var worker = {};\nexport { worker as default };", 10068),
        ("export default { fetch() {} }", 0),
        ("export default {};\nexport class Room {}", 0),
        ("export default app;", 0),
        ("export * from './app.js';", 0),
    ],
)
def test_a_script_without_handlers_is_10068(settled: Api, code: str, refused: int) -> None:
    told = settled.upload("shop", code.encode()).json()
    assert [error["code"] for error in told["errors"]] == ([refused] if refused else [])


def test_metadata_that_there_is_not_is_refused(settled: Api) -> None:
    for more in ({"banana": 1}, {"annotations": {"workers/banana": "x"}}):
        told = settled.upload("shop", **more)
        assert (told.status_code, told.json()["errors"][0]["code"]) == PARSE


def test_crons_count_for_the_account(api: Api) -> None:
    api.worker("one")
    api.worker("two")
    path = "A/workers/scripts/{}/schedules"
    many = [{"cron": f"{n % 60} {n // 60} * * *"} for n in range(240)]
    api.result("PUT", path.format("one"), json=many)
    assert api.refused("PUT", path.format("two"), json=many[:11]) == (400, 10072)
    api.result("PUT", path.format("two"), json=many[:10])
    api.result("PUT", path.format("one"), json=many)  # its own do not count twice


def test_consumers_keep_to_the_limits_and_a_dead_letter_queue_is_made(api: Api) -> None:
    api.worker()
    queue = api.result("POST", "A/queues", json={"queue_name": "orders"})["queue_id"]
    path, consumer = f"A/queues/{queue}/consumers", {"type": "worker", "script_name": "shop"}
    for settings in (
        {"batch_size": 101},
        {"batch_size": "10"},
        {"max_retries": 101},
        {"max_wait_time_ms": 60_001},
        {"retry_delay": 86_401},
    ):
        assert api.refused("POST", path, json={**consumer, "settings": settings}) == PARSE
    api.result("POST", path, json={**consumer, "dead_letter_queue": "lost"})
    assert {one["queue_name"] for one in api.result("GET", "A/queues")} == {"orders", "lost"}


def test_messages_have_codes_of_their_own(api: Api) -> None:
    queue = api.result("POST", "A/queues", json={"queue_name": "orders"})["queue_id"]
    for message, refused in (
        ({"body": "x", "content_type": "banana"}, (400, 10203)),
        ({"body": "x", "delay_seconds": 86_401}, (400, 10203)),
        ({"body": "x" * 128_001}, (413, 10204)),
    ):
        assert api.refused("POST", f"A/queues/{queue}/messages", json=message) == refused
    for messages, refused in (
        ([{"body": "x"}] * 101, (400, 10206)),
        ([], (400, 10206)),
        ([{"body": "x" * 100_000}] * 3, (413, 10205)),
    ):
        body = {"messages": messages}
        assert api.refused("POST", f"A/queues/{queue}/messages/batch", json=body) == refused


@pytest.mark.parametrize("key", ["k" * 513, "%2E", "%2E%2E"])
def test_a_key_that_kv_does_not_take(api: Api, key: str) -> None:
    namespace = api.result("POST", "A/storage/kv/namespaces", json={"title": "t"})["id"]
    path = f"A/storage/kv/namespaces/{namespace}"
    assert api.refused("PUT", f"{path}/values/{key}", data=b"x")[1] == 10147
    pair = [{"key": key.replace("%2E", "."), "value": base64.b64encode(b"x").decode()}]
    assert api.refused("PUT", f"{path}/bulk", json=pair)[1] == 10147
    assert api.refused("GET", f"{path}/keys?limit=9") == PARSE


def test_a_bucket_is_seen_from_its_own_jurisdiction(api: Api) -> None:
    europe = {"cf-r2-jurisdiction": "eu"}
    body = {"name": "invoices", "storageClass": "InfrequentAccess"}
    made = api.result("POST", "A/r2/buckets", json=body, headers=europe)
    assert (made["jurisdiction"], made["storage_class"]) == ("eu", "InfrequentAccess")
    assert api.refused("GET", "A/r2/buckets/invoices") == (404, 10006)
    assert api.refused("PUT", "A/r2/buckets/invoices/objects/a", data=b"x") == (404, 10006)
    assert api.result("GET", "A/r2/buckets")["buckets"] == []
    assert api.result("GET", "A/r2/buckets/invoices", headers=europe) == made
    bound = {"name": "FILES", "type": "r2_bucket", "bucket_name": "invoices"}
    told = api.upload("shop", method="PUT", bindings=[bound]).json()
    assert told["errors"][0]["code"] == 10085
    api.worker(bindings=[{**bound, "jurisdiction": "eu"}])
    api.result("DELETE", "A/r2/buckets/invoices", headers=europe)
    api.result("POST", "A/r2/buckets", json={"name": "invoices"})
    wrong = {"cf-r2-jurisdiction": "mars"}
    assert api.refused("GET", "A/r2/buckets", headers=wrong) == PARSE


def test_every_answer_says_how_many_calls_are_left(api: Api) -> None:
    counted = api.app[QUOTA]
    counted.calls, counted.clock = 3, lambda: 1000.0
    told = [api.call("GET", "/user") for _ in range(3)]
    assert [one.headers["Ratelimit"] for one in told] == [
        f'"default";r={left};t=300' for left in (2, 1, 0)
    ]
    assert {one.headers["Ratelimit-Policy"] for one in told} == {'"default";q=1200;w=300'}
    refused = api.call("GET", "/user")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, 10429)
    assert (refused.headers["Retry-After"], refused.headers["Ratelimit"]) == (
        "300",
        '"default";r=0;t=300',
    )
    assert ACCOUNT.token not in json.dumps(dict(refused.headers))


def test_who_made_too_many_calls_is_refused_for_five_minutes() -> None:
    now = [1000.0]
    counted = Quota(2, lambda: now[0])
    counted.require()
    now[0] += 299
    counted.require()
    with pytest.raises(Refusal):
        counted.require()
    now[0] += 299.5  # the window is over, the block is not
    with pytest.raises(Refusal) as refused:
        counted.require()
    assert refused.value.headers["Retry-After"] == "1"
    now[0] += 1
    counted.require()
    assert (counted.left, counted.reset) == (1, 300)


def test_without_an_end_none_is_refused_and_all_are_left() -> None:
    counted = Quota(0, lambda: 1000.0)
    for _ in range(2 * quota.CALLS):
        counted.require()
    assert counted.left == quota.CALLS


def test_the_number_of_calls_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, calls in (("0", 0), ("7", 7), ("", 1200), ("many", 1200)):
        monkeypatch.setenv(quota.VARIABLE, given)
        assert quota.from_environment().calls == calls
