"""What a mounted monitor pushes: to whom, how often, and what becomes of what nobody takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.monitoring.pushing import DATADOG, OTLP, WRITE, Isolate, Outside
from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.correlation import current
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.push import Target


@pytest.fixture
def outside() -> Outside:
    return Outside()


def requests_in(items: list[dict[str, Any]]) -> list[int]:
    """Return the counts of requests of each metric that came."""
    return [
        int(point["count"])
        for item in items
        if item["name"] == "http.server.request.duration"
        for point in item["exponentialHistogram"]["dataPoints"]
    ]


def test_what_a_request_did_arrives_as_one_trace(outside: Outside, hands: Hands) -> None:
    isolate = Isolate(outside, OTLP, hands=hands)
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    isolate.ask((b"traceparent", f"00-{trace}-{parent}-01".encode()))
    spans = {span["name"]: span for span in outside.items("traces")}
    served, query, call = spans["GET /orders/{id}"], spans["SELECT"], spans["POST"]
    assert {span["traceId"] for span in spans.values()} == {trace}
    assert (served["parentSpanId"], served["kind"]) == (parent, 2)
    assert query["parentSpanId"] == call["parentSpanId"] == served["spanId"]
    given = {each["key"]: next(iter(each["value"].values())) for each in query["attributes"]}
    assert (given["db.operation.name"], given["db.system.name"]) == ("SELECT", "sqlite")
    assert "secret" not in given["db.query.text"]
    given = {each["key"]: next(iter(each["value"].values())) for each in call["attributes"]}
    assert (given["server.address"], given["error.type"]) == ("api.stripe.test", "402")
    assert given["url.full"] == "https://api.stripe.test/v1/x"
    assert isolate.called[0]["traceparent"] == f"00-{trace}-{call['spanId']}-01"
    (line,) = outside.items("logs")
    assert (line["traceId"], line["spanId"]) == (trace, served["spanId"])
    assert line["severityText"] == "INFO"
    assert {request.headers["api-key"] for request in outside.came} == {"the-key"}


@pytest.mark.parametrize(("sample", "flags", "traced"), [(0, "01", 3), (1, "00", 0), (0, "", 0)])
def test_the_caller_decides_what_is_traced_and_then_the_sample(
    outside: Outside, hands: Hands, sample: float, flags: str, traced: int
) -> None:
    isolate = Isolate(outside, {**OTLP, "sample": sample or 1e-9}, hands=hands)
    header = (b"traceparent", f"00-{'a' * 32}-{'b' * 16}-{flags}".encode())
    isolate.ask(*([header] if flags else []))
    assert len(outside.items("traces")) == traced


def test_a_frame_is_pushed_once_and_repeated_until_it_was_taken(
    outside: Outside, hands: Hands
) -> None:
    isolate = Isolate(outside, {**OTLP, "signals": ["metrics"]}, hands=hands)
    isolate.ask(times=3)
    assert sum(requests_in(outside.items("metrics"))) == 3
    outside.answer = Response(503, {"retry-after": "120"})
    hands.turn(40)
    isolate.ask(times=2)
    outside.came.clear()
    hands.turn(60)
    isolate.ask()
    assert outside.came == []  # it said when to come again
    outside.answer = Response(200)
    hands.turn(70)
    isolate.ask()
    assert sum(requests_in(outside.items("metrics"))) == 4
    assert (isolate.failures(), isolate.dropped()) == (1, {})


def test_cumulative_counts_only_grow(outside: Outside, hands: Hands) -> None:
    isolate = Isolate(outside, {**OTLP, "temporality": "cumulative"}, hands=hands)
    for _ in range(3):
        isolate.ask()
        hands.turn(60)
    assert requests_in(outside.items("metrics")) == [1, 2, 3]


def test_what_is_refused_for_good_is_dropped_and_counted(outside: Outside, hands: Hands) -> None:
    isolate = Isolate(outside, {**OTLP, "signals": ["traces", "logs"]}, hands=hands)
    outside.answer = Response(401)
    isolate.ask()
    assert (isolate.dropped()["traces"], isolate.failures()) == (3, 1)
    assert "the key is refused" in isolate.lines[-1]
    assert "the-key" not in "".join(isolate.lines)
    outside.answer = Response(200, body='{"partialSuccess": {"rejectedSpans": "2"}}')
    hands.turn(60)
    isolate.ask()
    assert isolate.dropped()["traces"] == 5


@pytest.mark.slow
def test_what_waits_is_bounded(outside: Outside, hands: Hands) -> None:
    isolate = Isolate(outside, {**OTLP, "signals": ["traces"]}, hands=hands)
    outside.raised = ConnectionError("canary")
    isolate.ask(times=1000)
    assert isolate.status == 200
    hands.turn(700)
    outside.raised = None
    isolate.ask()
    arrived = len(outside.items("traces")) - 0
    assert arrived <= 2048 + 3 + 3
    assert isolate.dropped()["traces"] >= 3003 - 2048
    assert "canary" not in "".join(isolate.lines)


def test_datadog_gets_each_count_once(outside: Outside, hands: Hands, sqlite: SQLite) -> None:
    isolates = [Isolate(outside, DATADOG, hands=hands, sqlite=sqlite) for _ in range(2)]
    isolates[0].ask(times=5)  # the first push is where counting begins
    for number, asked in enumerate((3, 4)):
        hands.turn(61)
        isolates[number].ask(times=asked)
    hands.turn(61)
    isolates[0].ask()
    counts = [
        series["points"][0]["value"]
        for request in outside.came
        for series in json.loads(request.body)["series"]
        if series["metric"] == "http_request_duration_seconds.count"
    ]
    assert sum(counts) == 5 - 1 + 3 + 4 + 1
    assert {request.headers["DD-API-KEY"] for request in outside.came} == {"the-key"}


def test_a_receiver_that_hangs_keeps_no_request_waiting(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xswarm_monitoring.delivery.PATIENCE", 0.05)

    class Silent(Outside):
        async def send(self, request: Outgoing) -> Response:
            await asyncio.sleep(60)
            return self.answer

    isolate = Isolate(Silent(), OTLP, WRITE, hands=hands)
    isolate.ask()
    assert isolate.failures() == 2
    assert "no answer in 0.05 s" in isolate.lines[-1]


def test_calls_to_others_are_measured_and_carry_the_trace() -> None:
    metrics = Metrics(clock=Clock())
    sent: list[Outgoing] = []

    async def send(request: Outgoing) -> Response:
        sent.append(request)
        return Response(204)

    measured: Callable[[Outgoing], Awaitable[Response]] = metrics.outbound.measured(send)
    asyncio.run(measured(Outgoing("GET", "http://x.test/a", {"a": "b"}, b"")))  # type: ignore[arg-type]
    assert current() is None
    assert sent[0].headers == {"a": "b"}
    ((labels, sketch),) = metrics.total().sketches["outbound_request_duration_seconds"].items()
    assert (labels, sketch.count) == (("x.test:80", "GET", "204"), 1)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"kind": "statsd"}, "kind is one of"),
        ({"endpoint": "collector.test"}, "must begin with https"),
        ({"endpoint": "http://collector.test"}, "http is for addresses of this machine"),
        ({"endpoint": "https://me:pw@collector.test"}, "holds a password"),
        ({"endpont": "https://x.test"}, r"unknown monitor\.push\.endpont"),
        ({"headers": {"Authorization": "Bearer x"}}, "is a secret"),
        ({"headers": {"X A": "1"}}, "is no header"),
        ({"signals": ["profiles"]}, "signals is one of"),
        ({"sample": 2}, "a part from 0 to 1"),
        ({"every": "1s"}, "at least 10s"),
        ({"secret": "", "header": "api-key"}, "need `secret`"),
        ({"secret": "a value"}, "is a name"),
        ({"kind": "remote_write", "sample": 0.1}, "nothing that remote_write has"),
        ({"kind": "datadog", "secret": ""}, "needs `secret`"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Target.read({"kind": "otlp", "endpoint": "https://x.test", "secret": "KEY", **values})


def test_a_key_goes_as_its_receiver_asks() -> None:
    target = Target.read({**WRITE, "user": 123, "headers": {"X-Scope-OrgID": "a"}})
    assert target.authorisation(lambda _name: "key") == {
        "X-Scope-OrgID": "a",
        "Authorization": "Basic MTIzOmtleQ==",
    }
