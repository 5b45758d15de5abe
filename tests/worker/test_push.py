"""The Worker itself pushes what it measures, as the release's rules say, to real receivers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.support.receiver import Receiver, receiving, remote_write_2, text_of
from tests.worker.isolate import Isolate
from tests.worker.world import forget_measures
from xswarm_deploy.database.client import Database


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def service(start: Callable[..., Isolate], database: Database, receiver: Receiver) -> Isolate:
    forget_measures(database)
    targets = [
        {"kind": "otlp", "endpoint": receiver.url, "secret": "OTLP_KEY", "header": "api-key"},
        {"kind": "remote_write_2", "endpoint": f"{receiver.url}/api/v1/write"},
        {"kind": "datadog", "endpoint": receiver.url, "secret": "DATADOG_API_KEY"},
    ]
    rules = json.dumps({"push": targets})
    keys = {"OTLP_KEY": "canary-otlp", "DATADOG_API_KEY": "canary-dd"}
    return start(TURSO_DATABASE_URL=database.url, MONITORING_RULES=rules, **keys)


def test_each_target_gets_what_it_reads(service: Isolate, receiver: Receiver) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert service.ask("GET", "/api/suggestions", headers=parent).status == 200

    (message,) = receiver.metrics()
    (resource,) = message.resource_metrics
    named = text_of(resource.resource.attributes)
    assert named["service.name"] == "boss-ai"
    assert (named["deployment.environment.name"], named["service.version"]) == ("local", "unknown")
    assert len(named["service.instance.id"]) == 16
    metrics = {each.name: each for each in resource.scope_metrics[0].metrics}
    requests = metrics["http.server.request.duration"]
    (point,) = requests.exponential_histogram.data_points
    assert (requests.unit, point.count) == ("s", 1)
    assert text_of(point.attributes)["http.route"] == "/api/suggestions"

    spans = {span.name: span for span in receiver.spans()}
    assert {span.trace_id.hex() for span in spans.values()} == {trace}
    assert spans["SELECT"].parent_span_id == spans["GET /api/suggestions"].span_id
    (line,) = [log for log in receiver.logs() if log.body.string_value == "request"]
    assert line.span_id == spans["GET /api/suggestions"].span_id

    (body,) = receiver.bodies("/api/v1/write")
    series = remote_write_2(body)
    (up,) = [
        each
        for each in series
        if each["labels"]["__name__"] == "health_check_up"
        and each["labels"]["component"] == "database"
    ]
    assert up["value"] == 1
    assert up["labels"]["job"] == "boss-ai"
    assert up["labels"]["instance"] == "boss.example:443"
    assert receiver.bodies("/api/v2/series")
    keys = {headers.get("api-key") or headers.get("dd-api-key") for _, headers, _ in receiver.came}
    assert keys == {"canary-otlp", "canary-dd", None}


def test_a_receiver_that_is_down_is_no_fault_of_a_request(
    service: Isolate, receiver: Receiver
) -> None:
    receiver.status = 503
    for _ in range(3):
        assert service.ask("GET", "/api/suggestions").status == 200
    assert len(receiver.came) == 3  # one a target: who is busy is left alone
