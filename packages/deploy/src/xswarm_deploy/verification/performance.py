"""How fast it answers: percentiles of concurrent requests, beside the previous version's.

Both versions are asked in turns through the version override, so that they meet the same
network and the same load. Where only one can be asked, the last release's figures stand in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.report import Finding, Limited, not_told
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.settings.project import Route, Verify
from xswarm_deploy.verification.asker import Answer, Ask, Asker, unlike
from xswarm_deploy.verification.routes import asked
from xswarm_deploy.verification.target import OVERRIDE, Target

NAME: Final = "performance"
FACT: Final = "performance"
_COMPARED: Final = "_compared"  # a fact of this run: the previous version's speed; not kept with it
_NOISE_P95: Final = 50.0  # milliseconds; smaller differences say nothing
_NOISE_P50: Final = 100.0


@dataclass(frozen=True)
class Speed:
    """Percentiles of response times, in milliseconds, of so many requests."""

    p50: float
    p95: float
    p99: float
    requests: int

    @classmethod
    def of(cls, times: Sequence[float]) -> Speed:
        """Summarise times, by the nearest rank."""
        ordered = sorted(times)
        p50, p95, p99 = (_percentile(ordered, percent) for percent in (50, 95, 99))
        return cls(p50, p95, p99, len(ordered))

    def as_json(self) -> dict[str, float]:
        """Return the figures as they are kept with a release."""
        figures = {"p50": self.p50, "p95": self.p95, "p99": self.p99}
        return {name: round(value, 1) for name, value in figures.items()} | {
            "requests": self.requests
        }

    @property
    def words(self) -> str:
        """Return the figures as they are shown."""
        return f"p50 {self.p50:.0f} ms, p95 {self.p95:.0f} ms, p99 {self.p99:.0f} ms"


class Measured(NamedTuple):
    """What came of measuring.

    Args:
        findings: the verdict; none where nothing is measured.
        told: whether each answer named the version that is measured, and no other one.
        slow: whether it was too slow.
    """

    findings: tuple[Finding, ...] = ()
    told: bool = False
    slow: bool = False


def measured(asker: Asker, beside: Target | None) -> Measured:
    """Measure, compare, and keep the figures with the release under way.

    What was too slow is measured once more: a network that was busy for a moment stops no release.

    Args:
        asker: asks the version that is measured.
        beside: the previous version, measured at the same time; see :func:`warmed`.
    """
    settings = asker.site.settings.project.verify
    route = route_of(settings)
    if route is None or settings.performance_requests < 1:
        return Measured()
    try:
        first = _measured_once(asker, beside, route)
        return _measured_once(asker, beside, route) if first.slow else first
    except Limited as limited:
        return Measured((not_told(NAME, NAME, limited),))


def _measured_once(asker: Asker, beside: Target | None, route: Route) -> Measured:
    ours, theirs = _asked(asker, beside, route)
    failed = [answer for answer in ours if unlike(route.status)(answer)]
    others = _other_versions(asker, ours)
    if failed or others:
        wrong = f"{len(failed)} of {len(ours)} requests failed" if failed else ""
        return Measured((Finding(NAME, NAME, "fail", True, wrong or f"{others[0]} answers, too"),))
    speed = Speed.of([answer.milliseconds for answer in ours])
    before, source = _before(asker, theirs, route)
    asker.site.facts[FACT] = {**speed.as_json(), "worker": asker.site.worker}
    expected = asker.target.version
    told = bool(expected) and {answer.version for answer in ours} == {expected}
    found = verdict(speed, before, source, asker.site.settings.project.verify)
    return Measured((found,), told, slow=found.status == "fail")


def route_of(settings: Verify) -> Route | None:
    """Return what is measured: the route that is named for it, else the first that just reads."""
    if settings.performance_path:
        return Route(settings.performance_path, status=settings.performance_status)
    reading = (r for r in asked(settings) if r.method == "GET" and not (r.site or r.token))
    return next(reading, None)


def verdict(speed: Speed, before: Speed | None, source: str, settings: Verify) -> Finding:
    """Judge a speed: by the limits of invoke.yaml, and by what was before.

    Args:
        speed: of the version that is verified.
        before: of the previous version; None: not known.
        source: where ``before`` was found.
        settings: the limits.
    """
    compared = f"; {source} {before.words}" if before else ""
    evidence = f"{speed.words} of {speed.requests}{compared}"
    remedy = "see inv monitor.metrics"
    if speed.p95 >= settings.warning_ms or _much_slower(speed, before, settings):
        return Finding(NAME, NAME, "fail", True, f"too slow: {evidence}", remedy)
    if speed.p95 >= settings.good_ms:
        slow = f"slow: {evidence}; good is under {settings.good_ms} ms"
        return Finding(NAME, NAME, "warn", False, slow, remedy)
    if before and _beyond(speed.p95, before.p95, settings.slower_warn, _NOISE_P95):
        return Finding(NAME, NAME, "warn", False, f"slower than before: {evidence}", remedy)
    return Finding(NAME, NAME, "pass", False, f"good: {evidence}")


def _much_slower(speed: Speed, before: Speed | None, settings: Verify) -> bool:
    """Compare the medians: they are steady enough to stop a release by."""
    return before is not None and _beyond(speed.p50, before.p50, settings.slower_fail, _NOISE_P50)


def _beyond(now: float, before: float, times: float, noise: float) -> bool:
    return times > 0 and now > before * times and now - before > noise


def _asked(asker: Asker, beside: Target | None, route: Route) -> tuple[list[Answer], list[Answer]]:
    """Ask both versions in turns.

    Each is asked by as many at the same time, whether the other is asked, too, or not.
    """
    settings = asker.site.settings.project.verify
    askers = [asker, *([asker.at(beside)] if beside else [])]
    ask, good = Ask(route.path), unlike(route.status)
    turns, threads = askers * settings.performance_requests, settings.performance_concurrency
    with ThreadPoolExecutor(threads * len(askers), thread_name_prefix=NAME) as pool:
        answers = list(pool.map(lambda one: one.judged(ask, good)[0], turns))
    step = len(askers)
    return answers[::step], answers[1::step] if beside else []


def warmed(asker: Asker) -> Target | None:
    """Return the other version that is measured, and ask each once, so that none is cold."""
    settings = asker.site.settings.project.verify
    route = route_of(settings)
    if route is None or settings.performance_requests < 1:
        return None
    other = beside(asker)
    askers = [asker, *([asker.at(other)] if other else [])]
    with ThreadPoolExecutor(len(askers), thread_name_prefix=NAME) as pool:
        list(pool.map(lambda one: one.once(Ask(route.path)), askers))
    return other


def beside(asker: Asker) -> Target | None:
    """Return the other version of the current deployment, where there is one to be asked.

    When the new one is live, the other was measured before, and is not asked again.
    """
    target, site = asker.target, asker.site
    if not target.version or target.alone or _compared(asker):
        return None
    try:
        deployments = site.cloudflare.deployments(site.worker)
    except ServiceError:
        return None
    split = deployments[0].split if deployments else {}
    others = [name for name in split if name != target.version]
    if target.version not in split or len(others) != 1:
        return None
    return Target(target.url, {OVERRIDE: f'{site.worker}="{others[0]}"'}, others[0])


def _before(asker: Asker, theirs: Sequence[Answer], route: Route) -> tuple[Speed | None, str]:
    """Return the previous version's speed: as measured beside ours, else as it was kept."""
    good, said = unlike(route.status), "the previous version"
    if theirs and not any(good(answer) for answer in theirs):
        speed = Speed.of([answer.milliseconds for answer in theirs])
        asker.site.facts[_COMPARED] = {asker.target.version: speed}
        return speed, said
    if known := _compared(asker):
        return known, said
    for record in _history(asker):
        figures = record.facts.get(FACT) or {}
        ours = figures.get("worker") == asker.site.worker
        if ours and record.version != asker.target.version:
            return _kept(figures), f"release {record.release}"
    return None, ""


def _compared(asker: Asker) -> Speed | None:
    """Return how fast the previous version was beside this one, before this one was live."""
    known: Mapping[str, Speed] = asker.site.facts.get(_COMPARED, {})
    return None if asker.target.unseen else known.get(asker.target.version)


def _history(asker: Asker) -> Iterator[Record]:
    """Return the earlier releases; without their database there is nothing to compare with."""
    try:
        yield from asker.site.history()
    except DeployError:
        return


def _kept(figures: Mapping[str, Any]) -> Speed:
    return Speed(figures["p50"], figures["p95"], figures["p99"], int(figures["requests"]))


def _other_versions(asker: Asker, answers: Sequence[Answer]) -> list[str]:
    """Return versions that answered although another one was expected."""
    named = {answer.version for answer in answers} - {"", asker.target.version}
    return sorted(named) if asker.target.version else []


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
