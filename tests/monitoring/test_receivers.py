"""Real receivers take what is pushed, and are asked for it again.

Rotel is a collector: it takes OTLP and sends it on, and what it sends is read here. VictoriaMetrics
takes remote write, and is scraped into.
"""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.monitoring.pushing import OTLP, WRITE, Isolate, Outside
from tests.support import judges
from tests.support.monitoring import Hands
from tests.support.receiver import Receiver, receiving, text_of
from xswarm_monitoring.http_request import Outgoing, Response

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

HAS_A_WHEEL = (
    sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)
)
"""As requirements-test.in has it: where Rotel can be had, a missing one fails."""
WAIT = 60.0  # seconds
ASKED = 20
Found = TypeVar("Found")
STRANGE = '/a "b"\\c/{id}\nnext/😀'


class Sender(Outside):
    """Really send, in place of noting what came."""

    async def send(self, request: Outgoing) -> Response:
        self.came.append(request)
        asked = urllib.request.Request(
            request.url, request.body, dict(request.headers), method=request.method
        )
        try:
            answer = await asyncio.to_thread(urllib.request.urlopen, asked, timeout=10)
        except urllib.error.HTTPError as error:
            with error:
                return Response(error.code, {}, error.read().decode("latin-1"))
        with answer:
            return Response(answer.status, {}, answer.read().decode("latin-1"))


@dataclass
class Collector:
    """A collector, and who it sends on to."""

    url: str
    after: Receiver

    def read(self, signal: str, made: Callable[[], Any]) -> list[Any]:
        """Return what it sent on of a signal, once it did."""

        def messages() -> list[Any]:
            found = []
            for path, headers, body in self.after.came:
                if path == f"/v1/{signal}":
                    message = made()
                    zipped = headers.get("content-encoding") == "gzip"
                    message.ParseFromString(gzip.decompress(body) if zipped else body)
                    found.append(message)
            return found

        return until(messages)


@pytest.fixture
def collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    found = importlib.util.find_spec("rotel")
    if found is None or not found.origin:
        assert not HAS_A_WHEEL, "rotel is missing: pip install -r requirements-test.txt"
        pytest.skip("rotel has no wheel for this machine; see requirements-test.in")
    program = str(Path(found.origin).with_name("rotel-agent"))
    # It is linked with Python's library, which the system knows of its own Python alone.
    python = str(sysconfig.get_config_var("LIBDIR"))
    monkeypatch.setenv("LD_LIBRARY_PATH", python, prepend=os.pathsep)
    grpc, http = f"127.0.0.1:{free()}", f"127.0.0.1:{free()}"
    with receiving() as after:
        after.body, after.headers = b"", {"Content-Type": "application/x-protobuf"}
        own = ["--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http]
        on = ["--exporter", "otlp", "--otlp-exporter-endpoint", after.url]
        on += ["--otlp-exporter-protocol", "http"]
        with running([program, "start", *own, *on], tmp_path / "log", http):
            yield Collector(f"http://{http}", after)


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[str]:
    program = judges.find("victoria-metrics") or "victoria-metrics"
    at = f"127.0.0.1:{free()}"
    flags = [f"-httpListenAddr={at}", f"-storageDataPath={tmp_path}/data", "-retentionPeriod=100y"]
    with running([program, *flags, "-search.latencyOffset=0s"], tmp_path / "log", at):
        yield f"http://{at}"


def test_a_collector_takes_metrics_traces_and_logs_and_sends_them_on(
    collector: Collector,
) -> None:
    sender, hands = Sender(), Hands(time.time() - 120)
    target = {**OTLP, "endpoint": collector.url, "encoding": "protobuf"}
    isolate = Isolate(sender, target, hands=hands)
    isolate.metrics.requests.observe(STRANGE, "GET", 500, 0.25)
    isolate.ask(times=ASKED)
    hands.turn(61)
    isolate.ask()
    assert isolate.failures() == 0, isolate.lines
    assert isolate.dropped() == {}

    def whole() -> list[Any]:
        return [
            span
            for message in collector.read("traces", ExportTraceServiceRequest)
            for outer in message.resource_spans
            for span in outer.scope_spans[0].spans
        ]

    spans = until(lambda: whole() if len(whole()) >= 3 * (ASKED + 1) else [])
    served = [span for span in spans if span.name == "GET /orders/{id}"]
    assert len(served) == ASKED + 1
    assert {len(span.trace_id) for span in spans} == {16}
    parents = {span.span_id for span in served}
    assert all(span.parent_span_id in parents for span in spans if span not in served)

    points = [
        point
        for message in collector.read("metrics", ExportMetricsServiceRequest)
        for outer in message.resource_metrics
        for metric in outer.scope_metrics[0].metrics
        if metric.name == "http.server.request.duration"
        for point in metric.exponential_histogram.data_points
    ]
    counted: dict[str, int] = {}
    for point in points:
        route = text_of(point.attributes)["http.route"]
        counted[route] = counted.get(route, 0) + point.count
        assert sum(point.positive.bucket_counts) + point.zero_count == point.count
    assert counted == {"/orders/{id}": ASKED + 1, STRANGE: 1}
    (first, *_) = collector.read("metrics", ExportMetricsServiceRequest)
    named = text_of(first.resource_metrics[0].resource.attributes)
    assert (named["service.name"], named["deployment.environment.name"]) == ("shop", "staging")

    records = [
        record
        for message in collector.read("logs", ExportLogsServiceRequest)
        for outer in message.resource_logs
        for record in outer.scope_logs[0].log_records
    ]
    traces = {span.trace_id for span in served}
    assert [r for r in records if r.trace_id in traces and r.severity_text == "INFO"]


def test_a_collector_that_takes_no_json_is_told_of(collector: Collector) -> None:
    sender = Sender()
    target = {**OTLP, "endpoint": collector.url, "signals": ["metrics"]}
    isolate = Isolate(sender, target, hands=Hands(time.time()))
    isolate.ask()
    assert any("HTTP 400" in line and "not pushed" in line for line in isolate.lines)
    assert isolate.failures() == 1


@pytest.mark.needs("victoria-metrics")
def test_victoriametrics_has_what_was_written_and_answers_for_it(victoria: str) -> None:
    """By remote write 1.0, twice a minute apart; and the exposition, as a scrape brings it."""
    sender, hands = Sender(), Hands(time.time() - 120)
    target = {**WRITE, "kind": "remote_write", "endpoint": f"{victoria}/api/v1/write"}
    isolate = Isolate(sender, target, hands=hands)
    isolate.metrics.requests.observe(STRANGE, "GET", 500, 0.25)
    isolate.ask(times=ASKED)
    hands.turn(61)
    isolate.ask(times=ASKED)
    assert isolate.failures() == 0, isolate.lines

    def ask(query: str) -> list[Any]:
        given = urlencode({"query": query, "time": hands.now + 1})
        with urllib.request.urlopen(f"{victoria}/api/v1/query?{given}", timeout=10) as reply:
            found: list[Any] = json.load(reply)["data"]["result"]
        return found

    def value(query: str) -> float:
        (one,) = until(lambda: ask(query))
        return float(one["value"][1])

    count = "http_request_duration_seconds_count"
    assert value(f'{count}{{route="/orders/{{id}}",job="shop"}}') == ASKED + 1
    assert value('http_requests_total{outcome="error"}') == 1
    assert value('service_info{service="shop"}') == 1
    (strange,) = [s for s in ask(count) if s["metric"]["route"] == STRANGE]
    assert strange["metric"]["instance"] == isolate.monitor.keeper.instance
    hands.turn(61)
    isolate.ask()
    rise = f'increase({count}{{route="/orders/{{id}}"}}[5m])'
    assert until(lambda: value(rise) > 0)
    p95 = value(f"histogram_quantile(0.95, sum by (le) ({count.replace('count', 'bucket')}))")
    assert 0 <= p95 < 1


@contextmanager
def running(command: list[str], log: Path, address: str) -> Iterator[None]:
    """Run a program until the end, once it listens."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            until(lambda: process.poll() is not None or listens(address))
            assert process.poll() is None, log.read_text()[-2000:]
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT)


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex((host, int(port))) == 0


def until(ask: Callable[[], Found]) -> Found:
    """Return what is there, once something is."""
    ends = time.monotonic() + WAIT
    while not (found := ask()):
        assert time.monotonic() < ends, "it does not come"
        time.sleep(0.1)
    return found


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
