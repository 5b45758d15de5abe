"""Show what would change, before anything does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from typing import Any, Final

from xswarm_deploy.console import Console
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import steps
from xswarm_deploy.site import Site

_EARLIER: Final = 5  # releases whose times an estimate is made of


@dataclass(frozen=True)
class Plan:
    """A whole release before it starts.

    Args:
        changes: what would be changed, in order.
        same: steps that would find all as it is wanted.
        seconds: how long each step took in recent releases, with the canary's soaks of this
            one; those alone under ``soaks``, the whole under ``release``.
        calls: how many calls went to each service in recent releases.
    """

    changes: tuple[Change, ...]
    same: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)

    @property
    def irreversible(self) -> list[Change]:
        """Return what cannot be undone, each with its reason."""
        return [change for change in self.changes if change.irreversible]

    def as_json(self) -> dict[str, Any]:
        """Return the plan for ``--json``."""
        return {
            "changes": [change.as_json() for change in self.changes],
            "already_so": list(self.same),
            "irreversible": [
                {"resource": change.resource, "why": change.irreversible}
                for change in self.irreversible
            ],
            "estimated_seconds": dict(self.seconds),
            "estimated_calls": dict(self.calls),
        }


def of_release(site: Site, phases: Sequence[str]) -> Plan:
    """Plan a whole release; reads only.

    Args:
        site: the environment.
        phases: its steps by their names, in order.
    """
    site = site.holding(replace(site.state, history=cache(site.history)))
    made = dict(zip(phases, _side_by_side(site, phases), strict=True))
    changes = tuple(change for changes in made.values() for change in changes)
    same = tuple(name for name, changes in made.items() if not changes)
    earlier = site.history()
    seconds = with_soaks(estimate(earlier, "deploy"), soaks(changes))
    return Plan(changes, same, seconds, estimate_calls(earlier, "deploy"))


def _side_by_side(site: Site, phases: Sequence[str]) -> list[tuple[Change, ...]]:
    """Plan several steps at the same time, each as if it were alone."""
    import xswarm_deploy.services.http  # noqa: F401 - two threads importing requests get half of it

    plans = [steps.step_named(name).plan for name in phases]
    with ThreadPoolExecutor(max(1, len(phases)), thread_name_prefix="plan") as pool:
        return [tuple(changes) for changes in pool.map(lambda plan: plan(site), plans)]


def soaks(changes: Sequence[Change]) -> float:
    """Return the seconds for which canaries are watched, in all."""
    return sum(change.waits for change in changes)


def with_soaks(seconds: Mapping[str, float], soaked: float) -> dict[str, float]:
    """Add the soaks of a plan to what its steps take; without earlier releases they are all.

    Args:
        seconds: by step, without soaks, as :func:`estimate` gives them.
        soaked: the plan's, seconds.
    """
    if not soaked:
        return dict(seconds)
    longer = {name: seconds[name] + soaked for name in ("worker", "release") if name in seconds}
    return {**seconds, **longer, "soaks": soaked}


def planned(site: Site, phases: Iterable[str]) -> list[Change]:
    """Return what the steps would change; reads only.

    Args:
        site: the environment.
        phases: their names, in order.
    """
    return [change for name in phases for change in steps.step_named(name).plan(site)]


def nothing_new(site: Site, plan: Plan) -> bool:
    """Return whether a release would bring only a second version of what is live.

    So it is where nothing but a backup and the Worker would be made, and code, variables and
    secrets are those of the version that has all of the traffic.
    """
    from xswarm_deploy.release import history  # heavy, and most plans are not asked for that
    from xswarm_deploy.steps import worker

    routine = all(steps.action_named(change).routine for change in plan.changes)
    return routine and bool(history.live_record(site, site.history())) and worker.is_live(site)


def estimate(listed: Sequence[Record], kind: str) -> dict[str, float]:
    """Return the middle of what each step, and the whole, took in earlier releases.

    The soaks of that release are left out: the settings of today say how long these take.

    Args:
        listed: of the environment, newest first.
        kind: of the release that is to come.
    """
    earlier = _earlier(listed, kind)
    if not earlier:
        return {}
    from xswarm_deploy.release import records

    wholes = [records.seconds_between(r.created, r.finished) - _soaked(r) for r in earlier]
    names = dict.fromkeys(name for r in earlier for name in r.facts.get("seconds", {}))
    times = {
        name: [
            r.facts["seconds"][name] - (_soaked(r) if name == "worker" else 0.0)
            for r in earlier
            if name in r.facts.get("seconds", {})
        ]
        for name in names
    }
    from statistics import median  # it brings decimal and fractions along

    middles = {name: round(median(found), 2) for name, found in times.items()}
    return {**middles, "release": round(median(wholes), 2)}


def _soaked(record: Record) -> float:
    return float(record.facts.get("soaked", 0.0))


def estimate_calls(listed: Sequence[Record], kind: str) -> dict[str, int]:
    """Return how many calls a release makes to each service: the most of earlier releases.

    Args:
        listed: of the environment, newest first.
        kind: of the release that is to come.
    """
    counted: Counter[str] = Counter()
    for record in _earlier(listed, kind):
        counted |= _by_service(record.facts.get("calls", {}))
    return dict(counted)


def _by_service(calls: Mapping[str, int]) -> Counter[str]:
    """Return the calls to each service: two clients may call one by other letters."""
    made: Counter[str] = Counter()
    for service, count in calls.items():
        made[f"{service[:1].upper()}{service[1:]}"] += count
    return made


def _earlier(listed: Sequence[Record], kind: str) -> list[Record]:
    from xswarm_deploy.release import records  # nor are the earlier releases asked for by a step

    succeeded = (r for r in listed if r.kind == kind and r.status == records.SUCCEEDED)
    return list(islice(succeeded, _EARLIER))


def show(console: Console, changes: Sequence[Change]) -> None:
    """Print changes, and what of them cannot be undone."""
    show_plan(console, Plan(tuple(changes)))


def show_plan(console: Console, plan: Plan) -> None:
    """Print a plan: what changes, what is so already, what cannot be undone, how long it takes."""
    if not plan.changes:
        console.line("nothing to do")
    else:
        rows = [(change.step, change.action, _told(change)) for change in plan.changes]
        console.table(("step", "action", "resource"), rows)
    if plan.same:
        console.line(f"unchanged: {', '.join(plan.same)}", "dim")
    for change in plan.irreversible:
        console.warn(f"{change.resource} cannot be undone: {change.irreversible}")
    for line in _times(plan):
        console.line(line, "dim")
    if plan.calls:
        told = ", ".join(f"{service} {count}" for service, count in sorted(plan.calls.items()))
        console.line(f"makes up to {sum(plan.calls.values())} calls: {told}", "dim")


def _times(plan: Plan) -> list[str]:
    """Return how long it takes: what is known from recent releases, and what the soaks add."""
    soaked, whole = plan.seconds.get("soaks", 0.0), plan.seconds.get("release")
    if whole is None:
        return [f"its soaks alone take {soaked:.0f} s"] if soaked else []
    part = f", {soaked:.0f} s of it soaks" if soaked else ""
    return [f"takes about {whole:.0f} s{part} (based on recent releases)"]


def _told(change: Change) -> str:
    """Name the resource, and what its step says beside it."""
    return f"{change.resource}: {change.details}" if change.details else change.resource
