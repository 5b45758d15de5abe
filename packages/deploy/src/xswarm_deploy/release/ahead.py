"""Plan before it is time to, so that what plans read is not waited for; use what still holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Generic, NamedTuple, TypeVar

from xswarm_deploy.model.preparation import Preparation
from xswarm_deploy.model.step import Change, Step
from xswarm_deploy.release import steps
from xswarm_deploy.site import Site

T = TypeVar("T")
FRESH: Final = 60.0  # seconds that a plan holds: another tool may change what it has read


class _Begun(NamedTuple):
    """A plan that is being made: when it began, on the monotonic clock, and after how many changes.

    Those were made before it reads anything.
    """

    changes: Future[Sequence[Change]]
    at: float
    after: int


class Ahead:
    """The plans of a release that are made before their turn.

    Each is used once, and only where it still holds: it is young, and no step that it builds upon
    has changed anything since. Any other is made anew at its turn, and so is one that failed.
    """

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}
        self._prepared = False

    def begin(self, site: Site, phases: Iterable[str], after: int = 0) -> None:
        """Begin to plan those of these steps that may be planned ahead; reads only.

        Args:
            site: what they act upon.
            phases: names of steps.
            after: how many changes the release has made.
        """
        names = [name for name in phases if name in steps.AHEAD]
        if not names:
            return
        _ = site.connections  # imports requests, of which two threads at once get half
        plans = [steps.step_named(name).plan for name in names]
        pool = ThreadPoolExecutor(len(names), thread_name_prefix="ahead")
        for name, plan in zip(names, plans, strict=True):
            begun = pool.submit(copy_context().run, plan, site)
            self._begun[name] = _Begun(begun, time.monotonic(), after)
        pool.shutdown(wait=False)

    def renew(self, site: Site, made: Sequence[Change]) -> None:
        """Begin anew the plans that build upon a step whose changes were just made.

        Args:
            site: what they act upon.
            made: all changes of the release so far; the last is of that step.
        """
        changed = made[-1].step
        stale = [name for name in self._begun if changed in steps.AHEAD[name]]
        self.begin(site, stale, len(made))

    def preparable(self) -> list[str]:
        """Return the steps of whose plans something can be made now, each once."""
        names = [name for name in steps.PREPARED if name in self._begun]
        found, self._prepared = [] if self._prepared else names, True
        return found

    def prepare(self, site: Site, names: Iterable[str]) -> None:
        """Begin to make what of the plans no user meets.

        Args:
            site: what they act upon; it holds what is made until its change takes it.
            names: of :meth:`preparable`.
        """
        all_ = site.state.prepared
        for name in names:
            waits, begun = steps.PREPARED[name], self._begun[name]
            minting = [self._begun[each] for each in waits.minting if each in self._begun]
            behind = [all_[each] for each in waits.behind if each in all_]
            all_[name] = preparation = Preparation(site.progress)
            beside = site.holding(replace(site.state, progress=preparation.told))
            preparation.begin(partial(_prepared, name, beside, begun, minting, behind), "prepare")

    def plan(self, step: Step[Site], site: Site, made: Iterable[Change]) -> Sequence[Change]:
        """Return what a step would change.

        Args:
            step: the step.
            site: what it acts upon.
            made: all changes of the release so far.
        """
        begun = self._begun.pop(step.NAME, None)
        upon = steps.AHEAD.get(step.NAME, ())
        if begun is None or any(change.step in upon for change in [*made][begun.after :]):
            return step.plan(site)
        return _outcome(begun, lambda: step.plan(site))


def _prepared(
    name: str,
    site: Site,
    begun: _Begun,
    minting: Sequence[_Begun],
    behind: Sequence[Preparation],
) -> object:
    """Make what of a step's plan no user meets; nothing before a secret that it will carry."""
    for each in behind:
        each.wait()
    if any(plan.changes.exception() for plan in (begun, *minting)):
        return None  # at their turn they are planned anew
    changes = begun.changes.result()
    before = [change for plan in minting for change in plan.changes.result()]
    if not changes or any(steps.action_named(change).secret for change in before):
        return None
    return steps.preparing(name).prepare(site, changes)


def _outcome(begun: _Begun, anew: Callable[[], Sequence[Change]]) -> Sequence[Change]:
    """Return a plan that was begun; one that failed or is old is made anew."""
    if time.monotonic() - begun.at > FRESH:
        return anew()
    try:
        return begun.changes.result(FRESH)
    except Exception:  # whatever it was: at its turn the step says so itself, or succeeds
        return anew()


@dataclass(frozen=True)
class Unlocked(Generic[T]):
    """What is planned before the lock is taken.

    It holds where nobody held the lock from its first reading on until it was taken: no release
    was made, or undone, meanwhile.

    Args:
        planned: the plan that is being made.
        at: when the first of what it builds upon was asked, on the monotonic clock.
    """

    planned: Future[T]
    at: float

    def holding(self, undisturbed: float, anew: Callable[[], T]) -> T:
        """Return the plan where it holds, else a new one.

        Args:
            undisturbed: no other release changed anything from then on; on the monotonic clock.
            anew: plans under the lock.
        """
        if self.at < undisturbed or time.monotonic() - self.at > FRESH:
            return anew()
        try:
            return self.planned.result()
        except Exception:  # whatever it was: it is said now, or it was of the moment
            return anew()
