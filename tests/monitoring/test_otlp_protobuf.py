"""OTLP as binary protobuf, judged by OpenTelemetry's own messages: it is what the JSON is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as some
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.monitoring.pushing import OTLP, Isolate, Outside
from tests.support.monitoring import Hands
from tests.support.receiver import with_ids
from xswarm_monitoring import otlp
from xswarm_monitoring.http_request import Response
from xswarm_monitoring.logs import Level
from xswarm_monitoring.otlp_protobuf import encode, rejected

MESSAGES = {
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
BINARY = {**OTLP, "encoding": "protobuf"}


def pushed(target: dict[str, Any], *, temporality: str = "delta") -> dict[str, Outside]:
    """Return what an isolate pushes in each encoding, the same to both."""
    hands, came = Hands(), {}
    for encoding in ("json", "protobuf"):
        outside = Outside()
        isolate = Isolate(
            outside, {**target, "encoding": encoding, "temporality": temporality}, hands=hands
        )
        isolate.metrics.requests.observe("/ü/😀\n", "GET", 500, 0.0)
        isolate.metrics.requests.observe("/slow", "GET", 200, 3_000.0)
        isolate.metrics.business.payment(0.5, "usd", succeeded=False)
        trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        isolate.ask((b"traceparent", trace), (b"x-request-id", b"the-id"))
        came[encoding] = outside
    return came


@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
def test_each_signal_is_what_the_json_is(temporality: str) -> None:
    came = pushed(OTLP, temporality=temporality)
    pairs = list(zip(came["json"].came, came["protobuf"].came, strict=True))
    assert len(pairs) == 3
    for text, binary in pairs:
        assert text.url == binary.url
        assert binary.headers["Content-Type"] == "application/x-protobuf"
        made = MESSAGES[text.url.rpartition("/")[2]]
        expected, found = json_format.Parse(with_ids(text.body), made()), made()
        found.ParseFromString(binary.body)
        _same_identity(expected)
        _same_identity(found)
        assert found == expected
        assert len(binary.body) < len(text.body) / 2


def _same_identity(message: Any) -> None:
    """Take out what is by chance: the instance, and the ids of spans."""
    for outer in (*_each(message), *()):
        for attribute in outer.resource.attributes:
            if attribute.key == "service.instance.id":
                attribute.value.string_value = "i"
        for field in ("scope_spans", "scope_logs"):
            for scope in getattr(outer, field, ()):
                for item in (*getattr(scope, "spans", ()), *getattr(scope, "log_records", ())):
                    assert len(item.span_id) == 8
                    item.span_id = b""
                    if hasattr(item, "parent_span_id"):
                        item.parent_span_id = b""


def _each(message: Any) -> Any:
    (found,) = (
        getattr(message, field)
        for field in ("resource_metrics", "resource_spans", "resource_logs")
        if hasattr(message, field)
    )
    return found


@given(
    some.dictionaries(
        some.text(alphabet=some.characters(exclude_categories=["Cs"]), max_size=9),
        some.one_of(
            some.text(alphabet=some.characters(exclude_categories=["Cs"]), max_size=9),
            some.booleans(),
            some.integers(-(2**63), 2**63 - 1),
            some.floats(),
        ),
        max_size=5,
    ),
    some.integers(0, 2**40),
    some.sampled_from(Level),
)
def test_attributes_of_any_kind_arrive(named: dict[str, Any], nanoseconds: int, of: Level) -> None:
    record = {
        "timeUnixNano": str(nanoseconds),
        "severityNumber": 9,
        "severityText": of.name,
        "body": {"stringValue": ""},
        "attributes": otlp.attributes(named),
    }
    body = {
        "resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"logRecords": [record]}]}]
    }
    assert json_format.Parse(json.dumps(body), ExportLogsServiceRequest())
    found = ExportLogsServiceRequest()
    found.ParseFromString(encode(body))
    assert found == json_format.ParseDict(body, ExportLogsServiceRequest())


def test_a_field_that_nobody_numbered_is_refused() -> None:
    with pytest.raises(KeyError, match="exemplars"):
        encode({"resourceMetrics": [{"exemplars": []}]})


@pytest.mark.parametrize(
    ("number", "told"), [(0, 0), (1, 1), (127, 127), (200, 200), (2_000, None)]
)
def test_what_a_receiver_did_not_take_is_counted(
    hands: Hands, number: int, told: int | None
) -> None:
    answer = ExportLogsServiceResponse()
    if number:
        partial = ExportLogsPartialSuccess(rejected_log_records=number, error_message="no room")
        answer.partial_success.CopyFrom(partial)
    body = answer.SerializeToString()
    assert rejected(body.decode("latin-1")) == number
    # Who reads it as UTF-8 may lose digits of the number, and never that there is one.
    lost = rejected(body.decode("utf-8", "replace"))
    assert lost >= min(number, 1)
    outside = Outside()
    outside.answer = Response(200, {}, body.decode("latin-1"))
    isolate = Isolate(outside, {**BINARY, "signals": ["logs"]}, hands=hands)
    isolate.ask()
    assert isolate.dropped().get("logs", 0) == number


@pytest.mark.parametrize("body", ["", "{}", "\n", "\n\x02", "\n\x03\x12\x01x", "\n\x05\x08\x80"])
def test_an_answer_that_says_nothing_refuses_nothing(body: str) -> None:
    assert rejected(body) == (1 if body.endswith("\x80") else 0)
