"""Watch a new version beside the old one: own questions to both, and what users met.

Users alone may be too few to tell anything. So both versions are asked the same questions at
the same time, by the version override, in turns and in random order: whatever burdens the
machine or the network burdens both alike. What users met is told by the Worker's own metrics, by
Cloudflare's analytics or by a tail (:mod:`.users`). A Worker that does not know our questions may
limit us like anybody (429): then it is asked no faster than it allows, and judged by fewer answers.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.model.report import Limited
from xswarm_deploy.model.split import Pair
from xswarm_deploy.services import pace
from xswarm_deploy.services.http import new_session
from xswarm_deploy.settings.project import Route
from xswarm_deploy.site import Site
from xswarm_deploy.verification import error_budget, proof, users
from xswarm_deploy.verification.asker import Answer, Ask, Asker
from xswarm_deploy.verification.judge import STRICT, Figures, Limits, Looks, Seen, Verdict, judge
from xswarm_deploy.verification.routes import is_on
from xswarm_deploy.verification.target import dark
from xswarm_deploy.verification.users import Met
from xswarm_monitoring.slo import Budget

PAIRS: Final = (150, 150, 300, 600, 1200, 1200)
"""Questions a route and version get before each look: twice as many as before, but for the last.

Most versions are told apart at the second look. One that cannot be told yet is asked more; what
3,600 questions do not tell is inconclusive.
"""
PACED: Final = (180, 180)
"""The same for a Worker whose rate limit counts our questions: each look is one of few, so fewer
answers suffice, and an hour's limit of 1,000 is enough for two steps."""
STRATUM: Final = 50
"""Questions in a row whose times are compared with each other: what burdens a machine comes and
goes."""
_WARM_UP: Final = 5  # first questions to each version that do not count
USERS_EVERY: Final = 30.0
"""Seconds between two looks at what users met."""
_USERS: Final = "users"
_WAIT: Final = 0.5
"""Seconds between two signs of progress while nothing is asked."""


@dataclass
class _Told:
    """The answers of one version on one route."""

    answers: int = 0
    errors: int = 0
    strata: list[list[float]] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.answers += 1
        if answer.status == 0 or answer.status >= 500:
            self.errors += 1
        else:
            self.strata[-1].append(answer.milliseconds / 1000)

    def figures(self) -> Figures:
        return Figures(self.answers, self.errors, tuple(map(tuple, self.strata)))


@dataclass
class Pace:
    """Ask no faster than the Worker allows, and not for ever.

    Args:
        site: is told how long is waited.
        ends: when questions end, on the monotonic clock.
        until: when the next one may be asked, likewise.
        limit: what an answer said of the limit; empty: our questions are not counted.
        stopped: why no more is asked; empty: it may be.
    """

    site: Site
    ends: float
    until: float = 0.0
    limit: str = ""
    stopped: str = ""

    def heard(self, answer: Answer) -> None:
        """Note what an answer says of the limit."""
        now = time.time()
        if answer.status == pace.TOO_MANY or pace.allowance(answer.headers, now):
            self.limit = pace.limit(answer.headers) or self.limit or "unknown"
        seconds = pace.pause(answer.status, answer.headers, now)
        if seconds:
            self.until = max(self.until, time.monotonic() + seconds)

    def wait(self) -> bool:
        """Wait until the next question may be asked; False: that would take too long."""
        left = self.until - time.monotonic()
        if left > 0 and self.until > self.ends:
            told = f"to {self.limit}, and asks to wait {left:.0f} s"
            self.stopped = f"429: the Worker limits its callers {told}"
            return False
        while (left := self.until - time.monotonic()) > 0:
            self.site.progress("canary: paced by the Worker's limit", 0, math.ceil(left), "s")
            time.sleep(min(left, _WAIT))
        return True


def watch(site: Site, pair: Pair, soak: float, limits: Limits = STRICT) -> Verdict:
    """Watch for a while, and decide; a version that fails is not watched to the end.

    Args:
        site: the environment.
        pair: both must be in the current deployment.
        soak: seconds to watch, at least as long as own questions take.
        limits: what is asked of the new version.
    """
    with ExitStack() as stack:
        try:
            proofs = _proofs(site, pair, stack)
        except Limited as error:
            return Verdict("inconclusive", ("it was not asked",), limited=str(error))
        doubts = _doubts(proofs)
        if doubts:
            return Verdict("inconclusive", doubts)
        verdict = _watched(site, pair, soak, limits, [one.asker for one in proofs])
        doubts = _doubts([one.checked() for one in proofs])
        return replace(verdict, outcome="inconclusive", reasons=doubts) if doubts else verdict


def _proofs(site: Site, pair: Pair, stack: ExitStack) -> list[proof.Proof]:
    """Find out that each version answers when it is asked, before any answer counts."""
    session = stack.enter_context(new_session())
    askers = (Asker(site, dark(site, version), session) for version in (pair.old, pair.new))
    return [stack.enter_context(proof.opened(asker)) for asker in askers]


def _doubts(proofs: Sequence[proof.Proof]) -> tuple[str, ...]:
    """Return why answers cannot be told apart by version; empty: they can, or need not be."""
    return tuple(one.wrong for one in proofs if not one.known and (one.failed or not one.allowed))


def _watched(
    site: Site, pair: Pair, soak: float, limits: Limits, askers: Sequence[Asker]
) -> Verdict:
    began, (budget, unread) = time.monotonic(), _budget(site)
    with users.opened(site, pair) as met:
        verdict, allowed = _questioned(site, askers, limits, soak)
        met.quiet, told, alone = time.time(), verdict, not routes(site)
        last = False  # users are looked at once at least, however long the questions took
        while (alone or verdict.outcome == "pass") and told.outcome != "fail" and not last:
            left = began + soak - time.monotonic()
            last = left <= USERS_EVERY
            _wait(site, began, soak, min(max(left, 0.0), USERS_EVERY))
            found = met.met(limits.fewest)
            told = _with_users(found, verdict, limits, allowed, alone=alone)
            told = _within(budget, found, time.time() - met.began, told)
    return replace(told, reasons=(*told.reasons, *unread))


def _budget(site: Site) -> tuple[Budget | None, tuple[str, ...]]:
    """Return the error budget, and why it is not checked: it ends no canary that it is away."""
    try:
        return error_budget.of_availability(site, time.time()), ()
    except DatabaseError as error:
        return None, (f"the error budget was not checked: {error.what}",)


def _within(budget: Budget | None, found: Met | None, seconds: float, told: Verdict) -> Verdict:
    """Fail what would spend the rest of the error budget, though it is no worse than allowed."""
    if budget is None or found is None or told.outcome == "fail":
        return told
    why = error_budget.overspending(budget, found.figures, seconds)
    return Verdict("fail", (why,)) if why else told


def routes(site: Site) -> list[Route]:
    """Return what is asked: what reads and must succeed; health where there is nothing else."""
    listed = site.settings.project.verify.routes
    good = [route for route in listed if _is_askable(route) and is_on(route, site.settings)]
    return [route for route in good if not route.quick] or good


def _is_askable(route: Route) -> bool:
    """Return whether users ask it, too; what needs a token may burden others with each answer."""
    return (route.method, route.status) == ("GET", (200,)) and not (route.site or route.token)


def looks(steps: int, soak: float, pairs: Sequence[int] = PAIRS) -> Looks:
    """Return how often a canary may look, so that the risk can be divided.

    Args:
        steps: how many shares of the traffic it goes through.
        soak: seconds each is watched.
        pairs: questions before each look.
    """
    return Looks(len(pairs), steps * (len(pairs) + max(1, math.ceil(soak / USERS_EVERY))))


def _questioned(
    site: Site, askers: Sequence[Asker], limits: Limits, soak: float
) -> tuple[Verdict, Looks]:
    """Ask until it can be told; return the verdict, and how often it may be looked at in all.

    How much is asked is set by the first answers, which do not count: whether the Worker limits
    us must not depend on what is judged.
    """
    asked, worker = routes(site), site.settings.project.worker
    speed = Pace(site, time.monotonic() + worker.canary_patience)
    _ask_all(askers, asked, _nothing(asked), _WARM_UP, speed)
    pairs = PACED if speed.limit else PAIRS
    allowed = looks(max(1, len(worker.canary)), soak, pairs)
    told, verdict = _nothing(asked), Verdict("inconclusive", ("there is no route to ask",))
    for look, count in enumerate(pairs if asked else ()):
        site.progress("canary: questions", sum(pairs[:look]), sum(pairs), "pairs a route")
        _ask_all(askers, asked, told, count, speed)
        verdict = replace(judge(_seen(told), limits, allowed), limited=speed.stopped)
        if verdict.outcome != "inconclusive" or speed.stopped:
            break
    return verdict, allowed


def _nothing(asked: Sequence[Route]) -> dict[str, tuple[_Told, _Told]]:
    return {route.path: (_Told(), _Told()) for route in asked}


def _ask_all(
    askers: Sequence[Asker],
    asked: Sequence[Route],
    told: Mapping[str, tuple[_Told, _Told]],
    count: int,
    speed: Pace,
) -> None:
    """Ask both versions, one question at a time: their speed is wanted, not that of a queue."""
    for number in range(count):
        for route in asked:
            both = told[route.path]
            if number % STRATUM == 0:
                for one in both:
                    one.strata.append([])
            for place, answer in _ask_both(askers, route.path, speed):
                both[place].add(answer)


def _ask_both(askers: Sequence[Asker], path: str, speed: Pace) -> list[tuple[int, Answer]]:
    """Ask both in random order; where the limit stops it, neither counts."""
    turns, found = list(enumerate(askers)), []
    random.shuffle(turns)
    for place, asker in turns:
        answer = _ask_one(asker, path, speed)
        if answer is None:
            return []
        found.append((place, answer))
    return found


def _ask_one(asker: Asker, path: str, speed: Pace) -> Answer | None:
    """Ask until it is answered: whoever is sent away for asking too often has learned nothing."""
    while not speed.stopped and speed.wait():
        answer = asker.once(Ask(path))
        speed.heard(answer)
        if answer.status != pace.TOO_MANY:
            return answer
    return None


def _seen(told: Mapping[str, tuple[_Told, _Told]]) -> dict[str, tuple[Figures, Figures]]:
    return {path: (old.figures(), new.figures()) for path, (old, new) in told.items()}


def _wait(site: Site, began: float, soak: float, seconds: float) -> None:
    ended = time.monotonic() + seconds
    while (left := ended - time.monotonic()) > 0:
        site.progress("canary: soaking", int(time.monotonic() - began), int(soak), "s")
        time.sleep(min(left, _WAIT))


def _with_users(
    found: Met | None, verdict: Verdict, limits: Limits, allowed: Looks, *, alone: bool
) -> Verdict:
    """Judge what users met; too few of them change nothing.

    Args:
        found: what they met; None: too few are told of.
        verdict: by the own questions.
        limits: what is asked of the new version.
        allowed: how often it may be looked at.
        alone: whether there was no route to ask, so that users alone decide.
    """
    if found is None:
        return verdict
    seen: Seen = {f"{_USERS} {found.source}": found.figures}
    judged = judge(seen, limits, allowed)
    if alone or judged.outcome == "fail":
        return judged
    return Verdict(verdict.outcome, (*verdict.reasons, *judged.reasons[-1:]))
