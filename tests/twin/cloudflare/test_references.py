"""What a Worker names besides its code is there, or Cloudflare's own words say what is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import Api

SETTINGS = "A/workers/scripts/shop/script-settings"
TAILED: dict[str, Any] = {"tail_consumers": [{"service": "logs"}]}
OBJECTS = {"name": "ROOM", "type": "durable_object_namespace", "class_name": "Room"}
ROOM = b"export class Room {}; export class Prices {}; export default { fetch() {} }"


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        (
            {"type": "vectorize", "index_name": "docs"},
            "Vectorize binding 'A' references index 'docs' which was not found.",
        ),
        (
            {"type": "service", "service": "api"},
            "Service binding 'A' references Worker 'api' which was not found.",
        ),
        (
            {"type": "dispatch_namespace", "namespace": "customers"},
            "The specified dispatch namespace does not exist on this account.",
        ),
        (
            {"type": "r2_bucket", "bucket_name": "files"},
            "R2 bucket 'files' not found. Please use a different name and try again.",
        ),
        (
            {"type": "durable_object_namespace", "class_name": "Room", "script_name": "rooms"},
            "Cannot create binding for class in script 'rooms' that does not exist.",
        ),
    ],
)
def test_what_is_bound_and_not_there_is_named_as_cloudflare_does(
    settled: Api, binding: dict[str, Any], words: str
) -> None:
    refused = settled.upload("shop", bindings=[{"name": "A", **binding}])
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (400, words)


def test_a_first_upload_with_a_tail_for_nobody_makes_no_worker(api: Api) -> None:
    refused = api.upload("shop", method="PUT", **TAILED)
    assert refused.json()["errors"][0]["code"] == 10203
    assert api.result("GET", "A/workers/scripts") == []
    api.worker("logs")
    api.worker("shop", **TAILED)
    assert api.result("GET", SETTINGS)["tail_consumers"] == TAILED["tail_consumers"]


def test_a_worker_may_get_its_own_tail(api: Api) -> None:
    api.worker("logs", **TAILED)
    assert api.refused("PATCH", SETTINGS, json=TAILED) == (404, 10007), "of a Worker that is not"


def test_what_is_made_by_name_is_bound_and_no_longer_when_it_is_gone(api: Api) -> None:
    config = {"dimensions": 3, "metric": "cosine"}
    api.result("POST", "A/vectorize/v2/indexes", json={"name": "docs", "config": config})
    certificate = {"name": "c", "certificates": "-----BEGIN", "private_key": "hidden", "ca": False}
    made = api.result("POST", "A/mtls_certificates", json=certificate)
    assert "hidden" not in str(made)
    stream = api.result("POST", "A/pipelines/v1/streams", json={"name": "events"})["id"]
    bindings = [
        {"name": "DOCS", "type": "vectorize", "index_name": "docs"},
        {"name": "CERT", "type": "mtls_certificate", "certificate_id": made["id"]},
        {"name": "EVENTS", "type": "pipelines", "stream": stream},
        {"name": "OLD", "type": "pipelines", "pipeline": stream},
    ]
    api.worker(bindings=bindings)
    again = {"name": "docs", "config": config}
    assert api.refused("POST", "A/vectorize/v2/indexes", json=again)[0] == 409
    api.result("DELETE", "A/vectorize/v2/indexes/docs")
    assert api.refused("GET", "A/vectorize/v2/indexes/docs")[0] == 404
    refused = api.upload("shop", bindings=bindings)
    assert refused.json()["errors"][0]["code"] == 10159


def test_who_depends_on_a_worker_is_told_before_it_is_deleted(api: Api) -> None:
    api.worker("rooms", code=ROOM, migrations={"new_tag": "1", "new_classes": ["Room"]})
    bindings = [
        {"name": "API", "type": "service", "service": "rooms"},
        {**OBJECTS, "script_name": "rooms"},
    ]
    api.worker("shop", bindings=bindings, tail_consumers=[{"service": "rooms"}])
    told = api.result("GET", "A/workers/scripts/rooms/references")
    by = {"service": "shop", "environment": "production"}
    assert told["services"]["incoming"] == [by]
    assert told["durable_objects"] == [{**by, "durable_object_namespace_name": "rooms_Room"}]
    (tail,) = api.result("GET", "A/workers/tails/by-consumer/rooms")
    assert tail["producer"] == by
    assert api.result("GET", "A/workers/tails/by-consumer/shop") == []


def test_a_version_tells_its_entrypoints(api: Api) -> None:
    version = api.worker("rooms", code=ROOM)
    told = api.result("GET", f"A/workers/scripts/rooms/versions/{version}")
    names = [one["name"] for one in told["resources"]["script"]["named_handlers"]]
    assert names == ["Prices", "Room"]
