"""The monitor's tasks, beside a Worker and a host that only answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import responses
from invoke.context import Context

from xswarm_deploy.errors import CheckFailed, ExitCode, Refused, Unavailable
from xswarm_deploy.monitor import dashboard as page
from xswarm_deploy.monitor import notify, remembered
from xswarm_deploy.monitor import push as pushing
from xswarm_deploy.monitor import watch as step
from xswarm_deploy.release import audit
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.monitor import Health, Monitor
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import monitor
from xswarm_deploy.verification import error_budget
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.notifier import DELIVERED
from xswarm_monitoring.rules import Rules
from xswarm_monitoring.slo import Budget, Count

WRONG = Alert("slow", Severity.ERROR, "it is slow", {}, {}, "inv monitor.metrics")


def watched(**changed: Any) -> Any:
    found: dict[str, Any] = {"delivered": True, "due": [], "told": []} | changed
    return SimpleNamespace(**found, as_json=lambda: {"due": len(found["due"])})


def test_status_fails_where_an_endpoint_does(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [Health("/health", 200, 5.0, {"status": "pass"})]
    monkeypatch.setattr(Monitor, "everything", lambda _self: answers)
    monitor.status(c)
    assert "/health" in capsys.readouterr().out
    answers.append(Health("/health/ready", 503, 5.0, {"status": "fail"}))
    with pytest.raises(CheckFailed, match="/health/ready: HTTP 503"):
        monitor.status(c, json=True)
    assert [each["verdict"] for each in json.loads(capsys.readouterr().out)] == ["pass", "fail"]


def test_status_of_a_worker_without_a_monitor_says_so(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [Health("/health", 404, 5.0), Health("/health/ready", 200, 5.0)]
    monkeypatch.setattr(Monitor, "everything", lambda _self: answers)
    with pytest.raises(Refused, match="the Worker has no monitor"):
        monitor.status(c)
    answers[0] = Health("/health", 0, 5.0, error="refused")
    with pytest.raises(CheckFailed, match="refused"):
        monitor.status(c)


@pytest.mark.parametrize("reply", [(404, "404 Not Found"), (200, "<!doctype html>")])
def test_metrics_of_a_worker_without_a_monitor_say_so(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, reply: tuple[int, str]
) -> None:
    """One in TypeScript has no such route, or its single-page application answers for it."""
    status, body = reply
    client = Monitor(Http("The Worker", "https://worker.test", {}, retries=0))
    monkeypatch.setattr(Monitor, "of", lambda _settings: client)
    with responses.RequestsMock() as worker:
        worker.get("https://worker.test/api/metrics", status=status, body=body)
        with pytest.raises(Refused, match="the Worker has no monitor") as caught:
            monitor.metrics(c)
    assert caught.value.remedy.startswith("inv monitor.watch --once")


def test_metrics_are_those_of_the_window(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Monitor, "metrics", lambda _self, window: {"window": window})
    monitor.metrics(c, window="5m", json=True)
    assert json.loads(capsys.readouterr().out) == {"window": "5m"}


def test_a_spent_error_budget_fails(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refused, match="there are no objectives"):
        monitor.slo(c)
    rules = Rules.read({"slo": {"availability": 0.99}})
    (objective,) = rules.slo.objectives
    monkeypatch.setattr(monitor, "_rules", lambda _c: rules)
    month, counts = rules.slo.window, [Count(1000, 5), Count(1000, 11)]
    monkeypatch.setattr(
        error_budget,
        "budgets",
        lambda *_: [Budget(objective, month, month, counts.pop(0))],
    )
    monitor.slo(c)
    assert "50" in capsys.readouterr().out
    with pytest.raises(CheckFailed, match="an error budget is spent"):
        monitor.slo(c)


def test_a_round_ends_with_a_code_that_a_cron_understands(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = watched()
    monkeypatch.setattr(step, "go", lambda *_: now)
    monitor.watch(c, once=True, json=True)
    assert json.loads(capsys.readouterr().out) == {"due": 0}
    now = watched(due=[WRONG])
    with pytest.raises(CheckFailed, match="it is slow"):
        monitor.watch(c, once=True, json=True)
    now = watched(delivered=False)
    with pytest.raises(Unavailable) as caught:
        monitor.watch(c, once=True, json=True)
    assert caught.value.code == ExitCode.UNAVAILABLE


def test_a_round_that_breaks_off_does_not_end_the_watch(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds: list[Any] = [Unavailable("The database gave no answer", "timeout"), watched()]

    def go(*_: object) -> Any:
        if not rounds:
            raise KeyboardInterrupt
        now = rounds.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    monkeypatch.setattr(step, "go", go)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(KeyboardInterrupt):
        monitor.watch(c, json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"due": 0}
    assert "this round broke off: The database gave no answer" in printed.err


@pytest.mark.parametrize("earlier", [0, 1])
def test_what_is_not_set_up_ends_the_watch_and_a_full_disk_does_not(
    c: Context,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    earlier: int,
) -> None:
    rounds = [watched()] * earlier

    def go(*_: object) -> Any:
        if rounds:
            return rounds.pop()
        raise Refused("it cannot be used", "No space left on device", "df -h")

    def sleep(_seconds: float) -> None:
        if not rounds and "broke off" in capsys.readouterr().err:
            raise KeyboardInterrupt

    monkeypatch.setattr(step, "go", go)
    monkeypatch.setattr("time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt if earlier else Refused):
        monitor.watch(c, json=True)


def test_a_test_alert_must_arrive(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    went = {"slack": DELIVERED, "sms": notify.MISSING}
    monkeypatch.setattr(notify, "test", lambda *_: went)
    monitor.alert(c, severity="critical")
    assert "sms needs TWILIO" in capsys.readouterr().out
    went["slack"] = "failed: HTTP 500"
    with pytest.raises(CheckFailed, match="did not arrive everywhere"):
        monitor.alert(c)
    with pytest.raises(Refused):
        monitor.alert(c, severity="loud")


def test_alerts_are_kept_quiet_and_shown(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(remembered, "silence", lambda _site, wanted: kept.append(wanted))
    monitor.silence(c, "slow-*", "a load test", window="2h")
    assert (kept[0].pattern, kept[0].why) == ("slow-*", "a load test")
    assert audit.read(site.database)[-1].event == "monitor.silence"
    found: dict[str, list[Any]] = {"on": [], "silences": [], "history": []}
    monkeypatch.setattr(remembered, "summary", lambda _site: found)
    capsys.readouterr()
    monitor.alerts(c)
    assert "0 on, 0 kept quiet" in capsys.readouterr().out
    monitor.alerts(c, json=True)
    assert json.loads(capsys.readouterr().out) == found


def test_the_dashboard_is_served_until_it_is_ended(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[int] = []

    @contextmanager
    def server(_site: Site, port: int) -> Iterator[Any]:
        yield SimpleNamespace(server_address=("", 4711), serve_forever=lambda: served.append(port))

    monkeypatch.setattr(page, "server", server)
    monitor.dashboard(c, port=0)
    assert (served, "http://127.0.0.1:4711/" in capsys.readouterr().out) == ([0], True)


def test_what_the_store_holds_is_pushed_and_said(
    c: Context,
    dry: Context,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Refused, match="nobody receives what local measures"):
        monitor.push(c)
    monkeypatch.setattr(Settings, "push_targets", lambda _settings: ("one",))
    went = [pushing.Went("otlp at one", pushing.SENT)]
    monkeypatch.setattr(pushing, "go", lambda _site: went)
    monitor.push(dry)
    assert capsys.readouterr().out == ""
    monitor.push(c)
    assert "otlp at one" in capsys.readouterr().out
    went.append(pushing.Went("datadog at two", "HTTP 403", failed=True))
    with pytest.raises(Unavailable, match="did not arrive"):
        monitor.push(c, json=True)
    assert [each["failed"] for each in json.loads(capsys.readouterr().out)] == [False, True]
