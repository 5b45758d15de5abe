"""Write a frame as Prometheus reads it: text format 0.0.4 or OpenMetrics 1.0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from xswarm_monitoring.instruments import Family, Kind
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


_LABELS = "\0"


Values = Sequence[tuple[Mapping[str, str], float]]
"""Labels and value, for each set of labels."""


@dataclass(frozen=True)
class Gauge:
    """A value that goes up and down, with its labels, as it is now.

    Args:
        name: as in Prometheus, with its unit.
        words: what it means, one sentence without the final stop.
        values: labels and value, for each set of labels.
    """

    name: str
    words: str
    values: Values


def write(
    measured: Window,
    families: Mapping[str, Family],
    gauges: Iterable[Gauge] = (),
    *,
    openmetrics: bool = False,
) -> str:
    """Return the exposition of a frame.

    Args:
        measured: counts since some fixed moment, so that they only grow.
        families: what the frame may hold; what is not among them is left out.
        gauges: what is not counted but read.
        openmetrics: whether to write OpenMetrics 1.0 instead of the text format 0.0.4.
    """
    lines: list[str] = []
    for gauge in gauges:
        lines += _head(gauge.name, "gauge", gauge.words, openmetrics=openmetrics)
        lines += [f"{gauge.name}{_braces(of.items())} {value!r}" for of, value in gauge.values]
    for name, counts in measured.counts.items():
        if name in families:
            lines += _counter(families[name], counts, openmetrics=openmetrics)
    for name, sketches in measured.sketches.items():
        if name in families:
            lines += _histogram(families[name], sketches, openmetrics=openmetrics)
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n" if lines else ""


def _head(name: str, kind: str, words: str, *, openmetrics: bool) -> list[str]:
    words = words.translate(_ESCAPES if openmetrics else _HELP_ESCAPES)
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]


def _counter(family: Family, counts: Mapping[Labels, float], *, openmetrics: bool) -> Iterator[str]:
    sample = f"{family.name}_total"
    named = family.name if openmetrics else sample
    yield from _head(named, Kind.COUNTER.value, family.words, openmetrics=openmetrics)
    for labels, count in counts.items():
        yield f"{sample}{_braces(zip(family.labels, labels, strict=True))} {count!r}"


def _histogram(
    family: Family, sketches: Mapping[Labels, Sketch], *, openmetrics: bool
) -> Iterator[str]:
    yield from _head(family.name, "histogram", family.words, openmetrics=openmetrics)
    template = _template(family.name, family.boundaries)
    for labels, sketch in sketches.items():
        pairs = _pairs(zip(family.labels, labels, strict=True))
        counts = sketch.at_most(family.boundaries)
        # One replacement and one formatting for all boundaries: a tenth of a line by line.
        own = f"{pairs},".replace("%", "%%") if pairs else ""
        yield template.replace(_LABELS, own) % (*counts, sketch.count)
        braces = f"{{{pairs}}}" if pairs else ""
        yield f"{family.name}_sum{braces} {sketch.total!r}"
        yield f"{family.name}_count{braces} {sketch.count}"


@lru_cache(maxsize=64)
def _template(name: str, boundaries: tuple[float, ...]) -> str:
    """Return the lines of a series' buckets, with a place for its labels and for each count."""
    limits = [*map(repr, boundaries), "+Inf"]
    return "\n".join(f'{name}_bucket{{{_LABELS}le="{limit}"}} %s' for limit in limits)


def _braces(pairs: Iterable[tuple[str, str]]) -> str:
    text = _pairs(pairs)
    return f"{{{text}}}" if text else ""


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs])
