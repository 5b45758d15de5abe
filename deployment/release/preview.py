"""Show what would change, before anything does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from deployment.console import Console
from deployment.release import ledger
from deployment.release.release import step_named
from deployment.steps.record import Record, noted
from deployment.steps.site import Site
from deployment.steps.step import Change

_EARLIER: Final = 5  # releases whose times an estimate is made of
_WITHOUT_EFFECT: Final = ("backup", "worker")
"""Steps that a release always takes: alone, they make nothing new."""


@dataclass(frozen=True)
class Plan:
    """A whole release before it starts.

    Args:
        changes: what would be changed, in order.
        same: steps that would find all as it is wanted.
        seconds: how long each step took lately, and the whole under ``release``.
        calls: how many calls went to each service lately.
    """

    changes: tuple[Change, ...]
    same: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)

    @property
    def irreversible(self) -> list[Change]:
        """Give what cannot be undone, each with its reason."""
        return [change for change in self.changes if change.irreversible]

    def as_json(self) -> dict[str, Any]:
        """Give the plan for ``--json``."""
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


def of_release(site: Site, steps: Sequence[str]) -> Plan:
    """Plan a whole release; reads only.

    Args:
        site: the environment.
        steps: their names, in order.
    """
    made = {name: tuple(step_named(name).plan(site)) for name in steps}
    changes = tuple(change for changes in made.values() for change in changes)
    same = tuple(name for name, changes in made.items() if not changes)
    earlier = site.history()
    return Plan(changes, same, estimate(earlier, "deploy"), estimate_calls(earlier, "deploy"))


def planned(site: Site, steps: Iterable[str]) -> list[Change]:
    """Give what the steps would change; reads only.

    Args:
        site: the environment.
        steps: their names, in order.
    """
    return [change for name in steps for change in step_named(name).plan(site)]


def nothing_new(site: Site, plan: Plan) -> bool:
    """Tell whether a release would bring only a second version of what is live.

    So it is where nothing but a backup and the Worker would be made, and code, variables and
    secrets are those of the version that has all of the traffic.
    """
    from deployment.release import history
    from deployment.steps import traffic, worker

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
    """Give the middle of what each step, and the whole, took in earlier releases.

    Args:
        records: of the environment, newest first.
        kind: of the release that is to come.
    """
    earlier = _earlier(records, kind)
    if not earlier:
        return {}
    wholes = [ledger.seconds_between(r.created, r.finished) for r in earlier]
    steps = dict.fromkeys(name for r in earlier for name in r.facts.get("seconds", {}))
    times = {
        name: [r.facts["seconds"][name] for r in earlier if name in r.facts.get("seconds", {})]
        for name in steps
    }
    from statistics import median  # it brings decimal and fractions along

    middles = {name: round(median(found), 2) for name, found in times.items()}
    return {**middles, "release": round(median(wholes), 2)}


def estimate_calls(records: Sequence[Record], kind: str) -> dict[str, int]:
    """Return how many calls a release makes to each service: the most of earlier releases.

    Args:
        records: of the environment, newest first.
        kind: of the release that is to come.
    """
    counted: dict[str, int] = {}
    for record in _earlier(records, kind):
        for service, count in record.facts.get("calls", {}).items():
            counted[service] = max(count, counted.get(service, 0))
    return counted


def _earlier(records: Sequence[Record], kind: str) -> list[Record]:
    succeeded = (r for r in records if r.kind == kind and r.status == ledger.SUCCEEDED)
    return list(islice(succeeded, _EARLIER))


def show(changes: Sequence[Change]) -> None:
    """Print changes, and what of them cannot be undone."""
    show_plan(Plan(tuple(changes)))


def show_plan(plan: Plan) -> None:
    """Print a plan: what changes, what is so already, what cannot be undone, how long it takes."""
    console = Console()
    if not plan.changes:
        console.line("nothing to do")
    else:
        rows = [(change.step, change.action, _told(change)) for change in plan.changes]
        console.table(("step", "action", "resource"), rows)
    if plan.same:
        console.line(f"already so: {', '.join(plan.same)}", "dim")
    for change in plan.irreversible:
        console.warn(f"{change.resource} cannot be undone: {change.irreversible}")
    if plan.seconds:
        console.line(f"takes about {plan.seconds['release']:.0f} s, as lately", "dim")
    if plan.calls:
        told = ", ".join(f"{service} {count}" for service, count in sorted(plan.calls.items()))
        console.line(f"makes up to {sum(plan.calls.values())} calls: {told}", "dim")


def _told(change: Change) -> str:
    """Name the resource, and of traffic where it goes."""
    after = change.after if isinstance(change.after, Mapping) else {}
    split = after.get("split")
    if not split:
        return change.resource
    from deployment.steps import traffic

    shares = ", ".join(f"{v if v == traffic.NEW else v[:8]} {p:g} %" for v, p in split.items())
    soak = f", watched for {after['soak']:g} s" if after.get("soak") is not None else ""
    return f"{change.resource}: {shares}{soak}"
