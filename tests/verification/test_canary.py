from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
import requests

from tests.steps.fakes import FakeCloudflare, FakeTail
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.model.split import Pair
from xswarm_deploy.services.analytics import Invocations
from xswarm_deploy.services.tails import Overheard, Tail
from xswarm_deploy.settings.project import Route
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.verification import canary, error_budget, proof, users
from xswarm_deploy.verification.asker import Answer, Ask, Asker
from xswarm_deploy.verification.proof import Proof
from xswarm_deploy.verification.target import OVERRIDE, dark
from xswarm_monitoring.slo import Budget, Count, Objective

PAIR = Pair("old-version", "new-version")
SOAK = 0.1  # seconds: what users met is looked at within it, and at its end
Behaviour = Callable[[random.Random], tuple[int, float]]


@pytest.fixture(autouse=True)
def proofs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Proof]:
    """Prove each version that is asked, unless a test says otherwise; by version."""
    made: dict[str, Proof] = {}

    @contextmanager
    def opened(asker: Asker) -> Iterator[Proof]:
        version = asker.target.version
        yield replace(made.get(version, Proof(asker, "preview", (version,))), asker=asker)

    monkeypatch.setattr(proof, "opened", opened)
    return made


@pytest.fixture
def site(settings: Callable[..., Settings]) -> Site:
    made = settings()
    routes = (
        Route("/health", quick=True),
        Route("/api/suggestions"),
        Route("/api/auth/login", method="POST", status=(401,)),
    )
    verify = made.project.verify._replace(routes=routes)
    site = Site(replace(made, project=made.project._replace(verify=verify)))
    site.__dict__["cloudflare"] = FakeCloudflare()
    return site


@pytest.fixture
def behave(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Ask]]:
    """Let both versions behave as given, without a network; return the questions of routes."""

    def make(
        new: Behaviour, old: Behaviour | None = None, users: dict[str, Any] | None = None
    ) -> list[Ask]:
        chance, asked = random.Random(7), []

        def once(asker: Asker, ask: Ask) -> Answer:
            if ask.path.startswith("/api/metrics"):
                text = users.get("new" if "new-version" in ask.path else "old") if users else None
                return Answer(200, text, 1.0) if text else Answer(404, "", 1.0)
            asked.append(ask)
            is_new = PAIR.new in str(asker.target.headers[OVERRIDE])
            status, seconds = (new if is_new else old or good)(chance)
            return Answer(status, "", seconds * 1000)

        monkeypatch.setattr(Asker, "once", once)
        monkeypatch.setattr("random.shuffle", chance.shuffle)  # the same at every run
        return asked

    return make


def good(chance: random.Random) -> tuple[int, float]:
    return 200, chance.lognormvariate(-5, 0.3)


def test_an_equal_version_passes(site: Site, behave: Callable[..., list[Ask]]) -> None:
    asked = behave(good)
    verdict = canary.watch(site, PAIR, 0.0)
    assert verdict.outcome == "pass"
    assert {ask.path for ask in asked} == {"/api/suggestions"}
    assert len(asked) <= 2 * (sum(canary.PAIRS) + 5)


def test_a_failing_route_is_stopped(site: Site, behave: Callable[..., list[Ask]]) -> None:
    behave(lambda chance: (500 if chance.random() < 0.05 else 200, 0.007))
    verdict = canary.watch(site, PAIR, 60.0)
    assert verdict.outcome == "fail"
    assert "/api/suggestions" in str(verdict)


def test_a_slower_one_is_stopped(site: Site, behave: Callable[..., list[Ask]]) -> None:
    behave(lambda chance: (200, good(chance)[1] + 0.012))
    verdict = canary.watch(site, PAIR, 60.0)
    assert verdict.outcome == "fail"
    assert "slower" in str(verdict)


def test_answers_that_nobody_can_tell_apart_are_not_judged(
    site: Site, behave: Callable[..., list[Ask]], proofs: dict[str, Proof]
) -> None:
    asked = behave(good)
    asker = Asker(site, dark(site, PAIR.new), requests.Session())
    proofs[PAIR.new] = Proof(asker, "none", (PAIR.new,), "no tail; preview URLs are off")
    verdict = canary.watch(site, PAIR, 0.0)
    assert (verdict.outcome, verdict.reasons) == (
        "inconclusive",
        ("no tail; preview URLs are off",),
    )
    assert asked == []


class Ending(FakeTail):
    """A tail that hears both versions give the new one's answers."""

    def versions(self, tag: str) -> Counter[str]:
        return Counter({PAIR.new: 290, PAIR.old: 10})


def test_answers_of_another_version_in_between_spoil_the_verdict(
    site: Site, behave: Callable[..., list[Ask]], proofs: dict[str, Proof]
) -> None:
    behave(good)
    asker, tail = Asker(site, dark(site, PAIR.new), requests.Session()), Ending(PAIR.new)
    proofs[PAIR.new] = Proof(asker, "tail", (PAIR.new,), tail=cast("Tail", tail))
    verdict = canary.watch(site, PAIR, 0.0)
    assert verdict.outcome == "inconclusive"
    assert verdict.reasons == ("old-version gave 10 answers",)


class Limiter:
    """A Worker's rate limit on a clock that sleeping turns: so many in each fixed window."""

    def __init__(self, allowed: int, window: float, *, tells: bool = True) -> None:
        self.now, self.allowed, self.window, self.tells = 1_000.0, allowed, window, tells
        self.used: Counter[tuple[str, int]] = Counter()
        self.refused = 0

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def once(self, asker: Asker, _ask: Ask) -> Answer:
        """Answer as a version whose isolate counts for itself."""
        self.now += 0.01
        key = (str(asker.target.version), int(self.now // self.window))
        self.used[key] += 1
        left = self.allowed - self.used[key]
        reset = str(int(self.window - self.now % self.window) + 1)
        told = {"RateLimit-Limit": str(self.allowed), "RateLimit-Remaining": str(max(left, 0))}
        told["RateLimit-Reset"] = reset
        if left < 0:
            self.refused += 1
            return Answer(429, "", 1.0, {**told, "Retry-After": reset})
        return Answer(200, "", random.uniform(4, 8), told if self.tells else {})


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Limiter]:
    """Let both versions limit their callers, and know no probes."""

    def make(allowed: int, window: float, *, tells: bool = True) -> Limiter:
        limiter = Limiter(allowed, window, tells=tells)
        monkeypatch.setattr(canary, "time", limiter)
        monkeypatch.setattr(Asker, "once", lambda asker, ask: limiter.once(asker, ask))
        return limiter

    return make


def test_a_worker_that_limits_its_callers_is_asked_as_fast_as_it_allows(
    site: Site, limited: Callable[..., Limiter]
) -> None:
    limiter = limited(60, 60.0)
    verdict = canary.watch(site, PAIR, 0.0)
    assert (verdict.outcome, limiter.refused) == ("pass", 0)
    assert sum(limiter.used.values()) <= 2 * (sum(canary.PACED) + 5)


def test_one_that_tells_nothing_beforehand_is_heeded_when_it_refuses(
    site: Site, limited: Callable[..., Limiter]
) -> None:
    limiter = limited(100, 60.0, tells=False)
    assert canary.watch(site, PAIR, 0.0).outcome == "pass"
    assert 0 < limiter.refused < 20


def test_a_limit_that_would_take_too_long_is_named_and_is_no_failure(
    site: Site, limited: Callable[..., Limiter]
) -> None:
    limiter = limited(50, 3600.0)
    verdict = canary.watch(site, PAIR, 0.0)
    assert verdict.outcome == "inconclusive"
    assert verdict.limited.startswith("429: the Worker limits its callers to 50, and asks to wait")
    assert limiter.now < 1_000 + site.settings.project.worker.canary_patience


def test_two_steps_fit_into_an_hour_of_a_thousand() -> None:
    """Two routes, two steps, and the first questions of each, of one version."""
    assert 2 * 2 * (canary.PACED[0] + 5) < 1000


def test_what_is_too_noisy_to_tell_is_inconclusive(
    site: Site, behave: Callable[..., list[Ask]]
) -> None:
    def noisy(chance: random.Random) -> tuple[int, float]:
        return 200, chance.lognormvariate(15, 8)

    asked = behave(noisy, noisy)
    assert canary.watch(site, PAIR, 0.0).outcome == "inconclusive"
    assert len(asked) == 2 * (sum(canary.PAIRS) + 5)


@pytest.mark.parametrize("soak", [SOAK, 0.0])
def test_what_users_met_counts_even_where_questions_take_longer_than_the_soak(
    site: Site, behave: Callable[..., list[Ask]], soak: float
) -> None:
    met = {
        "old": '{"requests": {"total": 5000, "errors": 5}}',
        "new": '{"requests": {"total": 500, "errors": 40}}',
    }
    behave(good, users=met)
    verdict = canary.watch(site, PAIR, soak)
    assert verdict.outcome == "fail"
    assert str(verdict).startswith("fail: users by the Worker's metrics: 40 of 500 failed")


def test_an_error_budget_that_cannot_be_read_is_said_and_ends_no_canary(
    site: Site, behave: Callable[..., list[Ask]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseError("unavailable", "ConnectionError")

    monkeypatch.setattr(error_budget, "of_availability", away)
    behave(good)
    verdict = canary.watch(site, PAIR, 0.0)
    assert verdict.outcome == "pass"
    assert "the error budget was not checked" in str(verdict)


@pytest.mark.parametrize(
    ("total", "bad", "release", "outcome"),
    [
        (10_000_000, 9_000, "refuse", "fail"),
        (1_000_000_000, 0, "refuse", "pass"),
        (10_000_000, 9_000, "allow", "pass"),
    ],
)
def test_errors_that_would_spend_the_rest_of_the_error_budget_stop_it(
    site: Site,
    behave: Callable[..., list[Ask]],
    monkeypatch: pytest.MonkeyPatch,
    total: int,
    bad: int,
    release: str,
    outcome: str,
) -> None:
    """Six errors of 2,000 are no worse than allowed; with 90 % of the budget spent they are."""
    slo = {"availability": 0.999, "release": release}
    site.__dict__["settings"] = replace(site.settings, monitor={"slo": slo})
    objective, month = Objective("availability", 0.999), 30 * 86400.0
    before = Budget(objective, month, month, Count(total, bad))
    monkeypatch.setattr(error_budget, "budgets", lambda *_given: [before])
    met = {
        "old": '{"requests": {"total": 2000, "errors": 4}}',
        "new": '{"requests": {"total": 2000, "errors": 6}}',
    }
    behave(good, users=met)
    verdict = canary.watch(site, PAIR, SOAK)
    assert verdict.outcome == outcome, verdict
    if outcome == "fail":
        assert "6 of 2000 answers to users were errors" in str(verdict)
        assert "1000 are left (90% of the budget was spent before)" in str(verdict)


def events(version: str, count: int, failed: int, **more: Any) -> list[str]:
    """Return what a tail tells of so many requests, of which so many failed."""
    told = {"scriptVersion": {"id": version}, "event": {"request": {"headers": {}}}, **more}
    outcomes = ["exception"] * failed + ["ok"] * (count - failed)
    return [json.dumps({**told, "outcome": outcome, "wallTime": 5}) for outcome in outcomes]


def test_a_tail_tells_what_users_met_of_any_worker(
    site: Site, behave: Callable[..., list[Ask]]
) -> None:
    behave(good)
    heard = Overheard()
    heard.read(events(PAIR.old, 3000, 3))
    heard.read(events(PAIR.new, 300, 30))
    ours = {"request": {"headers": {"X-Deployment-Run": "tag"}}}
    heard.read(events(PAIR.new, 5000, 0, event=ours))
    site.cloudflare.overheard = heard  # type: ignore[attr-defined]
    verdict = canary.watch(site, PAIR, SOAK)
    assert str(verdict).startswith("fail: users by a tail: 30 of 300 failed, before 3 of 3000")


def test_what_one_step_heard_is_not_the_next_ones(site: Site) -> None:
    one, other = (users.Users(site, PAIR, Overheard()) for _ in range(2))
    one._strata[0].append([1.0])
    assert other._strata == ([], [])


def test_cloudflares_analytics_tell_it_before_a_tail_does(
    site: Site, behave: Callable[..., list[Ask]]
) -> None:
    behave(good)
    site.cloudflare.overheard = Overheard()  # type: ignore[attr-defined]
    counted = {PAIR.old: Invocations(5000, 5), PAIR.new: Invocations(500, 40)}
    site.cloudflare.counted = counted  # type: ignore[attr-defined]
    verdict = canary.watch(site, PAIR, SOAK)
    assert str(verdict).startswith("fail: users by Cloudflare's analytics: 40 of 500 failed")


def test_where_there_is_no_route_to_ask_users_alone_decide(
    site: Site, behave: Callable[..., list[Ask]]
) -> None:
    behave(good)
    verify = site.settings.project.verify._replace(routes=())
    project = site.settings.project._replace(verify=verify)
    site.__dict__["settings"] = replace(site.settings, project=project)
    assert canary.watch(site, PAIR, SOAK).outcome == "inconclusive"
    counted = {PAIR.old: Invocations(50_000, 5), PAIR.new: Invocations(5000, 1)}
    site.cloudflare.counted = counted  # type: ignore[attr-defined]
    assert canary.watch(site, PAIR, SOAK).outcome == "pass"


@pytest.mark.parametrize("text", ['{"requests": {"total": 3, "errors": 3}}', '{"hello": 1}', "no"])
def test_too_few_users_or_other_figures_change_nothing(
    site: Site, behave: Callable[..., list[Ask]], text: str
) -> None:
    behave(good, users={"old": text, "new": text})
    assert canary.watch(site, PAIR, SOAK).outcome == "pass"


def test_health_is_asked_where_there_is_nothing_else(site: Site) -> None:
    verify = site.settings.project.verify._replace(routes=(Route("/health", quick=True),))
    project = site.settings.project._replace(verify=verify)
    site.__dict__["settings"] = replace(site.settings, project=project)
    assert [route.path for route in canary.routes(site)] == ["/health"]
