from __future__ import annotations

import json
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xswarm_monitoring import sketch as sketches
from xswarm_monitoring.sketch import Sketch

values = st.floats(min_value=0, max_value=1e15, allow_nan=False)
measured = st.lists(values, max_size=300)


def sketch_of(observed: list[float]) -> Sketch:
    made = Sketch()
    for value in observed:
        made.observe(value)
    return made


def truth(observed: list[float], q: float) -> float:
    return sorted(observed)[math.floor(q * (len(observed) - 1))]


@given(st.lists(values, min_size=1, max_size=400), st.floats(min_value=0, max_value=1))
def test_any_quantile_is_within_the_stated_error(observed: list[float], q: float) -> None:
    exact = truth(observed, q)
    error = abs(sketch_of(observed).quantile(q) - exact)
    assert error <= max(exact * (sketches.RELATIVE_ERROR + 1e-12), sketches.SMALLEST)


def lognormal(random: random.Random) -> float:
    return random.lognormvariate(-4, 1)


def bimodal(random: random.Random) -> float:
    return random.gauss(0.02, 0.002) if random.random() < 0.9 else random.gauss(1.5, 0.1)


def heavy_tailed(random: random.Random) -> float:
    return 0.001 * random.paretovariate(1.1)


@pytest.mark.parametrize("shape", [lognormal, bimodal, heavy_tailed])
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_quantiles_of_latencies_are_within_one_percent(
    shape: Callable[[random.Random], float], q: float
) -> None:
    chance = random.Random(7)
    observed = [abs(shape(chance)) for _ in range(20_000)]
    assert sketch_of(observed).quantile(q) == pytest.approx(truth(observed, q), rel=0.01)


@given(measured)
def test_count_sum_and_extremes_are_exact(observed: list[float]) -> None:
    made = sketch_of(observed)
    assert made.count == len(observed)
    assert made.total == pytest.approx(sum(observed), rel=1e-12)
    assert made.minimum == min(observed, default=0.0)
    assert made.maximum == max(observed, default=0.0)


@given(measured, measured)
def test_a_merge_equals_one_sketch_of_both(some: list[float], others: list[float]) -> None:
    merged = sketch_of(some)
    merged.merge(sketch_of(others))
    both = sketch_of(some + others)
    assert merged.buckets() == both.buckets()
    assert (merged.count, merged.zeros) == (both.count, both.zeros)
    assert (merged.minimum, merged.maximum) == (both.minimum, both.maximum)
    assert merged.total == pytest.approx(both.total, rel=1e-12)


@given(measured)
def test_json_gives_the_same_sketch_back(observed: list[float]) -> None:
    made = sketch_of(observed)
    again = Sketch.from_json(json.loads(json.dumps(made.as_json())))
    assert again.as_json() == made.as_json()
    assert again.quantiles((0, 0.5, 1)) == made.quantiles((0, 0.5, 1))
    again.merge(made)
    assert again.count == 2 * len(observed)


@given(
    st.lists(st.floats(min_value=1e-9, max_value=1e6), max_size=200),
    st.lists(st.integers(min_value=-20, max_value=18), min_size=1, max_size=8, unique=True),
)
def test_counts_up_to_powers_of_two_are_exact(observed: list[float], powers: list[int]) -> None:
    boundaries = tuple(2.0**power for power in sorted(powers))
    expected = [sum(value <= boundary for value in observed) for boundary in boundaries]
    assert sketch_of(observed).at_most(boundaries) == expected


def test_two_seconds_and_just_above_fall_on_their_sides() -> None:
    made = sketch_of([2.0, math.nextafter(2.0, 3.0), math.nextafter(2.0, 1.0)])
    assert made.at_most((1.0, 2.0, 4.0)) == [0, 2, 3]


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_counted(strange: float) -> None:
    made = sketch_of([1.0, strange, 3.0])
    assert (made.count, made.total, made.maximum) == (2, 4.0, 3.0)


def test_a_negative_value_counts_as_zero() -> None:
    made = sketch_of([-5.0, 1.0])
    assert (made.count, made.zeros, made.minimum, made.total) == (2, 1, 0.0, 1.0)


@pytest.mark.parametrize(
    ("later", "least", "most"),
    [([3.0, 5.0], 3.0, 5.0), ([0.0, 5.0], 0.0, 5.0), ([0.0], 0.0, 0.0)],
)
def test_what_came_since_has_the_extremes_of_its_buckets(
    later: list[float], least: float, most: float
) -> None:
    earlier = sketch_of([1.0, 9.0])
    since = sketch_of([1.0, 9.0, *later]).less(earlier)
    assert since.count == len(later)
    assert since.minimum == pytest.approx(least, rel=0.02)
    assert since.maximum == pytest.approx(most, rel=0.02)


def test_an_empty_sketch_gives_zeros() -> None:
    empty = Sketch()
    assert empty.quantiles((0, 0.5, 1)) == [0.0, 0.0, 0.0]
    assert (empty.count, empty.mean, empty.minimum, empty.maximum) == (0, 0.0, 0.0, 0.0)
    assert empty.at_most((1.0,)) == [0]


def test_memory_is_bounded_whatever_is_observed() -> None:
    made = sketch_of([2.0**power for power in range(-300, 300)] * 3)
    assert len(made.buckets()) <= 101 * sketches.PER_OCTAVE
    assert made.maximum == 2.0**299


@pytest.mark.parametrize("q", [-0.01, 1.01, float("nan")])
def test_a_quantile_outside_of_zero_to_one_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sketch().quantile(q)


@pytest.mark.parametrize(
    "data", [[], [0, 0, 0], [0, 0, 0, 0, 1], ["x", 0, 0, 0], [0, 1, 1, 1, 5, None]]
)
def test_what_is_no_sketch_is_refused(data: list[object]) -> None:
    with pytest.raises(ValueError, match="not a sketch"):
        Sketch.from_json(data)


@pytest.mark.parametrize("text", ["", "[]", "[1,2]", "[x,0,0,0]", "[0,1,1]"])
def test_what_is_no_sketch_s_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a sketch"):
        Sketch.from_text(text, 1)
