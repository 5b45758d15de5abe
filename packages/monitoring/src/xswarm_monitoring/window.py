"""What was measured in one stretch of time: the unit that is kept, flushed and merged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from xswarm_monitoring.sketch import Sketch

Labels = tuple[str, ...]

_FORMAT = 1
_SLOW_QUERIES_KEPT = 100


@dataclass(frozen=True)
class SlowQuery:
    """One query that took too long.

    Args:
        sql: the statement with its values masked.
        seconds: how long it took.
        rows: how many rows it gave or changed.
        time: when it ended, seconds since 1970.
        request_id: the request it belonged to; empty outside of one.
    """

    sql: str
    seconds: float
    rows: int
    time: float
    request_id: str = ""


@dataclass
class Window:
    """Hold the counts and sketches of one stretch of time; frames merge by addition.

    Args:
        start: when it began, seconds since 1970.
        end: when it ended, likewise.
        sketches: for each family of distributions, a sketch for each set of labels.
        counts: for each family of counters, a number for each set of labels.
        slow: the latest slow queries, the oldest first.
        version: what ran then, where a row says so; it is not part of the text.
        summary: what stands in its text for those who need no more; none where it was merged.
        seen: of a total, when each label set was counted last, by families; seconds since 1970.
    """

    start: float
    end: float
    sketches: dict[str, dict[Labels, Sketch]] = field(default_factory=dict)
    counts: dict[str, dict[Labels, float]] = field(default_factory=dict)
    slow: list[SlowQuery] = field(default_factory=list)
    version: str = ""
    seen: dict[str, dict[Labels, float]] = field(default_factory=dict)
    summary: Window | None = None

    def __bool__(self) -> bool:
        return any(self.sketches.values()) or any(self.counts.values()) or bool(self.slow)

    def merge(self, other: Window) -> None:
        """Add another frame's measurements to this one; it then spans both."""
        self.start, self.end = min(self.start, other.start), max(self.end, other.end)
        for name, sketches in other.sketches.items():
            mine = self.sketches.setdefault(name, {})
            for labels, sketch in sketches.items():
                if labels in mine:
                    mine[labels].merge(sketch)
                else:
                    mine[labels] = sketch.copy()
        for name, counts in other.counts.items():
            totals = self.counts.setdefault(name, {})
            for labels, count in counts.items():
                totals[labels] = totals.get(labels, 0) + count
        if other.slow:
            slow = sorted([*self.slow, *other.slow], key=lambda query: query.time)
            self.slow = slow[-_SLOW_QUERIES_KEPT:]

    def less(self, earlier: Window) -> Window:
        """Return what was measured since an earlier state of this total.

        A label set that has less than it had was retired meanwhile, and began at zero again.
        """
        made = Window(earlier.end, self.end)
        for name, sketches in self.sketches.items():
            known = earlier.sketches.get(name, {})
            left = {
                labels: _grown(sketch, known.get(labels, Sketch()))
                for labels, sketch in sketches.items()
            }
            made.sketches[name] = {
                labels: sketch for labels, sketch in left.items() if sketch.count
            }
        for name, counts in self.counts.items():
            before = earlier.counts.get(name, {})
            grown = {
                labels: _more(count, before.get(labels, 0)) for labels, count in counts.items()
            }
            made.counts[name] = {labels: count for labels, count in grown.items() if count > 0}
        return made

    def dump(self, summary: Window | None = None) -> str:
        """Return the frame as JSON text.

        Args:
            summary: stands in it for those who need no more, and with it the sketches' counts, so
                that a reader leaves the buckets alone of those at which nobody looks.
        """
        body = self._as_json()
        if summary is not None:
            body["summary"] = summary._as_json()
            body["counted"] = {
                name: [sketch.count for sketch in sketches.values()]
                for name, sketches in self.sketches.items()
            }
        if self.seen:
            body["seen"] = {
                name: [round(times.get(labels, 0)) for labels in self._series(name)]
                for name, times in self.seen.items()
            }
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)

    def _series(self, name: str) -> Iterable[Labels]:
        return self.sketches.get(name) or self.counts.get(name) or ()

    def _as_json(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "start": self.start,
            "end": self.end,
            "sketches": {
                name: [[labels, sketch.as_json()] for labels, sketch in sketches.items()]
                for name, sketches in self.sketches.items()
            },
            "counts": {name: list(counts.items()) for name, counts in self.counts.items()},
            "slow": [[q.sql, q.seconds, q.rows, q.time, q.request_id] for q in self.slow],
        }


def load(text: str) -> Window:
    """Read what :meth:`Window.dump` gave.

    Raises:
        ValueError: it is nothing that ``dump`` gives, or of another format.
    """
    body = _parsed(text)
    try:
        if body["format"] != _FORMAT:
            raise ValueError(f"a frame of format {body['format']!r}, not {_FORMAT}")
        return _from_json(body)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a frame: {text[:80]}") from error


# A sketch is a list of numbers after one of labels.
_SKETCH = re.compile(r"\],(\[[-+.,\de]++\])\]")


def _quoted(text: str) -> str:
    parts = _SKETCH.split(text)  # as fast again as a substitution
    parts[1::2] = [f'],"{sketch}"]' for sketch in parts[1::2]]
    return "".join(parts)


def _parsed(text: str) -> dict[str, Any]:
    """Return the body; sketches whose counts stand beside them as text, in a third of the time."""
    body: dict[str, Any]
    try:
        body = json.loads(_quoted(text) if '"counted":' in text else text)
    except ValueError:  # a label looks like a sketch, which makes that no JSON
        body = json.loads(text)
    return body


def _sketches(listed: list[Any], counts: list[int] | None) -> dict[Labels, Sketch]:
    if listed and isinstance(listed[0][1], str):
        if counts is None or len(counts) != len(listed):
            return {tuple(labels): Sketch.from_json(json.loads(data)) for labels, data in listed}
        return {
            tuple(labels): Sketch.from_text(data, count)
            for (labels, data), count in zip(listed, counts, strict=True)
        }
    return {tuple(labels): Sketch.from_json(data) for labels, data in listed}


def _more(count: float, earlier: float) -> float:
    return count - earlier if earlier <= count else count


def _grown(sketch: Sketch, earlier: Sketch) -> Sketch:
    return sketch.less(earlier if earlier.count <= sketch.count else Sketch())


def _from_json(body: dict[str, Any]) -> Window:
    summary, counted = body.get("summary"), body.get("counted", {})
    made = Window(
        start=float(body["start"]),
        end=float(body["end"]),
        sketches={
            name: _sketches(listed, counted.get(name)) for name, listed in body["sketches"].items()
        },
        counts={
            name: {tuple(labels): count for labels, count in counts}
            for name, counts in body["counts"].items()
        },
        slow=[SlowQuery(*query[:5]) for query in body["slow"]],  # a later version may keep more
        summary=_from_json(summary) if summary else None,
    )
    for name, times in body.get("seen", {}).items():
        known = zip(made._series(name), times, strict=False)
        made.seen[name] = {labels: float(seen) for labels, seen in known if seen}
    return made


def merge(frames: Iterable[Window], start: float, end: float) -> Window:
    """Merge frames into a new one that spans at least from ``start`` to ``end``."""
    merged = Window(start, end)
    for frame in frames:
        merged.merge(frame)
    return merged
