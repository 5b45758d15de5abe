"""What a mounted monitor pushes: to whom, how often, and what becomes of what nobody takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.monitoring import Hands, SQLite
from tests.support.receiver import remote_write_2
from xswarm_monitoring import push
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.correlation import current
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.logs import Log
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.push import Push, Target

OTLP = {"kind": "otlp", "endpoint": "https://otlp.test", "secret": "KEY", "header": "api-key"}
WRITE = {"kind": "remote_write_2", "endpoint": "https://prometheus.test/w", "secret": "KEY"}
DATADOG = {"kind": "datadog", "endpoint": "https://dd.test", "secret": "KEY"}


class Outside:
    """Those who are sent to, and how they answer."""

    def __init__(self) -> None:
        self.came: list[Outgoing] = []
        self.answer = Response(200)
        self.raised: Exception | None = None

    async def send(self, request: Outgoing) -> Response:
        self.came.append(request)
        if self.raised:
            raise self.raised
        return self.answer

    def items(self, signal: str) -> list[dict[str, Any]]:
        """Return the items of a signal that came, of all requests."""
        bodies = [json.loads(each.body) for each in self.came if each.url.endswith(signal)]
        return [
            item
            for body in bodies
            for (outer,) in body.values()
            for (scope,) in (value for key, value in outer.items() if key.startswith("scope"))
            for key, value in scope.items()
            if key != "scope"
            for item in value
        ]


class Isolate:
    """An isolate whose application asks a database and another service."""

    def __init__(
        self, outside: Outside, *targets: dict[str, Any], hands: Hands, sqlite: SQLite | None = None
    ) -> None:
        self.metrics = Metrics(clock=hands.clock)
        self.lines: list[str] = []
        self.status = 200
        wanted = Push(
            push.read(list(targets)),
            outside.send,
            lambda name: {"KEY": "the-key"}.get(name, ""),
            environment="staging",
            address="https://shop.example",
        )
        self.monitor = Monitor(
            self.app,
            service="shop",
            version=lambda _env: "v1",
            execute=(lambda _env: sqlite.runs) if sqlite else None,
            metrics=self.metrics,
            log=Log("shop", write=self.lines.append, clock=hands.clock),
            push=lambda _env: wanted,
            clock=hands.clock,
        )
        self.called: list[dict[str, str]] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = "/orders/{id}"
        self.metrics.database.observe("SELECT * FROM orders WHERE id = 'secret'", 0.01)
        with self.metrics.outbound.call("POST", "https://api.stripe.test/v1/x?key=a") as call:
            self.called.append(call.headers)
            call.status = 402
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(self, *headers: tuple[bytes, bytes], times: int = 1) -> None:
        async def asked() -> None:
            for _ in range(times):
                scope = {"type": "http", "method": "GET", "path": "/orders/7", "scheme": "https"}
                await self.monitor({**scope, "headers": list(headers)}, _nothing, _to_nobody)
                await asyncio.gather(*self.monitor.defer._tasks)  # type: ignore[attr-defined]

        asyncio.run(asked())

    def dropped(self) -> dict[str, float]:
        counts = self.metrics.total().counts.get("monitor_push_dropped", {})
        return {labels[0]: count for labels, count in counts.items()}

    def failures(self) -> float:
        return sum(self.metrics.total().counts.get("monitor_push_failures", {}).values())


async def _nothing() -> Any:
    return {"type": "http.disconnect"}


async def _to_nobody(_message: Any) -> None: ...


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


def test_all_isolates_together_are_pushed_once_in_a_while(outside: Outside, hands: Hands) -> None:
    sqlite = SQLite()
    isolates = [Isolate(outside, WRITE, hands=hands, sqlite=sqlite) for _ in range(3)]
    for isolate in isolates:
        isolate.ask(times=2)
    (request,) = outside.came
    hands.turn(61)
    outside.came.clear()
    isolates[1].ask()
    (request,) = outside.came
    assert request.headers["Authorization"] == "Bearer the-key"
    series = remote_write_2(request.body)
    labels = {"job": "shop", "instance": "shop.example:443", "environment": "staging"}
    assert all(labels.items() <= each["labels"].items() for each in series)
    counted = [
        s for s in series if s["labels"]["__name__"] == "http_request_duration_seconds_count"
    ]
    assert [each["value"] for each in counted] == [7.0]
    outcomes = {
        each["labels"]["outcome"]: each["value"]
        for each in series
        if each["labels"]["__name__"] == "http_requests_total"
    }
    assert outcomes == {"ok": 7.0, "client_error": 0.0, "error": 0.0}


def test_datadog_gets_each_count_once(outside: Outside, hands: Hands) -> None:
    sqlite = SQLite()
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
    monkeypatch.setattr("xswarm_monitoring.pusher.PATIENCE", 0.05)

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
