"""Undoing waits for an outage to end; a person may stop it; nothing else is waited for."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable

import pytest

from tests.support.releases import FakeStep
from xswarm_deploy.console import Console
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import DeployError, StepFailed
from xswarm_deploy.release import interruption, outage, undo
from xswarm_deploy.release.outage import Waiting
from xswarm_deploy.release.release import Release
from xswarm_deploy.services.clock import Clock
from xswarm_deploy.services.errors import (
    Invalid,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedReply,
)
from xswarm_deploy.site import Site

Begin = Callable[[], Release]


class Time:
    """Time that passes by sleeping only; does something at each sleep."""

    def __init__(self, at_sleep: Callable[[], object] = lambda: None) -> None:
        self.seconds, self.at_sleep = 1_000.0, at_sleep

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.at_sleep()

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.now, self.sleep)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def away(
    service: type[ServiceError] = ServiceUnavailable, retry_after: float | None = None
) -> ServiceError:
    return service("Cloudflare", "POST /x", status=503, message="away", retry_after=retry_after)


class Undoing:
    """Fails with an error until some time."""

    def __init__(self, time: Time, seconds: float, error: DeployError) -> None:
        self.time, self.until, self.error, self.tries = time, time.now() + seconds, error, 0

    def __call__(self) -> str:
        self.tries += 1
        if self.time.now() < self.until:
            raise self.error
        return "put back"


@pytest.fixture(autouse=True)
def patient(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "UNDO_SECONDS", 600.0)


@pytest.mark.parametrize(
    "error", [away(), away(RateLimited, retry_after=1.0), DatabaseError("unavailable", "gone")]
)
def test_an_outage_of_minutes_is_waited_out(error: DeployError) -> None:
    time, shown = Time(), io.StringIO()
    undoing = Undoing(time, 500, error)
    Waiting(Console(shown), time.clock).repeat(undoing)
    assert 500 <= time.now() - 1_000 < 540
    assert undoing.tries < 40
    assert "undoing goes on when it answers; Ctrl-C ends it: waiting" in shown.getvalue()


def test_who_asks_for_five_minutes_is_not_asked_again_before() -> None:
    time = Time()
    undoing = Undoing(time, 290, away(RateLimited, retry_after=300.0))
    Waiting(Console(io.StringIO()), time.clock).repeat(undoing)
    assert (undoing.tries, time.now()) == (2, 1_300)


def test_without_a_terminal_it_ends_after_ten_minutes_for_all_that_is_undone() -> None:
    time = Time()
    waiting = Waiting(Console(io.StringIO()), time.clock)
    undoing = Undoing(time, 99_999, away())
    for _ in range(3):
        with pytest.raises(ServiceUnavailable):
            waiting.repeat(undoing)
    assert time.now() - 1_000 < 600


def test_an_outage_that_ended_counts_no_more() -> None:
    time = Time()
    waiting = Waiting(Console(io.StringIO()), time.clock)
    for _ in range(3):
        waiting.repeat(Undoing(time, 400, away()))
    assert time.now() - 1_000 > 1_200


@pytest.mark.slow
def test_at_a_terminal_it_goes_on_until_a_person_stops_it() -> None:
    def after_an_hour() -> None:
        if time.now() > 1_000 + 3600:
            signal.raise_signal(signal.SIGINT)

    time = Time(after_an_hour)
    console = Console(Terminal())
    waiting, undoing = Waiting(console, time.clock), Undoing(time, 99_999, away())
    with interruption.unstoppable(console):
        with pytest.raises(ServiceUnavailable):
            waiting.repeat(undoing)
        assert 3600 < time.now() - 1_000 < 3700
        tries = undoing.tries
        with pytest.raises(ServiceUnavailable):
            waiting.repeat(undoing)
    assert undoing.tries == tries + 1, "what was stopped once waits no more"


@pytest.mark.parametrize(
    "error",
    [
        StepFailed("the Worker does not start"),
        Invalid("Cloudflare", "POST /x", status=400),
        UnexpectedReply("Cloudflare", "GET /x", status=200),
        DatabaseError("constraint", "no"),
    ],
)
def test_what_waiting_does_not_help_is_not_waited_for(error: DeployError) -> None:
    time = Time()
    with pytest.raises(type(error)):
        Waiting(Console(io.StringIO()), time.clock).repeat(Undoing(time, 10, error))
    assert time.now() == 1_000


def test_a_release_is_wholly_undone_when_the_outage_ends(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    """Cloudflare fails the release, and every undo too for a while."""
    release = begin()
    time = Time(lambda: step.fail_undo.clear() if time.now() > 1_200 else None)
    release.__dict__["waiting"] = Waiting(release.console, time.clock)
    step.fail_apply["c"] = away()
    step.fail_undo = dict.fromkeys("abc", away())
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    ended = undo.roll_back(release, caught.value)
    assert isinstance(ended, StepFailed)
    assert step.world == dict.fromkeys("abc", "old")


def test_calls_are_counted_in_the_facts_of_a_release(begin: Begin, step: FakeStep) -> None:
    from xswarm_deploy.services import calls

    release = begin()
    release.perform(step)
    calls.count("Cloudflare")
    calls.count("Cloudflare")
    release.succeed()
    assert release.site.facts["calls"] == {"Cloudflare": 2}
