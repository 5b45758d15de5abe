from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployment.project import Route
from deployment.settings import Settings
from deployment.steps import canary
from deployment.steps.canary import Pair
from deployment.steps.site import Site
from deployment.steps.verification.asker import Answer, Ask, Asker
from deployment.steps.verification.target import OVERRIDE

PAIR = Pair("old-version", "new-version")
Behaviour = Callable[[random.Random], tuple[int, float]]


@pytest.fixture
def site(settings: Callable[..., Settings]) -> Site:
    made = settings()
    routes = (
        Route("/health", quick=True),
        Route("/api/suggestions"),
        Route("/api/auth/login", method="POST", status=(401,)),
    )
    verify = made.project.verify._replace(routes=routes)
    return Site(replace(made, project=made.project._replace(verify=verify)))


@pytest.fixture
def behave(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Ask]]:
    """Let both versions behave as given, without a network; give what was asked."""

    def make(
        new: Behaviour, old: Behaviour | None = None, users: dict[str, Any] | None = None
    ) -> list[Ask]:
        chance, asked = random.Random(7), []

        def once(asker: Asker, ask: Ask) -> Answer:
            asked.append(ask)
            if ask.path.startswith("/api/metrics"):
                text = users.get("new" if "new-version" in ask.path else "old") if users else None
                return Answer(200, text, 1.0) if text else Answer(404, "", 1.0)
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
    behave(lambda chance: (200, good(chance)[1] * 1.3))
    verdict = canary.watch(site, PAIR, 60.0)
    assert verdict.outcome == "fail"
    assert "slower" in str(verdict)


def test_who_is_sent_away_learns_nothing(site: Site, behave: Callable[..., list[Ask]]) -> None:
    behave(lambda _: (429, 0.001), lambda _: (429, 0.001))
    verdict = canary.watch(site, PAIR, 0.0)
    assert verdict.outcome == "inconclusive"
    assert "0 of 0 failed" in str(verdict)


def test_what_is_too_noisy_to_tell_is_inconclusive(
    site: Site, behave: Callable[..., list[Ask]]
) -> None:
    def noisy(chance: random.Random) -> tuple[int, float]:
        return 200, chance.lognormvariate(-5, 8)

    asked = behave(noisy, noisy)
    assert canary.watch(site, PAIR, 0.0).outcome == "inconclusive"
    assert len(asked) == 2 * (sum(canary.PAIRS) + 5)


def test_what_users_met_counts(
    site: Site, behave: Callable[..., list[Ask]], monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {
        "old": '{"requests": {"total": 5000, "errors": 5}}',
        "new": '{"requests": {"total": 500, "errors": 40}}',
    }
    behave(good, users=users)
    verdict = canary.watch(site, PAIR, 0.6)
    assert verdict.outcome == "fail"
    assert str(verdict).startswith("fail: users: 40 of 500 failed")


@pytest.mark.parametrize("text", ['{"requests": {"total": 3, "errors": 3}}', '{"hello": 1}', "no"])
def test_too_few_users_or_other_figures_change_nothing(
    site: Site, behave: Callable[..., list[Ask]], text: str
) -> None:
    behave(good, users={"old": text, "new": text})
    assert canary.watch(site, PAIR, 0.6).outcome == "pass"


def test_health_is_asked_where_there_is_nothing_else(site: Site) -> None:
    verify = site.settings.project.verify._replace(routes=(Route("/health", quick=True),))
    project = site.settings.project._replace(verify=verify)
    site.__dict__["settings"] = replace(site.settings, project=project)
    assert [route.path for route in canary.routes(site)] == ["/health"]
