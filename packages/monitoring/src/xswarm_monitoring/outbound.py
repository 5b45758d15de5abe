"""Measure requests to other services, and let the trace go on there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from xswarm_monitoring.correlation import current, is_monitor, is_probe, new_span
from xswarm_monitoring.http_request import Outgoing, Response, Send
from xswarm_monitoring.instruments import OUTBOUND
from xswarm_monitoring.measures import Measures
from xswarm_monitoring.tracing import host_of


@dataclass
class Call:
    """Follow one request to another service.

    Args:
        headers: what goes with it: ``traceparent`` and ``X-Request-ID``; empty outside of a
            request.
        status: the HTTP status; to be set when it is known.
    """

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0


class Outbound:
    """Measure requests to other services; the monitor's own are not counted.

    Args:
        metrics: keeps the measures.
    """

    def __init__(self, metrics: Measures) -> None:
        self._metrics = metrics
        self._durations = metrics.distribution(OUTBOUND)

    @contextmanager
    def call(self, method: str, url: str) -> Iterator[Call]:
        """Measure one request, from here to the end of the block.

        Args:
            method: of HTTP.
            url: where to; of it, only the host becomes a label.
        """
        served, span, timer = current(), new_span(), self._metrics.clock.timer
        call = Call(served.headers(span) if served is not None else {})
        started, raised = timer(), ""
        try:
            yield call
        except BaseException as error:
            raised = type(error).__name__
            raise
        finally:
            if not is_monitor() and not is_probe():
                status = str(call.status) if call.status else raised or "unknown"
                self._count(span, method, url, status, timer() - started)

    def _count(self, span: str, method: str, url: str, status: str, seconds: float) -> None:
        self._metrics.tick(self._metrics.clock.timer())
        self._durations.observe(seconds, host_of(url), method, status)
        if self._metrics.tracer is not None:
            self._metrics.tracer.outbound(span, method, url, status, seconds)

    def measured(self, send: Send) -> Send:
        """Return what sends one request as another does, measured, and with the trace."""

        async def sent(request: Outgoing) -> Response:
            with self.call(request.method, request.url) as call:
                headers = {**request.headers, **call.headers}
                answer = await send(replace(request, headers=headers))
                call.status = answer.status
                return answer

        return sent
