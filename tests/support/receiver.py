"""A receiver of what is pushed, read by OpenTelemetry's own messages and by the specification's."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import snappy  # type: ignore[import-untyped]
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_FIELD = descriptor_pb2.FieldDescriptorProto


@dataclass
class Receiver:
    """What came, and how it is answered.

    Args:
        url: where it listens.
        status: what it answers.
        headers: which it answers with.
        body: likewise.
        listed: what it answers a GET; empty: the same.
        came: path, headers (names in small letters) and body of each request.
    """

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    listed: bytes = b""
    came: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self, path: str) -> list[bytes]:
        return [body for asked, _, body in self.came if asked == path]

    def metrics(self) -> list[ExportMetricsServiceRequest]:
        """Return what came as metrics, parsed by OpenTelemetry's messages."""
        bodies = self.bodies("/v1/metrics")
        return [json_format.Parse(body, ExportMetricsServiceRequest()) for body in bodies]

    def spans(self) -> list[Any]:
        """Return the spans that came."""
        bodies = self.bodies("/v1/traces")
        made = [json_format.Parse(with_ids(b), ExportTraceServiceRequest()) for b in bodies]
        return [s for each in made for r in each.resource_spans for s in r.scope_spans[0].spans]

    def logs(self) -> list[Any]:
        """Return the log records that came."""
        bodies = self.bodies("/v1/logs")
        made = [json_format.Parse(with_ids(b), ExportLogsServiceRequest()) for b in bodies]
        return [s for each in made for r in each.resource_logs for s in r.scope_logs[0].log_records]


def with_ids(body: bytes) -> str:
    """Return OTLP's JSON as protobuf's: ids are hexadecimal there, and base64 here."""

    def coded(found: re.Match[str]) -> str:
        return f'"{found[1]}": "{base64.b64encode(bytes.fromhex(found[2])).decode()}"'

    return re.sub(r'"(traceId|spanId|parentSpanId)": ?"([0-9a-f]+)"', coded, body.decode())


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen on loopback, and stop afterwards."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            made.came.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            answer = (made.listed if self.command == "GET" else b"") or made.body
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def text_of(attributes: Any) -> dict[str, Any]:
    """Return OTLP's attributes as a mapping."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def remote_write_2(body: bytes) -> list[dict[str, Any]]:
    """Read ``io.prometheus.write.v2.Request``: each series' labels, value, time, type and help.

    No Prometheus that a distribution packs reads 2.0 yet, so the message is declared here as its
    specification has it (https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/).
    """
    request = _message_2()()
    request.ParseFromString(snappy.decompress(body))
    symbols = list(request.symbols)
    assert symbols[0] == ""
    assert len(set(symbols)) == len(symbols)
    return [_series_2(each, symbols) for each in request.timeseries]


def _series_2(series: Any, symbols: list[str]) -> dict[str, Any]:
    names = [symbols[reference] for reference in series.labels_refs]
    labels = dict(zip(names[::2], names[1::2], strict=True))
    assert list(labels) == sorted(labels)
    (sample,) = series.samples
    metadata = series.metadata
    return {
        "labels": labels,
        "value": sample.value,
        "time": sample.timestamp / 1000,
        "type": metadata.type,
        "help": symbols[metadata.help_ref],
    }


def _message_2() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="write_v2.proto", package="w2", syntax="proto3")
    _declare(file, "Request", symbols=(4, "s*"), timeseries=(5, "*TimeSeries"))
    of_series = {"labels_refs": (1, "u*"), "samples": (2, "*Sample"), "metadata": (5, "Metadata")}
    _declare(file, "TimeSeries", **of_series, created_timestamp=(6, "i"))
    _declare(file, "Sample", value=(1, "d"), timestamp=(2, "i"))
    _declare(file, "Metadata", type=(1, "u"), help_ref=(3, "u"), unit_ref=(4, "u"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("w2.Request"))


_TYPES: Mapping[str, Any] = {
    "s": _FIELD.TYPE_STRING,
    "u": _FIELD.TYPE_UINT32,
    "i": _FIELD.TYPE_INT64,
    "d": _FIELD.TYPE_DOUBLE,
}


def _declare(file: Any, name: str, **fields: tuple[int, str]) -> None:
    message = file.message_type.add(name=name)
    for field_name, (number, kind) in fields.items():
        label = _FIELD.LABEL_REPEATED if "*" in kind else _FIELD.LABEL_OPTIONAL
        made = message.field.add(name=field_name, number=number, label=label)
        bare = kind.replace("*", "")
        if bare in _TYPES:
            made.type = _TYPES[bare]
        else:
            made.type, made.type_name = _FIELD.TYPE_MESSAGE, f".w2.{bare}"
