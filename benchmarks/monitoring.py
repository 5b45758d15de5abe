"""Measure xswarm_monitoring against its peers, all in one run: python benchmarks/monitoring.py.

The peers are installed into a throw-away virtual environment. Read the ratios: the
microseconds are this machine's, on this day. It ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
import venv
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEERS = (
    "starlette",
    "fastapi",
    "prometheus-client",
    "prometheus-fastapi-instrumentator",
    "starlette-exporter",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-asgi",
    "ddsketch",
)
ROUTES, REQUESTS, ROUNDS = 30, 300, 60
OBSERVATIONS = 20_000
ISOLATES = 1_000

App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Figure:
    """Hold one measured thing.

    Args:
        group: what it is compared with.
        name: whose it is.
        value: the measure.
        unit: its unit.
        goal: the greatest value that is good; None where there is no goal.
    """

    group: str
    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def good(self) -> bool:
        """Whether the goal is met."""
        return self.goal is None or self.value <= self.goal


def main() -> int:
    """Install the peers, measure, and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--inside", action="store_true", help="measure here, with what is installed"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if not options.inside:
        return outside(["--json"] if options.json else [])
    figures = measure()
    print(json.dumps([asdict(figure) for figure in figures]) if options.json else table(figures))
    return 0 if all(figure.good for figure in figures) else 1


def outside(arguments: list[str]) -> int:
    """Run this file in a virtual environment of its own that has the peers."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        ours = {**os.environ, "PYTHONPATH": str(ROOT / "packages/monitoring/src")}
        words = [python, __file__, "--inside", *arguments]
        run = subprocess.run(words, check=False, cwd=ROOT, env=ours)
        return run.returncode


def measure() -> list[Figure]:
    """Measure everything."""
    return [
        *middlewares(),
        *observations(),
        *errors(),
        *memory(),
        *merging(),
        *expositions(),
        *imports(),
    ]


def app() -> Any:
    """Make the app that is measured: thirty routes, each answering a short text."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def hello(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(routes=[Route(f"/r{number}/{{id}}", hello) for number in range(ROUTES)])


def candidates() -> dict[str, App]:
    """Return the app bare, and under each middleware."""
    from xswarm_monitoring.asgi import Monitor

    instrumented = app()
    peer("prometheus_fastapi_instrumentator").Instrumentator().instrument(instrumented)
    exported = app()
    exported.add_middleware(peer("starlette_exporter").PrometheusMiddleware, group_paths=True)
    tracers = peer("opentelemetry.trace").NoOpTracerProvider()
    return {
        "bare": app(),
        "ours": Monitor(app(), service="benchmark"),
        "prometheus-fastapi-instrumentator": instrumented,
        "starlette_exporter": exported,
        "opentelemetry asgi (metrics only)": peer(
            "opentelemetry.instrumentation.asgi"
        ).OpenTelemetryMiddleware(app(), meter_provider=meters(), tracer_provider=tracers),
    }


def peer(module: str) -> Any:
    """Import a peer, which is there only in the virtual environment made for it."""
    return importlib.import_module(module)


def meters() -> Any:
    """Make OpenTelemetry's provider of meters, read by nobody."""
    reader = peer("opentelemetry.sdk.metrics.export").InMemoryMetricReader()
    return peer("opentelemetry.sdk.metrics").MeterProvider(metric_readers=[reader])


def middlewares() -> list[Figure]:
    """Measure what a middleware adds to a request; rounds by turns, the best of each."""
    apps = candidates()
    best = dict.fromkeys(apps, float("inf"))
    for _ in range(ROUNDS):
        for name, each in apps.items():
            best[name] = min(best[name], asyncio.run(request_cost(each)))
    added = {name: best[name] - best["bare"] for name in apps if name != "bare"}
    ours, cheapest = added.pop("ours"), min(added.values())
    group = "added to a request"
    return [
        Figure(group, "ours: metrics, request id, windows", ours * 1e6, "µs", 8.0),
        *(Figure(group, name, cost * 1e6, "µs") for name, cost in added.items()),
        Figure(group, "ours / the cheapest of them", ours / cheapest, "×", 1 / 3),
        Figure(group, "(the bare app's own)", best["bare"] * 1e6, "µs"),
    ]


async def request_cost(served: App) -> float:
    """Return the seconds that one request takes on the average."""
    headers = [
        (b"host", b"example.com"),
        (b"user-agent", b"benchmark"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip"),
        (b"cookie", b"a=b"),
        (b"referer", b"/"),
    ]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    scopes = [
        {
            "type": "http",
            "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": "GET",
            "scheme": "http",
            "path": f"/r{number % ROUTES}/{number}",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        for number in range(REQUESTS)
    ]
    gc.collect()
    started = time.perf_counter()
    for scope in scopes:
        await served(scope, receive, send)
    return (time.perf_counter() - started) / REQUESTS


def observations() -> list[Figure]:
    """Measure one observation of a labelled distribution."""
    from prometheus_client import CollectorRegistry, Histogram

    from xswarm_monitoring.instruments import Distribution, Family, Kind

    ours = Distribution(Family("a", Kind.DISTRIBUTION, "A", ("b", "c")))
    theirs = Histogram("a", "A", ("b", "c"), registry=CollectorRegistry())
    other = meters().get_meter("a").create_histogram("a")

    def observe(values: list[float]) -> None:
        for value in values:
            ours.observe(value, "x", "y")

    def observe_theirs(values: list[float]) -> None:
        for value in values:
            theirs.labels("x", "y").observe(value)

    def record(values: list[float]) -> None:
        for value in values:
            other.record(value, {"b": "x", "c": "y"})

    costs = best_of(
        {"ours": observe, "prometheus_client": observe_theirs, "opentelemetry": record},
        latencies(OBSERVATIONS),
    )
    group = "one labelled observation"
    mine = costs.pop("ours")
    return [
        Figure(group, "ours", mine * 1e9, "ns", 1000),
        *(Figure(group, name, cost * 1e9, "ns") for name, cost in costs.items()),
        Figure(group, "ours / prometheus_client", mine / costs["prometheus_client"], "×", 1 / 3),
    ]


def best_of(
    actions: Mapping[str, Callable[[list[float]], None]], values: list[float], rounds: int = 7
) -> dict[str, float]:
    """Return each action's best seconds for one value, by turns."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action(values)
            best[name] = min(best[name], (time.perf_counter() - started) / len(values))
    return best


def latencies(number: int) -> list[float]:
    """Return latencies of a log-normal distribution around 18 ms."""
    chance = random.Random(5)
    return [chance.lognormvariate(-4, 1) for _ in range(number)]


SHAPES: Mapping[str, Callable[[random.Random], float]] = {
    "lognormal": lambda chance: chance.lognormvariate(-4, 1),
    "bimodal": lambda c: abs(c.gauss(0.02, 0.002) if c.random() < 0.9 else c.gauss(1.5, 0.1)),
    "heavy-tailed": lambda chance: 0.001 * chance.paretovariate(1.1),
}


def errors() -> list[Figure]:
    """Measure how far p50, p95 and p99 are off at worst."""
    from xswarm_monitoring.sketch import Sketch

    figures = []
    for shape, draw in SHAPES.items():
        chance = random.Random(7)
        values = [draw(chance) for _ in range(200_000)]
        ours, theirs = Sketch(), peer("ddsketch").DDSketch(0.01)
        for value in values:
            ours.observe(value)
            theirs.add(value)
        values.sort()
        group = f"worst error of p50, p95, p99, {shape}"
        figures += [
            Figure(group, "ours", worst(values, ours.quantile), "%", 1.0),
            Figure(group, "ddsketch 1 %", worst(values, theirs.get_quantile_value), "%"),
            Figure(group, "prometheus_client's buckets", worst(values, bucketed(values)), "%"),
        ]
    return figures


def worst(values: list[float], quantile: Callable[[float], float | None]) -> float:
    """Return the greatest relative error in per cent."""
    exact = {q: values[int(q * (len(values) - 1))] for q in (0.5, 0.95, 0.99)}
    return max(abs((quantile(q) or 0) - value) / value * 100 for q, value in exact.items())


def bucketed(values: list[float]) -> Callable[[float], float]:
    """Return quantiles as histogram_quantile does, from prometheus_client's default buckets."""
    from bisect import bisect_right

    from prometheus_client import Histogram

    bounds = [bound for bound in Histogram.DEFAULT_BUCKETS if bound != float("inf")]
    below = [bisect_right(values, bound) for bound in bounds]

    def quantile(q: float) -> float:
        rank = q * len(values)
        for number, count in enumerate(below):
            if count >= rank:
                start = bounds[number - 1] if number else 0.0
                before = below[number - 1] if number else 0
                part = (rank - before) / (count - before)
                return start + (bounds[number] - start) * part
        return bounds[-1]

    return quantile


def memory() -> list[Figure]:
    """Measure the memory that a million observations leave."""
    from xswarm_monitoring.sketch import Sketch

    def ours(values: Iterable[float]) -> Any:
        sketch = Sketch()
        for value in values:
            sketch.observe(value)
        return sketch

    def theirs(values: Iterable[float]) -> Any:
        sketch = peer("ddsketch").DDSketch(0.01)
        for value in values:
            sketch.add(value)
        return sketch

    group = "memory after 1,000,000 observations"
    return [
        Figure(group, "ours", held(ours), "KiB", 256),
        Figure(group, "ddsketch 1 %", held(theirs), "KiB"),
        Figure(group, "a list", held(list), "KiB"),
    ]


def held(keep: Callable[[Iterable[float]], Any]) -> float:
    """Return the KiB that a keeper of a million latencies holds."""
    chance = random.Random(5)
    tracemalloc.start()
    kept = keep(chance.lognormvariate(-4, 1) for _ in range(1_000_000))
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] / 1024
    tracemalloc.stop()
    del kept
    return size


def merging() -> list[Figure]:
    """Measure merging the sketches of many isolates, from objects and from text."""
    from xswarm_monitoring.sketch import Sketch

    chance = random.Random(9)
    ours, theirs = [], []
    for _ in range(ISOLATES):
        mine, other = Sketch(), peer("ddsketch").DDSketch(0.01)
        for _ in range(500):
            value = chance.lognormvariate(-4, 1)
            mine.observe(value)
            other.add(value)
        mine.quantile(0.5)
        ours.append(mine)
        theirs.append(other)
    texts = [json.dumps(sketch.as_json()) for sketch in ours]
    group = f"merging {ISOLATES:,} isolates' sketches of 500 observations"
    return [
        Figure(group, "ours", timed(lambda: merged(Sketch(), ours)) * 1e3, "ms"),
        Figure(group, "ours, read from JSON", timed(lambda: from_text(texts)) * 1e3, "ms"),
        Figure(
            group,
            "ddsketch",
            timed(lambda: merged(peer("ddsketch").DDSketch(0.01), theirs)) * 1e3,
            "ms",
        ),
    ]


def merged(whole: Any, parts: Iterable[Any]) -> Any:
    """Merge sketches into one."""
    for part in parts:
        whole.merge(part)
    return whole


def from_text(texts: Iterable[str]) -> Any:
    """Read sketches and merge them."""
    from xswarm_monitoring.sketch import Sketch

    return merged(Sketch(), (Sketch.from_json(json.loads(text)) for text in texts))


def timed(action: Callable[[], Any], rounds: int = 5) -> float:
    """Return the best seconds of an action."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        started = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - started)
    return best


def expositions() -> list[Figure]:
    """Measure writing 600 counters and 200 histograms as text."""
    from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

    from xswarm_monitoring import exposition
    from xswarm_monitoring.instruments import Family, Kind
    from xswarm_monitoring.metrics import Metrics

    counter = Family("calls", Kind.COUNTER, "Calls", ("who",), limit=1000)
    spread = Family("durations", Kind.DISTRIBUTION, "Durations", ("who",), limit=1000)
    measured = Metrics(own=(counter, spread))
    registry = CollectorRegistry()
    theirs = Counter("calls", "Calls", ("who",), registry=registry)
    histogram = Histogram(
        "durations", "Durations", ("who",), registry=registry, buckets=spread.boundaries
    )
    values = latencies(200)
    for number in range(600):
        measured.counter(counter).add(number, f"customer {number}")
        theirs.labels(f"customer {number}").inc(number)
    for number in range(200):
        for value in values:
            measured.distribution(spread).observe(value, f"customer {number}")
            histogram.labels(f"customer {number}").observe(value)
    total = measured.total()
    mine = timed(lambda: exposition.write(total, measured.families))
    latest = timed(lambda: generate_latest(registry))
    size = len(exposition.write(total, measured.families))
    group = "exposition of 600 counters and 200 histograms"
    return [
        Figure(group, "ours", mine * 1e3, "ms"),
        Figure(group, "prometheus_client", latest * 1e3, "ms"),
        Figure(group, "ours / prometheus_client", mine / latest, "×", 1 / 5),
        Figure(group, "ours, size", size / 1024, "KiB"),
        Figure(group, "prometheus_client, size", len(generate_latest(registry)) / 1024, "KiB"),
    ]


def imports() -> list[Figure]:
    """Measure what importing costs beyond starting the interpreter."""
    group = "import"
    bare = started("pass")
    return [
        Figure(group, "ours", (started("import xswarm_monitoring.asgi") - bare) * 1e3, "ms"),
        Figure(
            group, "prometheus_client", (started("import prometheus_client") - bare) * 1e3, "ms"
        ),
        Figure(group, "starlette", (started("import starlette.applications") - bare) * 1e3, "ms"),
    ]


def started(code: str) -> float:
    """Return the best seconds of an interpreter that runs some code."""
    command = [sys.executable, "-c", code]
    return timed(lambda: subprocess.run(command, check=True, cwd=ROOT), rounds=5)


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a table."""
    lines, group = [], ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            lines.append(f"\n{group}")
        goal = "" if figure.goal is None else f"  ≤ {figure.goal:.3g} {'✓' if figure.good else '✗'}"
        lines.append(f"  {figure.name:36} {figure.value:12,.3f} {figure.unit}{goal}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
