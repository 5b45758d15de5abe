"""What people are told of a release, at its start and its end, and of a channel that is deaf."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.releases import FakeStep, failing
from xswarm_deploy import fence
from xswarm_deploy.cli.context import ROOT
from xswarm_deploy.database.client import Database
from xswarm_deploy.errors import DeployError, ExitCode, Locked, Refused
from xswarm_deploy.model.report import UNTOLD
from xswarm_deploy.release import audit, lock, records
from xswarm_deploy.release.current import current
from xswarm_deploy.release.lock import Lease
from xswarm_deploy.release.release import Release
from xswarm_deploy.release.transaction import report_success, taken_ahead, transaction
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import pages, traffic

HOOK = "https://hooks.slack.com/services/T00/B00/canary"


@dataclass
class FakeSlack:
    deaf: bool = False
    texts: list[str] = field(default_factory=list)

    def send(self, text: str, _more: object = None) -> None:
        if self.deaf:
            raise DeployError("Slack did not answer")
        self.texts.append(text)


@pytest.fixture
def slack() -> FakeSlack:
    return FakeSlack()


@pytest.fixture
def told(
    settings: Callable[..., Settings], slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    made = Site(settings(SLACK_WEBHOOK_URL=HOOK))
    made.__dict__["slack"] = slack
    monkeypatch.setattr(traffic, "live_split", lambda _site: {})
    monkeypatch.setattr(pages, "current", lambda _site: None)
    monkeypatch.setattr(Settings, "require_sound", lambda _settings: SimpleNamespace())
    yield made
    made.database.close()


def release(site: Site, kind: str, step: FakeStep, then: Callable[[], Any] = lambda: None) -> None:
    with transaction(site, kind, "a message", ("fake",)) as running:
        running.perform(step)
        then()
    report_success(running)


def test_of_a_deployment_people_hear_at_start_and_end_with_the_trails_head(
    told: Site, step: FakeStep, slack: FakeSlack
) -> None:
    release(told, "deploy", step)
    began, ended = slack.texts
    assert "deploy 2" in began
    assert "begins" in began
    assert "a message" in began
    assert "succeeded" in ended
    events = audit.read(told.database)
    assert [event.event for event in events[-2:]] == ["done", "end"]
    assert events[-2].hash in ended, "the end itself is written at that very moment"


@dataclass
class Watching(FakeSlack):
    """Tells how the newest release stood as each message came."""

    database: Database | None = None
    stood: list[str] = field(default_factory=list)

    def send(self, text: str, _more: object = None) -> None:
        assert self.database
        self.stood.append(records.read(self.database, "local")[0].status)
        super().send(text)


def test_a_success_is_told_while_it_is_written(
    told: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.__dict__["slack"] = watching = Watching(database=told.connect())
    written = Release.succeed

    def succeed(ending: Release) -> None:
        assert ending.announcing
        ending.announcing.result()
        written(ending)

    monkeypatch.setattr(Release, "succeed", succeed)
    release(told, "rollback", step)
    assert (watching.stood[-1], "succeeded" in watching.texts[-1]) == ("running", True)
    assert len(watching.texts) == 2, "once each"
    assert records.read(told.database, "local")[0].status == "succeeded"
    assert watching.database
    watching.database.close()


def test_one_whose_lease_could_end_meanwhile_is_told_afterwards(told: Site, step: FakeStep) -> None:
    told.__dict__["slack"] = watching = Watching(database=told.connect())

    def asleep() -> None:
        lease = cast("Lease", fence.current())
        lease.until = lease.clock() + 1.0

    release(told, "deploy", step, asleep)
    assert watching.stood[-1] == "succeeded"
    assert watching.database
    watching.database.close()


def test_who_lost_the_lock_at_the_very_end_says_so_last(
    told: Site, step: FakeStep, slack: FakeSlack
) -> None:
    def taken_off() -> None:
        held = lock.holder(told.database)
        assert held
        with fence.lifted():
            lock.take_off(told.database, held)

    with pytest.raises(DeployError):
        release(told, "deploy", step, taken_off)
    assert "succeeded" in slack.texts[-2]
    assert "failed" in slack.texts[-1]
    assert "lost its lock" in slack.texts[-1]


def test_a_message_that_broke_keeps_nothing_from_being_undone(
    told: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritten(_release: Release) -> None:
        assert _release.announcing
        raise DeployError("it could not be ended")

    def send(text: str, _more: object = None) -> None:
        if "succeeded" in text:
            raise ValueError("nobody foresaw that")

    monkeypatch.setattr(Release, "succeed", unwritten)
    monkeypatch.setattr(told.slack, "send", send)
    with pytest.raises(DeployError, match="could not be ended"):
        release(told, "deploy", step)
    assert step.world == {"a": "old", "b": "old", "c": "old"}


def test_what_was_not_seen_at_its_end_is_told_with_its_success_and_kept(
    told: Site, step: FakeStep, slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    unseen = "version: unproven: a tail shows none of our requests"

    def verified() -> None:
        running = current()
        assert running is not None
        running.site.facts[UNTOLD] = unseen

    release(told, "deploy", step, verified)
    assert f"not seen at its end: {unseen}; look again: inv verify" in slack.texts[1]
    assert f"was not seen with it: {unseen}" in capsys.readouterr().out
    (record, *_) = records.read(told.database, "local")
    assert (record.status, record.facts[UNTOLD]) == ("succeeded", unseen)


def test_of_a_failure_they_hear_why(told: Site, step: FakeStep, slack: FakeSlack) -> None:
    step.fail_apply["b"] = failing("the provider said no")
    with pytest.raises(DeployError):
        release(told, "rollback", step)
    assert len(slack.texts) == 2
    assert "rollback" in slack.texts[1]
    assert "the provider said no" in slack.texts[1]
    assert "brought back" in slack.texts[1]


def test_a_deaf_channel_is_said_and_stops_nobody(
    told: Site, step: FakeStep, slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    slack.deaf = True
    release(told, "deploy", step)
    assert records.read(told.database, "local")[0].status == "succeeded"
    said = capsys.readouterr().out
    assert "nobody was notified: Slack did not answer" in said
    assert "⚠ notify" in said


def test_a_lock_that_was_taken_ahead_is_the_releases(told: Site, step: FakeStep) -> None:
    with taken_ahead(told, "rollback", ("fake",)) as taking:
        taking.lease.result()
        held = lock.holder(told.database)
        with transaction(told, "rollback", "a message", ("fake",), taking=taking) as running:
            running.perform(step)
    assert held
    (record,) = records.read(told.database, "local")
    assert held.reason == f"rollback {record.release}"
    assert (record.message, record.status) == ("a message", "succeeded")
    assert lock.holder(told.database) is None


def test_a_lock_that_was_taken_ahead_for_nothing_is_given_back(told: Site) -> None:
    refused = Refused("there is no version v1", "", "inv deploy.list")
    with pytest.raises(Refused, match="there is no version"), taken_ahead(told, "rollback", ()):
        raise refused
    assert lock.holder(told.database) is None
    assert not records.read(told.database, "local")


def test_who_finds_the_lock_taken_ahead_is_told_by_whom(told: Site, step: FakeStep) -> None:
    records.prepare(told.database)
    lease = lock.acquire(told.database, told.connect, "deploy one")
    with taken_ahead(told, "rollback", ("fake",)) as taking:
        assert taking.lease.exception()
        with (
            pytest.raises(Locked) as caught,
            transaction(told, "rollback", "", ("fake",), taking=taking),
        ):
            pytest.fail("somebody else holds the lock")
    assert "deploy one" in caught.value.why
    assert step.calls == []
    lease.release()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_undoes_and_has_an_exit_code_of_its_own(
    told: Site, step: FakeStep, number: signal.Signals
) -> None:
    with pytest.raises(DeployError) as caught:
        release(told, "deploy", step, lambda: os.kill(os.getpid(), number))
    assert caught.value.code == ExitCode.INTERRUPTED
    assert step.world == {"a": "old", "b": "old", "c": "old"}
    assert records.read(told.database, "local")[0].status == "rolled back"


def test_tasks_inside_a_release_join_it(told: Site, step: FakeStep, slack: FakeSlack) -> None:
    with transaction(told, "deploy", "", ("fake",)) as outer:
        with transaction(told, "worker") as inner:
            inner.perform(step)
        assert inner is outer
    assert len(records.read(told.database, "local")) == 1


@pytest.mark.slow
def test_who_tells_of_the_beginning_in_a_thread_finds_requests_imported() -> None:
    """Two threads that import it at the same time get half of it: its modules import each other."""
    script = (
        "import sys; from types import SimpleNamespace\n"
        "from xswarm_deploy.release import transaction\n"
        "transaction.send_notification = lambda *_: print('requests' in sys.modules)\n"
        "record = SimpleNamespace(kind='deploy', release='1', author='', message='')\n"
        "assert 'requests' not in sys.modules\n"
        "with transaction._announced_start(SimpleNamespace(record=record)): pass\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "True\n"
