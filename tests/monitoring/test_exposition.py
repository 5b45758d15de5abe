from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from tests.support.monitoring import Hands, needs_processes
from xswarm_monitoring import exposition, instruments
from xswarm_monitoring.exposition import Gauge
from xswarm_monitoring.metrics import Metrics

Parse = Callable[[str], Iterable[Metric]]
parse_text: Parse = text_string_to_metric_families
parse_openmetrics: Parse = openmetrics_parser.text_string_to_metric_families


def busy(hands: Hands) -> Metrics:
    measured = Metrics(clock=hands.clock)
    for number in range(300):
        measured.requests.observe("/users/{id}", "GET", 200, number / 100)
        measured.requests.observe('/strange/"\\\n/100%s', "POST", 500, 2.0)
    measured.database.observe("SELECT 1", 1.5, 3)
    measured.business.payment(29.0, "eur", succeeded=True)
    measured.business.feature("voice")
    return measured


def written(measured: Metrics, *, openmetrics: bool) -> str:
    up = Gauge("health_check_up", "Whether it works", [({"component": "database"}, 1.0)])
    total = measured.total()
    return exposition.write(total, measured.families, [up], openmetrics=openmetrics)


def duplicates(text: str) -> list[str]:
    """Return the series and the types that stand more than once; promtool accepts the former."""
    lines = [line for line in text.splitlines() if not line.startswith("# HELP")]
    series = Counter(line if line.startswith("#") else line.rpartition(" ")[0] for line in lines)
    return [name for name, times in series.items() if times > 1]


def test_the_duplicate_check_finds_duplicates() -> None:
    assert duplicates('a{b="c"} 1\na{b="c"} 2\n') == ['a{b="c"}']
    assert duplicates("# TYPE a counter\n# TYPE a counter\n") == ["# TYPE a counter"]


@pytest.mark.parametrize("openmetrics", [False, True])
def test_no_series_stands_twice(hands: Hands, openmetrics: bool) -> None:
    assert duplicates(written(busy(hands), openmetrics=openmetrics)) == []


@needs_processes
@pytest.mark.needs("promtool")
def test_promtool_finds_no_fault(hands: Hands) -> None:
    text = written(busy(hands), openmetrics=False)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_openmetrics_parser_reads_what_was_measured(hands: Hands) -> None:
    found = {each.name: each for each in parse_openmetrics(written(busy(hands), openmetrics=True))}
    requests = found["http_request_duration_seconds"]
    assert requests.type == "histogram"
    counts = {
        (sample.labels["route"], sample.labels.get("le")): sample.value
        for sample in requests.samples
        if sample.name.endswith("_bucket")
    }
    assert counts["/users/{id}", "2.0"] == 201
    assert counts["/users/{id}", "+Inf"] == 300
    assert counts['/strange/"\\\n/100%s', "2.0"] == 300
    assert counts['/strange/"\\\n/100%s', "1.0"] == 0
    assert found["business_features"].samples[0].value == 1
    assert found["health_check_up"].samples[0].labels == {"component": "database"}


def test_the_text_parser_reads_the_same(hands: Hands) -> None:
    measured = busy(hands)
    text = samples(parse_text(written(measured, openmetrics=False)))
    assert text == samples(parse_openmetrics(written(measured, openmetrics=True)))
    assert len(text) > 50


def samples(found: Iterable[Metric]) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
    return {
        (sample.name, frozenset(sample.labels.items()), sample.value)
        for each in found
        for sample in each.samples
    }


@given(st.text(max_size=50))
def test_any_label_survives(label: str) -> None:
    hands = Hands()
    measured = Metrics(clock=hands.clock)
    measured.business.feature(label)
    (family,) = parse_openmetrics(written_only(measured))
    assert family.samples[0].labels == {"feature": label}


def written_only(measured: Metrics) -> str:
    return exposition.write(measured.total(), measured.families, openmetrics=True)


def test_families_that_are_not_known_are_left_out(hands: Hands) -> None:
    measured = busy(hands)
    text = exposition.write(measured.total(), {instruments.FEATURES.name: instruments.FEATURES})
    assert text.splitlines()[1:] == [
        "# TYPE business_features_total counter",
        'business_features_total{feature="voice"} 1',
    ]


def test_nothing_measured_is_still_valid(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    assert exposition.write(measured.total(), measured.families) == ""
    assert list(parse_openmetrics(written_only(measured))) == []


@pytest.mark.parametrize("median", [0.02, 0.2, 1.5])
def test_prometheus_finds_the_p95_within_five_percent(hands: Hands, median: float) -> None:
    chance, measured = random.Random(7), Metrics(clock=hands.clock)
    times = sorted(chance.lognormvariate(log(median), 0.6) for _ in range(5000))
    for seconds in times:
        measured.requests.observe("/", "GET", 200, seconds)
    (sketch,) = measured.total().sketches[instruments.REQUESTS.name].values()
    limits = instruments.SECONDS
    counts, rank = sketch.at_most(limits), 0.95 * len(times)
    place = next(n for n, count in enumerate(counts) if count >= rank)
    low, below = limits[place - 1], counts[place - 1]
    found = low + (limits[place] - low) * (rank - below) / (counts[place] - below)
    assert found == pytest.approx(times[int(rank)], rel=0.05)
