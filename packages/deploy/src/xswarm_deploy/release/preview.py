"""Show what would change, before anything does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from xswarm_deploy.cli.console import Console
from xswarm_deploy.model.record import Record, noted
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import ledger
from xswarm_deploy.release.release import step_named
from xswarm_deploy.site import Site

_EARLIER: Final = 5  # releases whose times an estimate is made of
_WITHOUT_EFFECT: Final = ("backup", "worker")
"""Steps that a release always takes: alone, they make nothing new."""


@dataclass(frozen=True)
class Plan:
    """A whole release before it starts.

    Args:
        changes: what would be changed, in order.
        same: steps that would find all as it is wanted.
        seconds: how long each step took in recent releases, with the canary's soaks of this
            one; those alone under ``soaks``, the whole under ``release``.
    """

    changes: tuple[Change, ...]
    same: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

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
        }


def of_release(site: Site, steps: Sequence[str]) -> Plan:
    """Plan a whole release; reads only.

    Args:
        site: the environment.
        steps: their names, in order.
    """
    made = {name: tuple(step_named(name).plan(site)) for name in steps}
    changes = tuple(change for changes in made.values() for change in changes)
    same = tuple(name for name, changes in made.items() if not changes)
    return Plan(changes, same, with_soaks(estimate(site.history(), "deploy"), soaks(changes)))


def soaks(changes: Sequence[Change]) -> float:
    """Return the seconds for which canaries are watched, in all."""
    planned = (c.after.get("soak") for c in changes if isinstance(c.after, Mapping))
    return sum(float(seconds) for seconds in planned if seconds)


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


def planned(site: Site, steps: Iterable[str]) -> list[Change]:
    """Return what the steps would change; reads only.

    Args:
        site: the environment.
        steps: their names, in order.
    """
    return [change for name in steps for change in step_named(name).plan(site)]


def nothing_new(site: Site, plan: Plan) -> bool:
    """Return whether a release would bring only a second version of what is live.

    So it is where nothing but a backup and the Worker would be made, and code, variables and
    secrets are those of the version that has all of the traffic.
    """
    from xswarm_deploy.release import history
    from xswarm_deploy.steps import traffic, worker

    others = [
        c
        for c in plan.changes
        if c.step not in _WITHOUT_EFFECT or c.action in ("bucket", "schedule")
    ]
    live = traffic.live_split(site)
    if others or len(live) != 1 or not history.live_record(site, site.history()):
        return False
    known = noted(site.history(), next(iter(live)))
    digest = site.bundling.result().digest
    return (known.get("digest"), known.get("variables")) == (digest, worker.variables_digest(site))


def estimate(records: Sequence[Record], kind: str) -> dict[str, float]:
    """Return the middle of what each step, and the whole, took in earlier releases.

    The soaks of that release are left out: the settings of today say how long these take.

    Args:
        records: of the environment, newest first.
        kind: of the release that is to come.
    """
    succeeded = (r for r in records if r.kind == kind and r.status == ledger.SUCCEEDED)
    earlier = list(islice(succeeded, _EARLIER))
    if not earlier:
        return {}
    wholes = [ledger.seconds_between(r.created, r.finished) - _soaked(r) for r in earlier]
    steps = dict.fromkeys(name for r in earlier for name in r.facts.get("seconds", {}))
    times = {
        name: [
            r.facts["seconds"][name] - (_soaked(r) if name == "worker" else 0.0)
            for r in earlier
            if name in r.facts.get("seconds", {})
        ]
        for name in steps
    }
    from statistics import median  # it brings decimal and fractions along

    middles = {name: round(median(found), 2) for name, found in times.items()}
    return {**middles, "release": round(median(wholes), 2)}


def _soaked(record: Record) -> float:
    return float(record.facts.get("soaked", 0.0))


def show(changes: Sequence[Change]) -> None:
    """Print changes, and what of them cannot be undone."""
    show_plan(Plan(tuple(changes)))


def show_plan(plan: Plan) -> None:
    """Print a plan: what changes, what is so already, what cannot be undone, how long it takes."""
    from xswarm_deploy.steps import migrate
    from xswarm_deploy.verification import compatibility

    console = Console()
    if not plan.changes:
        console.line("nothing to do")
    else:
        rows = [(change.step, change.action, _told(change)) for change in plan.changes]
        console.table(("step", "action", "resource"), rows)
    if plan.same:
        console.line(f"unchanged: {', '.join(plan.same)}", "dim")
    if any(change.step == migrate.NAME and change.action == "apply" for change in plan.changes):
        console.line(compatibility.PLANNED, "dim")
    for change in plan.irreversible:
        console.warn(f"{change.resource} cannot be undone: {change.irreversible}")
    for line in _times(plan):
        console.line(line, "dim")


def _times(plan: Plan) -> list[str]:
    """Return how long it takes: what is known from recent releases, and what the soaks add."""
    soaked, whole = plan.seconds.get("soaks", 0.0), plan.seconds.get("release")
    if whole is None:
        return [f"its soaks alone take {soaked:.0f} s"] if soaked else []
    part = f", {soaked:.0f} s of it soaks" if soaked else ""
    return [f"takes about {whole:.0f} s{part} (based on recent releases)"]


def _told(change: Change) -> str:
    """Name the resource, and of traffic where it goes."""
    after = change.after if isinstance(change.after, Mapping) else {}
    split = after.get("split")
    if not split:
        return change.resource
    from xswarm_deploy.steps import traffic

    shares = ", ".join(f"{v if v == traffic.NEW else v[:8]} {p:g} %" for v, p in split.items())
    return f"{change.resource}: {shares}{_watched(after.get('soak'))}"


def _watched(soak: float | None) -> str:
    if soak is None:
        return ""
    return f", watched for {soak:g} s" if soak else ", judged without a soak"
