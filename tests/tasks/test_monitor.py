"""The monitor's tasks, beside a Worker and a host that only answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context

from xswarm_deploy.cli import context
from xswarm_deploy.errors import CheckFailed, ExitCode, Refused, Unavailable
from xswarm_deploy.monitor import dashboard as page
from xswarm_deploy.monitor import notify, remembered
from xswarm_deploy.monitor import push as pushing
from xswarm_deploy.monitor import watch as step
from xswarm_deploy.observability import install as installer
from xswarm_deploy.release import audit
from xswarm_deploy.secret import Secret
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


@pytest.fixture
def host(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for a host over SSH; it notes what was done to it."""
    done: list[str] = []

    @contextmanager
    def connected(name: str) -> Iterator[str]:
        yield name

    file, found = SimpleNamespace(path="/etc/prometheus.yml"), settings(ADMIN_EMAIL="ops@a.test")
    outcome = SimpleNamespace(lines=lambda: ["✓ put"], changed=[file], kept=["/etc/own.yml"])

    def did(what: str) -> Callable[..., Any]:
        def act(*_given: object) -> Any:
            done.append(what)
            return outcome

        return act

    monkeypatch.setattr(context, "settings", lambda _c: found)
    monkeypatch.setattr(monitor, "connected", connected)
    monkeypatch.setattr(installer, "plan", lambda *_: [file])
    monkeypatch.setattr(installer, "install", did("install"))
    monkeypatch.setattr(installer, "installed", lambda *_: [file.path])
    monkeypatch.setattr(installer, "uninstall", did("uninstall"))
    return done


def test_the_stack_is_installed_and_removed_once_agreed(
    c: Context, dry: Context, host: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    monitor.install(dry, "ops@host")
    monitor.uninstall(dry, "ops@host")
    for act in (monitor.install, monitor.uninstall):
        with pytest.raises(Refused, match="not confirmed"):
            act(c, "ops@host")
    assert host == []
    monitor.install(c, "ops@host", yes=True)
    monitor.uninstall(c, "ops@host", yes=True)
    assert host == ["install", "uninstall"]
    assert "kept, since somebody changed it: /etc/own.yml" in capsys.readouterr().out


def test_files_are_written_without_a_secret(c: Context, host: list[str], tmp_path: Path) -> None:
    monitor.files(c, to=str(tmp_path / "monitoring"))
    written = [path.read_text() for path in (tmp_path / "monitoring").rglob("*") if path.is_file()]
    token = context.settings(c).secret("ADMIN_TOKEN").reveal()
    assert written
    assert not [text for text in written if token in text]


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


STATUS_PAGE = Rules.read({"status_page": {"components": {"worker": "Shop", "stripe": "Payments"}}})


@pytest.fixture
def status_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_rules", lambda _c: STATUS_PAGE)


def listed(c: Context, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    monitor.incidents(c, json=True)
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_an_incident_from_its_first_word_to_its_last(
    c: Context, site: Site, status_page: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monitor.incident(
        c, title="Cards are refused", text="We look.", severity="major", components="payments",
        since="25m",
    )  # fmt: skip
    assert "✓ incident 1, investigating" in capsys.readouterr().out
    monitor.incident(c, id=1, state="identified", text="It is the bank's.")
    monitor.incident(c, id=1, text="Still.", severity="minor")
    (found,) = listed(c, capsys)
    assert (found["severity"], found["components"], found["resolved"]) == (
        "MINOR",
        ["stripe"],
        None,
    )
    states = [update["state"] for update in found["updates"]]  # type: ignore[attr-defined]
    assert states == ["investigating", "identified", "identified"]
    monitor.status_page_(c, to=str(tmp_path / "status"))
    page = (tmp_path / "status/index.html").read_text()
    assert "Cards are refused" in page
    assert "Payments" in page
    assert json.loads((tmp_path / "status/status.json").read_text())["state"] == "degraded"
    monitor.incident(c, id=1, state="resolved", text="It works again.")
    monitor.incidents(c)
    assert "0 open, 1 resolved" in capsys.readouterr().out
    assert audit.read(site.database)[-1].event == "monitor.incident"
    with pytest.raises(Refused, match="not confirmed"):
        monitor.incident(c, id=1, remove=True)
    monitor.incident(c, id=1, remove=True, yes=True)
    assert listed(c, capsys) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "x"}, "needs a title"),
        ({"title": "x"}, "needs a text"),
        ({"title": "x", "text": "x", "state": "over"}, "over is no state"),
        ({"title": "x", "text": "x", "severity": "bad"}, "bad is no severity"),
        ({"title": "x", "text": "x", "components": "worker,turso"}, "turso is not on the status"),
        ({"title": "x", "text": "x", "since": "soon"}, "no length of time"),
        ({"title": "x", "text": "x" * 2001}, "too long"),
        ({"title": "x", "text": "the key is canary-of-the-status-page"}, "a secret's value"),
        ({"id": 7, "text": "x"}, "there is no incident 7"),
        ({"id": 7, "remove": True}, "there is no incident 7"),
    ],
)
def test_what_customers_could_not_read_is_refused(
    c: Context,
    site: Site,
    status_page: None,
    capsys: pytest.CaptureFixture[str],
    given: dict[str, object],
    said: str,
) -> None:
    Secret("canary-of-the-status-page", "A_KEY")
    with pytest.raises(Refused, match=said):
        monitor.incident(c, **given)
    assert listed(c, capsys) == []
    tables = site.database.execute("SELECT name FROM sqlite_schema").rows
    assert "_release_audit" not in {row.values_in_order[0] for row in tables}  # nothing was noted


def test_a_dry_run_says_nothing_to_anybody(
    c: Context, dry: Context, site: Site, status_page: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor.incident(dry, title="x", text="x")
    assert listed(c, capsys) == []


def test_without_a_status_page_there_are_no_incidents(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "_rules", lambda _c: Rules())
    with pytest.raises(Refused, match="there is no public status page"):
        monitor.incidents(c)
