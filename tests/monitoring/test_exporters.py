"""The exporters, judged by the official parsers and by a real Prometheus."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import snappy  # type: ignore[import-untyped]
import uvicorn
from datadog_api_client.configuration import Configuration
from datadog_api_client.model_utils import validate_and_convert_types
from datadog_api_client.v2.model.metric_payload import MetricPayload
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.monitoring.pushing import WRITE, Isolate, Outside
from tests.support.monitoring import Hands, SQLite
from tests.support.receiver import remote_write_2, text_of
from xswarm_monitoring import datadog, instruments, otlp, otlp_metrics, remote_write, wire
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.exposition import Gauge
from xswarm_monitoring.http_request import Outgoing
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.otlp import Resource
from xswarm_monitoring.sketch import BASE

WAIT = 60  # seconds


def busy(hands: Hands) -> tuple[Metrics, list[float]]:
    measured = Metrics(clock=hands.clock)
    chance = random.Random(2)
    values = [chance.lognormvariate(-4, 1) for _ in range(500)] + [0.0, 2.0]
    for value in values:
        measured.requests.observe("/ü/{id}", "GET", 200, value)
    for _ in range(7):
        measured.business.feature("voice")
    hands.turn(10)
    return measured, values


RESOURCE = Resource("boss-ai", "v1", "staging", "i-1")
NAMED = {
    "service.name": "boss-ai",
    "service.version": "v1",
    "service.instance.id": "i-1",
    "deployment.environment.name": "staging",
}


def test_otlp_arrives_without_loss(hands: Hands) -> None:
    measured, values = busy(hands)
    made = otlp_metrics.metrics(
        measured.total(), measured.families, RESOURCE, otlp_metrics.CUMULATIVE
    )
    request = otlp.request(
        "metrics", made, RESOURCE, url="https://collector.test/", headers={"api-key": "secret"}
    )
    assert request.url == "https://collector.test/v1/metrics"
    message = json_format.Parse(request.body, ExportMetricsServiceRequest())
    (resource,) = message.resource_metrics
    named = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    assert NAMED.items() <= text_of(resource.resource.attributes).items()
    feature = named["business_features"].sum.data_points[0]
    assert (feature.as_double, named["business_features"].sum.is_monotonic) == (7.0, True)
    assert named["http.server.request.duration"].unit == "s"
    (point,) = named["http.server.request.duration"].exponential_histogram.data_points
    assert text_of(point.attributes) == {
        "http.request.method": "GET",
        "http.route": "/ü/{id}",
        "http.response.status_code": 200,
        "url.scheme": "https",
    }
    assert (point.count, point.zero_count, point.scale) == (len(values), 1, 6)
    assert point.count == sum(point.positive.bucket_counts) + point.zero_count
    assert point.time_unix_nano - point.start_time_unix_nano == 10 * 10**9
    for n, count in enumerate(point.positive.bucket_counts):
        low, high = BASE ** (point.positive.offset + n), BASE ** (point.positive.offset + n + 1)
        slack = 1 + 1e-12
        assert sum(low * slack < value <= high / slack for value in values) <= count
        assert count <= sum(low / slack < value <= high * slack for value in values)


def test_datadog_takes_what_is_sent(hands: Hands) -> None:
    measured, values = busy(hands)
    (frame,) = measured.frames(60)
    gauge = Gauge("health_check_up", "Works", [({"component": "database"}, 1.0)])
    tags = {"service": "boss-ai", "env": "staging", "instance": ""}
    (request,) = datadog.export(
        frame, measured.families, [gauge], url="https://dd.test/", key="secret", tags=tags
    )
    assert request.url == "https://dd.test/api/v2/series"
    understand: Callable[..., MetricPayload] = validate_and_convert_types
    settings: Callable[[], Any] = Configuration
    payload = understand(
        json.loads(request.body), (MetricPayload,), ["body"], True, True, settings()
    )
    series = {each.metric: each for each in payload.series}
    assert series["business_features"].points[0].value == 7
    assert series["http_request_duration_seconds.count"].points[0].value == len(values)
    assert series["http_request_duration_seconds.p95"].points[0].value == pytest.approx(
        sorted(values)[int(0.95 * (len(values) - 1))], rel=0.01
    )
    assert set(series["business_features"].tags) == {
        "service:boss-ai",
        "env:staging",
        "feature:voice",
    }
    types = [series[name].type.value for name in ("business_features", "health_check_up")]
    assert types == [datadog.COUNT, datadog.GAUGE]
    assert request.headers["DD-API-KEY"] == "secret"
    assert "secret" not in repr(request)


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=1500))
def test_snappy_reads_what_was_written(content: bytes, times: int) -> None:
    assert snappy.decompress(wire.snappy(content * times)) == content * times


@pytest.fixture
def server() -> Iterator[tuple[Monitor, int]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monitor = Monitor(app, service="boss-ai", admin_token=lambda env: "let-me-in")
    config = uvicorn.Config(monitor, host="127.0.0.1", port=0, log_level="warning", ws="none")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    while not served.started:
        time.sleep(0.01)
    yield monitor, served.servers[0].sockets[0].getsockname()[1]
    served.should_exit = True
    thread.join(10)


@pytest.fixture
def prometheus(tmp_path: Path, server: tuple[Monitor, int]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    scrape = {
        "job_name": "worker",
        "metrics_path": "/api/metrics",
        "scrape_interval": "1s",
        "authorization": {"credentials": "let-me-in"},
        "static_configs": [{"targets": [f"127.0.0.1:{server[1]}"]}],
    }
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({"scrape_configs": [scrape]}))
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-remote-write-receiver",
            "--log.level=warn",
        ]
    )
    try:
        base = f"http://{address}"
        eventually(lambda: urlopen(f"{base}/-/ready").status == 200)
        yield base
    finally:
        process.terminate()
        process.wait(60)


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; what raises does not hold yet."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            if holds():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.1)


def query(base: str, expression: str) -> dict[str | None, float]:
    with urlopen(f"{base}/api/v1/query?{urlencode({'query': expression})}") as reply:
        found = json.load(reply)["data"]["result"]
    return {each["metric"].get("le"): float(each["value"][1]) for each in found}


def send(request: Outgoing) -> int:
    asked = Request(
        request.url, data=request.body, headers=dict(request.headers), method=request.method
    )
    with urlopen(asked) as reply:
        return int(reply.status)


@pytest.mark.slow
@pytest.mark.needs("prometheus")
def test_a_real_prometheus_scrapes_and_takes_remote_writes(
    prometheus: str, server: tuple[Monitor, int]
) -> None:
    monitor, _ = server
    for seconds in (0.5, 1.5, 2.0, 3.0):
        monitor.metrics.requests.observe("/a", "GET", 200, seconds)
    name = instruments.REQUESTS.name
    eventually(lambda: query(prometheus, f'{name}_count{{route="/a"}}') == {None: 4.0})
    assert query(prometheus, f'{name}_bucket{{le="2.0"}}') == {"2.0": 3.0}
    assert query(prometheus, "up") == {None: 1.0}

    written = Metrics()
    for seconds in (0.5, 2.0, 3.0):
        written.requests.observe("/ü", "POST", 503, seconds)
    written.business.feature("voice")
    request = written_by(written, f"{prometheus}/api/v1/write", 1)
    assert request.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert send(request) == 204
    mine = '{job="shop",instance="shop.example:443",environment="staging"'
    eventually(lambda: query(prometheus, f'{name}_bucket{mine},le="2.0"}}') == {"2.0": 2.0})
    assert query(prometheus, f'{name}_sum{mine},route="/ü"}}') == {None: 5.5}
    assert query(prometheus, f"business_features_total{mine}}}") == {None: 1.0}
    assert query(prometheus, f'health_check_up{mine},component="database"}}') == {None: 0.0}


def written_by(measured: Metrics, url: str, version: int) -> Outgoing:
    gauge = Gauge("health_check_up", "Whether it works", [({"component": "database"}, 0.0)])
    labels = {"job": "shop", "instance": "shop.example:443", "environment": "staging"}
    return remote_write.export(
        measured.total(),
        measured.families,
        [gauge],
        url=url,
        headers={},
        labels=labels,
        time=measured.clock.wall(),
        version=version,
    )


def test_remote_write_2_is_what_its_specification_says(hands: Hands) -> None:
    measured, values = busy(hands)
    request = written_by(measured, "https://prometheus.test/api/v1/write", 2)
    assert request.headers["X-Prometheus-Remote-Write-Version"] == "2.0.0"
    assert "proto=io.prometheus.write.v2.Request" in request.headers["Content-Type"]
    series = {each["labels"]["__name__"]: each for each in remote_write_2(request.body)}
    count = series["http_request_duration_seconds_count"]
    assert count["value"] == len(values)
    assert count["time"] == hands.now
    assert (count["type"], count["help"]) == (3, instruments.REQUESTS.words)
    assert count["labels"].items() >= {"job": "shop", "instance": "shop.example:443"}.items()
    features = series["business_features_total"]
    assert (features["value"], features["type"]) == (7.0, 1)
    assert series["health_check_up"]["type"] == 2


def test_all_isolates_together_are_pushed_once_in_a_while(hands: Hands, sqlite: SQLite) -> None:
    outside = Outside()
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
