"""Each kind of exchange is counted once, for as long as its answer took, and is no false error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import report, rules
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.instruments import REQUESTS
from xswarm_monitoring.logs import Log
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.slo import Count, Objective
from xswarm_monitoring.window import Window, load

Counted = dict[tuple[str, ...], int]
SPEC = {"spec_version": "2.4", "version": "3.0"}
WHOLE = {"type": "http.request", "body": b"", "more_body": False}
BEGUN = {"type": "http.request", "body": b"half", "more_body": True}
LEFT = {"type": "http.disconnect"}


class Exchange:
    """Ask an app once, over a connection that may close while it answers.

    Args:
        app: what is asked.
        hands: the clock.
        closes_after: messages that arrive; later ones raise, as servers do by ASGI 2.4.
        receives: what the server has to say, one after the other, the last one for ever.
    """

    def __init__(
        self,
        app: Any,
        hands: Hands,
        closes_after: int | None = None,
        receives: Sequence[dict[str, Any]] = (WHOLE,),
    ) -> None:
        self.lines: list[str] = []
        self.sent: list[Any] = []
        self._closes_after = closes_after
        self._receives = list(receives)
        self.monitor = Monitor(
            app, service="shop", clock=hands.clock, log=Log("shop", write=self.lines.append)
        )

    async def _send(self, message: Any) -> None:
        if self._closes_after is not None and len(self.sent) >= self._closes_after:
            raise BrokenPipeError("the connection is closed")
        self.sent.append(message)

    def ask(self, path: str = "/", method: str = "GET") -> Counted:
        """Return what is counted afterwards; what the app raises is for its server."""

        async def receive() -> Any:
            return self._receives.pop(0) if len(self._receives) > 1 else self._receives[0]

        scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "asgi": SPEC}
        scope["headers"] = []
        scope |= {"query_string": b"", "root_path": "", "scheme": "http", "server": ("a", 80)}
        try:
            asyncio.run(self.monitor(scope, receive, self._send))
        except Exception as error:
            self.lines.append(f"raised {type(error).__name__}")
        series = self.monitor.metrics.total().sketches.get(REQUESTS.name, {})
        return {labels: sketch.count for labels, sketch in series.items()}

    @property
    def took(self) -> float:
        """The longest of the exchanges, seconds."""
        series = self.monitor.metrics.total().sketches[REQUESTS.name]
        return max(sketch.maximum for sketch in series.values())


def served(hands: Hands) -> Starlette:
    async def events() -> Any:
        for number in range(3):
            hands.turn(1)
            yield f"data: {number}\n\n"

    async def stream(_request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/plain")

    async def heard(_request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    async def background(_request: Request) -> Response:
        async def later() -> None:
            hands.turn(30)

        hands.turn(0.5)
        return PlainTextResponse("done", background=BackgroundTask(later))

    async def empty(_request: Request) -> Response:
        return Response(status_code=204)

    routes = [Route("/stream", stream), Route("/events", heard), Route("/background", background)]
    return Starlette(routes=[*routes, Route("/empty", empty, methods=["GET", "OPTIONS"])])


@pytest.mark.parametrize(
    ("path", "method", "label", "seconds"),
    [
        ("/stream", "GET", ("/stream", "GET", "200"), 3.0),
        ("/stream", "HEAD", ("/stream", "HEAD", "200"), 3.0),
        ("/events", "GET", ("/events", "GET", "200"), 0.0),  # up to its beginning
        ("/background", "GET", ("/background", "GET", "200"), 0.5),
        ("/empty", "OPTIONS", ("/empty", "OPTIONS", "204"), 0.0),
        ("/empty", "BREW", ("/empty", "(other)", "405"), 0.0),
        ("/gone", "OPTIONS", ("(unmatched)", "OPTIONS", "404"), 0.0),
    ],
)
def test_an_answer_counts_once_and_for_as_long_as_it_took(
    hands: Hands, path: str, method: str, label: tuple[str, ...], seconds: float
) -> None:
    exchange = Exchange(served(hands), hands)
    assert exchange.ask(path, method) == {label: 1}
    assert exchange.took == seconds


@pytest.mark.parametrize("arrived", [0, 1, 2, 3])
def test_a_client_that_leaves_a_stream_is_no_error_of_ours(hands: Hands, arrived: int) -> None:
    exchange = Exchange(served(hands), hands, closes_after=arrived)
    assert exchange.ask("/stream") == {("/stream", "GET", "499"): 1}
    assert any("ClientDisconnect" in line for line in exchange.lines)  # raised, for its server
    assert not any('"error"' in line for line in exchange.lines)  # and no error in our log


async def _as_starlette_reads(_scope: Any, receive: Any, send: Any) -> None:
    """Raise, after a last answer, where a body is not to be had (starlette/requests.py)."""
    while (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"Internal Server Error"})
    raise ClientDisconnect


async def _as_litestar_reads(_scope: Any, receive: Any, send: Any) -> None:
    """Answer it as an error of its own; FastAPI's is 400."""
    while (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"Internal Server Error"})


async def _as_django_waits(_scope: Any, receive: Any, _send: Any) -> None:
    """Answer nothing at all (django/core/handlers/asgi.py)."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _as_a_stream_is_cut(_scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.parametrize(
    "app", [_as_starlette_reads, _as_litestar_reads, _as_django_waits, _as_a_stream_is_cut]
)
@pytest.mark.parametrize("receives", [(BEGUN, LEFT), (WHOLE, LEFT)])
def test_a_client_that_left_is_one_whatever_the_framework_makes_of_it(
    hands: Hands, app: Any, receives: Sequence[dict[str, Any]]
) -> None:
    exchange = Exchange(app, hands, receives=receives)
    assert exchange.ask() == {("(unmatched)", "GET", "499"): 1}
    assert not any('"error"' in line for line in exchange.lines)


@pytest.mark.parametrize("body", ["http.response.body", "http.response.pathsend"])
def test_what_a_server_says_after_an_answer_is_no_client_that_left(hands: Hands, body: str) -> None:
    async def watches(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": body})
        assert (await receive())["type"] == "http.disconnect"
        hands.turn(30)  # in a background task

    exchange = Exchange(watches, hands, receives=(LEFT,))
    assert exchange.ask() == {("/", "GET", "200"): 1}
    assert exchange.took == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"X-Request-ID", b"1"), (b"Content-Type", b"Text/Event-Stream")], 0.1),
        ([(b"content-type", b"text/event-stream;charset=utf-8")], 0.1),
        ([(b"cache-status", b"text/event-stream")], 0.9),
        ([], 0.9),
    ],
)
def test_events_of_less_than_a_second_are_measured_alike(
    hands: Hands, headers: list[tuple[bytes, bytes]], seconds: float
) -> None:
    """An objective may say 300 ms: a short answer of a model is as quick as a long one."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        hands.turn(0.1)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        hands.turn(0.8)
        await send({"type": "http.response.body", "body": b"data: 1\n\n"})

    exchange = Exchange(app, hands)
    exchange.ask()
    assert exchange.took == pytest.approx(seconds, rel=0.02)
    (answer, *_) = exchange.sent
    assert len({name.lower() for name, _ in answer["headers"]}) == len(answer["headers"])


def test_a_service_that_is_listened_to_for_hours_is_not_slow(hands: Hands) -> None:
    """A tenth of all requests listen to events: their hours are no p95, and spend no budget."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kind = b"text/event-stream; charset=utf-8" if scope["path"] == "/events" else b"text/html"
        headers = [(b"Content-Type", kind)]
        hands.turn(0.1)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        hands.turn(0.1 if scope["path"] == "/page" else 1_800)  # there is nothing to tell yet
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        if scope["path"] == "/events":
            hands.turn(3_600)
            await receive()  # until its client leaves
            return
        await send({"type": "http.response.body", "body": b""})

    exchange = Exchange(app, hands, receives=(LEFT,))
    for number in range(100):
        exchange.ask("/events" if number % 10 == 0 else "/page")
    total = exchange.monitor.metrics.total()
    assert rules.judge(total) == []
    objective = Objective("latency", 0.95, 0.5)
    assert objective.count(total) == Count(100, 0)


async def _breaks_after_its_start(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ConnectionResetError("the database's, not the client's")


async def _hints(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})
    await send({"type": "http.response.trailers", "headers": []})


async def _answers_nothing(_scope: Any, _receive: Any, _send: Any) -> None: ...


async def _tells_progress(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 103, "headers": []})


@pytest.mark.parametrize(
    ("app", "status", "types"),
    [
        (_breaks_after_its_start, "500", ["start", "body"]),
        (_hints, "200", ["early_hint", "start", "body", "trailers"]),
        (_answers_nothing, "500", []),
        (_tells_progress, "103", ["start"]),
    ],
)
def test_what_an_app_sends_goes_on_and_what_it_broke_is_an_error(
    hands: Hands, app: Any, status: str, types: Sequence[str]
) -> None:
    exchange = Exchange(app, hands)
    assert exchange.ask() == {("/", "GET", status): 1}
    assert [message["type"] for message in exchange.sent] == [f"http.response.{t}" for t in types]


# How much, and how little


def test_ten_million_a_minute_are_exact_and_have_quantiles(hands: Hands) -> None:
    sketch, whole = Sketch(), Window(0, 60)
    for number in range(1, 1_001):
        sketch.observe(number / 1_000)
    for _ in range(14):
        sketch.merge(sketch.copy())
    whole.sketches[REQUESTS.name] = {("/", "GET", "200"): sketch}
    told = report.report([load(whole.dump())], 60, 60)["requests"]
    assert told["total"] == 1_000 << 14 > 10_000_000
    assert told["duration_ms"]["p95"] == pytest.approx(950, rel=0.006)
    assert told["per_second"] == pytest.approx(told["total"] / 60, abs=1e-6)


def test_a_request_a_day_and_days_without_any_are_what_they_are(
    hands: Hands, sqlite: SQLite
) -> None:
    """A week in which the clocks of people are changed; ours have no hours but UTC's."""
    hands.now = 1_792_800_000.0  # 2026-10-24, and Europe's summer ends a day later
    watched = Monitor(
        served(hands), service="shop", execute=lambda _env: sqlite.execute, clock=hands.clock
    )
    for day in range(14):
        hands.turn(43_200)
        watched.metrics.tick(hands.now)
        if day % 2:
            watched.metrics.requests.observe("/once", "GET", 200, 0.1)
        asyncio.run(watched.maintain())
        hands.turn(43_200)
    for days in (1, 7, 10):
        gathered = asyncio.run(watched.keeper.gather(None, "v", hands.now - days * 86_400))
        told = report.report(gathered.frames, hands.now - gathered.since, hands.now)["requests"]
        assert told["total"] == sum(1 for day in range(14 - days, 14) if day % 2), days
    nothing = asyncio.run(watched.keeper.gather(None, "v", hands.now - 300))
    told = report.report(nothing.frames, 300, hands.now)["requests"]
    assert (told["total"], told["success_rate"], told["per_second"]) == (0, None, 0)
