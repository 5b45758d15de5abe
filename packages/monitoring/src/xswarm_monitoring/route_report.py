"""Return people, as JSON, what a stretch of time was like for one route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xswarm_monitoring import instruments, report
from xswarm_monitoring.clock import iso
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window, merge

_LISTED = 20  # versions, the busiest first


@dataclass(frozen=True)
class Named:
    """Name a route as the measures do.

    Args:
        route: its template.
        method: its HTTP method.
    """

    route: str
    method: str

    def cut(self, frame: Window) -> Window:
        """Return a frame with nothing but this route's requests; it spans as much time."""
        series = frame.sketches.get(instruments.REQUESTS.name, {})
        own = {labels: each for labels, each in series.items() if labels[:2] == self.labels}
        sketches = {instruments.REQUESTS.name: own}
        return Window(frame.start, frame.end, sketches, version=frame.version)

    @property
    def labels(self) -> Labels:
        """Return its labels."""
        return self.route, self.method


def route_report(
    frames: Sequence[Window], named: Named, window: float, now: float, points: int
) -> dict[str, Any]:
    """Return the report of one route.

    Args:
        frames: what was measured in the window, by anybody.
        named: the route.
        window: seconds it really spans.
        now: its end, seconds since 1970.
        points: of its charts.
    """
    cut = [named.cut(frame) for frame in frames]
    measured = report.requests(merge(cut, now - window, now), window)
    kept = ("methods", "routes")
    return {
        "timestamp": iso(now),
        "from": iso(now - window),
        "to": iso(now),
        "window_seconds": round(window, 3),
        "route": named.route,
        "method": named.method,
        "requests": {name: each for name, each in measured.items() if name not in kept},
        "versions": _versions(cut),
        "timeline": report.timeline(cut, now - window, now, points) if points else [],
    }


def _versions(frames: Sequence[Window]) -> list[dict[str, Any]]:
    """Return the traffic of each version that answered, the busiest first."""
    series: dict[str, dict[Labels, Sketch]] = {}
    for frame in frames:
        for labels, sketch in _series(frame).items():
            known = series.setdefault(frame.version, {})
            known.setdefault(labels, Sketch()).merge(sketch)
    found = [{"version": name, **report.traffic(each)} for name, each in series.items()]
    return sorted(found, key=lambda each: (-each["total"], each["version"]))[:_LISTED]


def _series(frame: Window) -> Mapping[Labels, Sketch]:
    return frame.sketches.get(instruments.REQUESTS.name, {})
