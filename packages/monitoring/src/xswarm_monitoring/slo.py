"""Service level objectives: how much may fail, how much of that is spent, and how fast.

An objective is a part of requests that must be good. What may be bad is its error budget. Alerts
follow the burn rate over two windows at once, as the Site Reliability Workbook has it (chapter 5,
"Multiwindow, Multi-Burn-Rate Alerts"): the long one shows that it matters, the short one that it
still goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xswarm_monitoring import instruments
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.lengths import seconds
from xswarm_monitoring.report import is_error
from xswarm_monitoring.window import Window, merge

AVAILABILITY, LATENCY = "availability", "latency"
REFUSE, ALLOW = "refuse", "allow"
LEAST_BAD = 5
"""Fewer bad requests in the long window wake nobody: at little traffic one is a high rate."""

Read = Callable[[float], Awaitable[Window]]
"""Returns what all isolates measured in the last so many seconds."""


@dataclass(frozen=True)
class Burn:
    """Alert where the budget burns so many times as fast as it may, over both windows.

    Args:
        rate: 1 spends the budget exactly in the objective's window.
        long: seconds.
        short: seconds; a twelfth of the long one.
        severity: how much it matters.
    """

    rate: float
    long: float
    short: float
    severity: Severity


BURNS = (
    Burn(14.4, 3600.0, 300.0, Severity.CRITICAL),
    Burn(6.0, 6 * 3600.0, 1800.0, Severity.ERROR),
    Burn(1.0, 3 * 86400.0, 6 * 3600.0, Severity.WARNING),
)


@dataclass(frozen=True)
class Objective:
    """Hold which part of requests must be good.

    Args:
        name: ``availability`` or ``latency``.
        target: the part, below 1, e.g. 0.999.
        threshold: seconds within which a good request is answered; 0: it must not fail.
    """

    name: str
    target: float
    threshold: float = 0.0

    @property
    def allowed(self) -> float:
        """The part of requests that may be bad."""
        return 1 - self.target

    @property
    def boundary(self) -> float:
        """The threshold as it is measured: the histogram's boundary at or below it."""
        return max((each for each in instruments.SECONDS if each <= self.threshold), default=0.0)

    def count(self, measured: Window) -> Count:
        """Count a window's requests. One that failed counts against availability alone."""
        series = measured.sketches.get(instruments.REQUESTS.name, {})
        total = bad = 0
        for (_, _, status), sketch in series.items():
            if self.name == AVAILABILITY:
                bad += sketch.count if is_error(status) else 0
            elif is_error(status):
                continue
            else:
                bad += sketch.count - sketch.at_most((self.boundary,))[0]
            total += sketch.count
        return Count(total, bad)


@dataclass(frozen=True)
class Count:
    """Hold how many requests there were, and how many of them were bad."""

    total: int
    bad: int

    def burn(self, objective: Objective) -> float:
        """Return how many times as fast as it may the budget burns; 0 without requests."""
        return self.bad / self.total / objective.allowed if self.total else 0.0


@dataclass(frozen=True)
class Budget:
    """Hold what is left of an objective's error budget.

    Args:
        objective: whose.
        window: seconds over which it is to be met.
        measured: seconds since the first measurement in it.
        count: the requests in it.
    """

    objective: Objective
    window: float
    measured: float
    count: Count

    @property
    def spent(self) -> float:
        """The part of the whole window's budget that is spent; above 1: the objective is missed.

        Where less was measured than the window, the rest of it is taken to have as many requests:
        ten errors in the first hour of a service do not spend a month's budget.
        """
        return self.count.burn(self.objective) * min(self.measured / self.window, 1.0)

    @property
    def left(self) -> float:
        """How many more requests may be bad in the window; nothing was measured: 0."""
        whole = self.count.total * max(self.window / self.measured, 1.0) if self.measured else 0.0
        return max(whole * self.objective.allowed * (1 - self.spent), 0.0)

    def as_json(self) -> dict[str, Any]:
        """Return the budget as JSON."""
        return {
            "objective": self.objective.name,
            "target": self.objective.target,
            "threshold_ms": round(self.objective.boundary * 1000, 1) or None,
            "window_seconds": round(self.window),
            "measured_seconds": round(self.measured),
            "requests": self.count.total,
            "bad": self.count.bad,
            "good_rate": 1 - self.count.bad / self.count.total if self.count.total else None,
            "spent": round(self.spent, 6),
            "left": round(1 - self.spent, 6),
        }


@dataclass(frozen=True)
class Slo:
    """Hold a service's objectives: the key ``monitor.slo`` of invoke.yaml.

    Args:
        objectives: those; none: there are no alerts, and no budget.
        window: seconds over which they are to be met.
        release: ``refuse``: no release while a budget is spent; or ``allow``.
        least: fewer requests in the long window make no rate.
    """

    objectives: tuple[Objective, ...] = ()
    window: float = 30 * 86400.0
    release: str = REFUSE
    least: int = 20

    @classmethod
    def read(cls, values: Any) -> Slo:
        """Make it of plain values.

        Raises:
            ValueError: an unknown key, or a value that does not fit; the message names it.
        """
        if not values:
            return cls()
        if not isinstance(values, Mapping):
            raise ValueError(f"monitor.slo must be a block of `key: value` lines, not {values!r}")  # noqa: TRY004 - a file's value
        known = {AVAILABILITY, LATENCY, "window", "release"}
        if unknown := sorted(set(map(str, values)) - known):
            raise ValueError(
                f"unknown monitor.slo.{unknown[0]}; it has: {', '.join(sorted(known))}"
            )
        release = values.get("release", REFUSE)
        if release not in (REFUSE, ALLOW):
            raise ValueError(f"monitor.slo.release must be refuse or allow, not {release!r}")
        try:
            window = seconds(str(values.get("window", "30d")))
        except ValueError as error:
            raise ValueError(f"monitor.slo.window: {error}") from None
        if not 86400.0 <= window <= 90 * 86400.0:
            raise ValueError("monitor.slo.window lies between 1d and 90d")
        return cls(tuple(_objectives(values)), window, release)

    def budgets(self, frames: Sequence[Window], now: float) -> list[Budget]:
        """Return each objective's budget.

        Args:
            frames: what was measured in the objectives' window.
            now: its end, seconds since 1970.
        """
        seconds = now - min((each.start for each in frames), default=now)
        whole = merge(frames, now - seconds, now)
        return [Budget(each, self.window, seconds, each.count(whole)) for each in self.objectives]

    async def alerts(self, read: Read) -> list[Alert]:
        """Return the alerts that are due: for each objective the gravest.

        Args:
            read: returns what was measured in the last so many seconds.
        """
        due: dict[str, Alert] = {}
        for burn in BURNS if self.objectives else ():
            short, long = await read(burn.short), await read(burn.long)
            for objective in self.objectives:
                found = self._due(objective, burn, objective.count(short), objective.count(long))
                if found:
                    due.setdefault(objective.name, found)
        return list(due.values())

    def _due(self, objective: Objective, burn: Burn, short: Count, long: Count) -> Alert | None:
        fast = min(short.burn(objective), long.burn(objective))
        if fast <= burn.rate or long.bad < LEAST_BAD or long.total < self.least:
            return None
        return Alert(
            "error-budget",
            burn.severity,
            f"The error budget of {objective.name} burns {fast:.1f} times as fast as it may",
            {"objective": objective.name},
            {
                "objective": f"{objective.target:.5g} good",
                "bad": f"{long.bad} of {long.total} requests in {burn.long / 3600:g} h",
            },
            "inv monitor.slo",
        )


def _objectives(values: Mapping[str, Any]) -> list[Objective]:
    found = []
    if AVAILABILITY in values:
        found.append(Objective(AVAILABILITY, _target(AVAILABILITY, values[AVAILABILITY])))
    if LATENCY in values:
        told = values[LATENCY]
        if not isinstance(told, Mapping) or set(told) != {"target", "threshold"}:
            raise ValueError("monitor.slo.latency has the keys target and threshold (seconds)")
        threshold = told["threshold"]
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise ValueError(f"monitor.slo.latency.threshold must be seconds, not {threshold!r}")
        objective = Objective(LATENCY, _target(LATENCY, told["target"]), float(threshold))
        if not objective.boundary or threshold > instruments.SECONDS[-1]:
            raise ValueError("monitor.slo.latency.threshold lies between 0.001 and 64 seconds")
        found.append(objective)
    return found


def _target(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.5 <= value < 1:
        raise ValueError(
            f"monitor.slo.{name}: the target is a part from 0.5 and below 1, not {value!r}"
        )
    return float(value)
