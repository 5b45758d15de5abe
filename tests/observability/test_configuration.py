from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.ssh import SECRETS
from xswarm_deploy.errors import Refused
from xswarm_deploy.observability import alertmanager, expressions, grafana, rule_tests, rules
from xswarm_deploy.observability.files import all_files, write
from xswarm_deploy.observability.stack import (
    HEARTBEAT_URL,
    SLACK_URL,
    Contacts,
    Stack,
    Timing,
    duration,
    of,
    require_sound,
    watching,
)
from xswarm_deploy.settings.settings import Settings
from xswarm_monitoring import rules as judged
from xswarm_monitoring.abuse import SIGNS
from xswarm_monitoring.alert import NAMES, Alert, Severity
from xswarm_monitoring.health import FAIL, Check
from xswarm_monitoring.instruments import ABUSE, PAYMENTS, QUERIES, REQUESTS
from xswarm_monitoring.rules import Rules, Thresholds
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.slo import Slo
from xswarm_monitoring.window import Window


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def written(stack: Stack, tmp_path: Path) -> Path:
    folder = tmp_path / "written"
    write(stack, folder)
    return folder


@pytest.mark.slow
@pytest.mark.needs("promtool", "amtool")
def test_the_tools_find_no_fault(written: Path) -> None:
    secrets = written / "secrets"
    secrets.mkdir()
    (secrets / "admin-token").touch()
    for command in (
        ("promtool", "check", "config", "prometheus.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ):
        ended = run(written, *command)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.needs("promtool")
def test_every_alert_is_due_when_it_should_be(written: Path) -> None:
    ended = run(written, "promtool", "test", "rules", "rules.test.yml", "slo.test.yml")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    "thresholds",
    [
        Thresholds(error_rate=0.02, response_p95=0.5, query_p95=1.0, payment_failures=0.5),
        Thresholds(query_errors=0.5, least=100, response_p95=4.0, query_p95=3.0),
    ],
)
@pytest.mark.parametrize("window", [120.0, 600.0])
def test_so_it_is_with_other_thresholds_and_windows(
    stack: Stack, tmp_path: Path, thresholds: Thresholds, window: float
) -> None:
    timing = Timing(window=window, pending=window / 2)
    write(dataclasses.replace(stack, thresholds=thresholds, timing=timing), tmp_path)
    ended = run(tmp_path, "promtool", "test", "rules", "rules.test.yml")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.needs("promtool")
def test_a_wrong_rule_is_found_by_its_tests(written: Path) -> None:
    file = written / "rules.yml"
    right = file.read_text()
    assert right.count("> 0.05") == 2
    file.write_text(right.replace("> 0.05", "> 0.07", 1))
    ended = run(written, "promtool", "test", "rules", "rules.test.yml")
    assert ended.returncode == 1
    assert "high-error-rate" in ended.stdout + ended.stderr


def test_each_alert_has_a_case_in_which_it_is_due_and_one_in_which_not(stack: Stack) -> None:
    names = {rule.name for rule in rules.rules(stack)}
    cases = rule_tests.cases(stack)
    assert {case.alert for case in cases if case.due} == names
    assert {case.alert for case in cases if not case.due} == names - {"watchdog"}  # always on


@pytest.mark.slow
@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    "thresholds",
    [
        {"error_rate": 0.005, "query_errors": 0.001, "payment_failures": 0.99},
        {"error_rate": 0, "query_errors": 1, "payment_failures": 1},
        {"response_p95": 0.0005, "query_p95": 63.9, "least": 5000},
        {"response_p95": 0.0013, "least": 1, "scans": 0.5, "rate_limited": 100_000},
    ],
)
def test_any_threshold_that_is_taken_has_tests_that_pass(
    stack: Stack, tmp_path: Path, thresholds: dict[str, float]
) -> None:
    """`monitor.install` lets promtool run them on the host, and takes all back where one fails."""
    limits = Rules.read({"thresholds": thresholds}).thresholds
    address = "https://wiki.test/{name}?q={{ $labels.x }}{{ foo }}"
    slo = Slo.read({"availability": 0.999999, "latency": {"target": 0.5, "threshold": 0.001}})
    odd = dataclasses.replace(stack, thresholds=limits, runbook=address, dashboard=address, slo=slo)
    write(odd, tmp_path)
    ended = run(tmp_path, "promtool", "test", "rules", "rules.test.yml", "slo.test.yml")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["response_p95", "query_p95"])
def test_a_threshold_beyond_the_histogram_is_refused(stack: Stack, name: str) -> None:
    limits = dataclasses.replace(stack.thresholds, **{name: 64})
    with pytest.raises(Refused, match=f"never tell of monitor.thresholds.{name}"):
        require_sound(dataclasses.replace(stack, thresholds=limits))


def test_the_alerts_are_those_of_the_watch_by_name_and_severity(stack: Stack) -> None:
    """What Prometheus cannot know is left out: the memory of an isolate."""
    ours = {(rule.name, rule.severity) for rule in rules.rules(stack)}
    theirs = {(alert.name, alert.severity) for alert in everything_wrong()}
    assert theirs - ours == {("high-memory", Severity.WARNING)}
    assert len(theirs) == 13


def everything_wrong() -> list[Alert]:
    slow = Sketch()
    for _ in range(100):
        slow.observe(10.0)
    measured = Window(
        0.0,
        60.0,
        {
            REQUESTS.name: {
                ("/", "GET", "500"): slow,
                ("/", "GET", "429"): slow,
                ("(unmatched)", "GET", "404"): slow,
            },
            QUERIES.name: {("SELECT", "error"): slow},
            PAYMENTS.name: {("EUR", "failed"): slow},
        },
        {ABUSE.name: {(sign.kind,): 100.0 for sign in SIGNS if sign.kind}},
        [],
    )
    checks = [Check(str(c), FAIL, c, 1.0, 0.0) for c in (True, False)]
    return judged.judge(measured, checks, memory=127 << 20, memory_limit=128 << 20)


def test_the_critical_components_are_those_of_the_worker(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2] / "worker/src")])
    from boss.app import probes

    from xswarm_monitoring.metrics import Metrics

    def fetch(*_given: object, **_named: object) -> Any:
        raise AssertionError("nothing is asked here")

    environment = SimpleNamespace(TURSO_DATABASE_URL="https://database.example")
    asked = probes(environment, fetch, Metrics())
    assert set(stack.critical) == {probe.name for probe in asked if probe.critical}


def test_a_label_that_a_family_has_not_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="has no label code"):
        expressions.rate(REQUESTS, "5m", {"code": "5.."})


@pytest.mark.needs("amtool")
@pytest.mark.parametrize(
    ("severity", "labels", "receiver", "ways"),
    [
        ("INFO", {}, "INFO", {"slack"}),
        ("WARNING", {}, "WARNING", {"slack"}),
        ("ERROR", {}, "ERROR", {"slack", "email"}),
        ("CRITICAL", {}, "CRITICAL", {"slack", "email", "webhook"}),
        ("unknown", {}, "WARNING", {"slack"}),
    ],
)
def test_who_is_told_of_what(
    written: Path, severity: str, labels: Mapping[str, str], receiver: str, ways: set[str]
) -> None:
    command = ("amtool", "config", "routes", "test", "--config.file=alertmanager.yml")
    ended = run(written, *command, f"severity={severity}")
    assert ended.stdout.strip() == receiver
    receivers = yaml.safe_load((written / "alertmanager.yml").read_text())["receivers"]
    found = next(each for each in receivers if each["name"] == receiver)
    assert {name.removesuffix("_configs") for name in found if name != "name"} == ways


def test_what_goes_on_is_told_again_as_the_policy_says(stack: Stack) -> None:
    policy = Rules.read({"repeat": {"critical": 600, "info": 0}}).policy
    timing = watching(300.0, policy)
    routes = alertmanager.file(dataclasses.replace(stack, timing=timing))["route"]["routes"]
    told = {each["receiver"]: each["repeat_interval"] for each in routes}
    assert told.pop("heartbeat") == "30s"
    assert told == {"CRITICAL": "10m", "ERROR": "4h", "WARNING": "1d", "INFO": "5m"}


def test_that_people_cannot_be_told_of_an_outage_is_told_during_it(stack: Stack) -> None:
    outage, *_ = alertmanager.file(stack)["inhibit_rules"]
    assert 'alertname!~"alerts-not-delivered|watchdog"' in outage["target_matchers"]


@pytest.mark.needs("amtool")
@pytest.mark.parametrize("sms", [True, False])
def test_what_is_always_on_goes_to_the_dead_mans_switch(
    stack: Stack, tmp_path: Path, sms: bool
) -> None:
    contacts = stack.contacts if sms else dataclasses.replace(stack.contacts, sms=None)
    given = dataclasses.replace(stack, contacts=contacts)
    write(given, tmp_path)
    command = ("amtool", "config", "routes", "test", "--config.file=alertmanager.yml")
    ended = run(tmp_path, *command, "alertname=watchdog", "severity=INFO")
    assert ended.stdout.strip() == "heartbeat"
    assert [each for each in all_files(given) if each.path.name == "bridge.json"]


def test_without_a_switch_nothing_is_always_on(stack: Stack) -> None:
    secrets = {name: each for name, each in stack.secrets.items() if name != HEARTBEAT_URL}
    given = dataclasses.replace(stack, secrets=secrets)
    assert not [rule for rule in rules.rules(given) if rule.name == "watchdog"]
    receivers = [each["name"] for each in alertmanager.file(given)["receivers"]]
    assert "heartbeat" not in receivers


@pytest.mark.needs("amtool")
@pytest.mark.parametrize(
    ("way", "shown"),
    [
        ("slack_configs", "c&lt;!channel&gt; CRITICAL: all is down &amp; out"),
        ("email_configs", "c<!channel> CRITICAL: all is down & out"),
    ],
)
def test_a_label_forges_no_line_of_a_message(
    written: Path, tmp_path: Path, way: str, shown: str
) -> None:
    made = yaml.safe_load((written / "alertmanager.yml").read_text())["receivers"]
    text = next(each[way][0]["text"] for each in made if way in each)
    summary = "c<!channel>\nCRITICAL: all is down\r\n& out"
    alert = {
        "status": "firing",
        "labels": {"severity": "WARNING"},
        "annotations": {"summary": summary, "remedy": "inv x"},
        "startsAt": "2026-11-30T10:00:00Z",
    }
    (tmp_path / "data.json").write_text(json.dumps({"status": "firing", "alerts": [alert]}))
    command = ["amtool", "template", "render", "--template.glob=*.none", f"--template.text={text}"]
    ended = run(tmp_path, *command, "--template.data=data.json")
    assert ended.stdout.splitlines()[:2] == [
        f"WARNING: {shown} (firing, since 2026-11-30T10:00:00Z)",
        "inv x",
    ], ended.stderr


def test_who_has_no_slack_is_told_by_mail(stack: Stack) -> None:
    contacts = dataclasses.replace(stack.contacts, slack=False, sms=None)
    made = alertmanager.file(dataclasses.replace(stack, contacts=contacts))
    people = [each for each in made["receivers"] if each["name"] != "heartbeat"]
    assert {tuple(each)[1] for each in people} == {"email_configs"}
    assert "slack_api_url_file" not in made["global"]


def test_no_file_that_is_written_holds_a_secret(written: Path) -> None:
    text = "".join(path.read_text() for path in written.iterdir() if path.is_file())
    assert [value for value in SECRETS.values() if value in text] == []


# Grafana's schema of annotations leaves these to the data source's plugin.
OF_THE_PLUGIN = ["annotations.list[0].titleFormat", "annotations.list[0].step"]


def test_grafanas_own_types_know_every_key_of_the_dashboard(stack: Stack) -> None:
    register_default_plugins()
    ours = json.loads(json.dumps(grafana.file(stack)))
    theirs = json.loads(json.dumps(Dashboard.from_json(ours), cls=JSONEncoder))
    assert lost(ours, theirs) == OF_THE_PLUGIN


def test_grafanas_types_lose_what_they_do_not_know(stack: Stack) -> None:
    register_default_plugins()
    ours = {**grafana.file(stack), "colour": "mauve"}
    theirs = json.loads(json.dumps(Dashboard.from_json(ours), cls=JSONEncoder))
    assert lost(ours, theirs) == [*OF_THE_PLUGIN, "colour"]


def lost(ours: Any, theirs: Any, at: str = "") -> list[str]:
    """Return the places where something of ours is missing or another."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        pairs = [
            (f"{at}.{name}".lstrip("."), value, theirs.get(name)) for name, value in ours.items()
        ]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"{at}[{n}]", a, b) for n, (a, b) in enumerate(zip(ours, theirs, strict=True))]
    else:
        return [] if ours == theirs else [at]
    return [place for where, a, b in pairs for place in lost(a, b, where)]


def test_panels_lie_side_by_side(stack: Stack) -> None:
    panels = grafana.file(stack)["panels"]
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.needs("promtool")
def test_prometheus_parses_all_that_the_dashboard_asks(stack: Stack, tmp_path: Path) -> None:
    asked = [e.replace(grafana.INTERVAL, "5m") for e in grafana.expressions(stack)]
    recorded = [{"record": f"shown:{n}", "expr": e} for n, e in enumerate(asked)]
    groups = {"groups": [{"name": "shown", "rules": recorded}]}
    (tmp_path / "shown.yml").write_text(yaml.safe_dump(groups))
    ended = run(tmp_path, "promtool", "check", "rules", "shown.yml")
    assert ended.returncode == 0, ended.stderr
    assert f"{len(asked)} rules found" in ended.stdout


@pytest.mark.parametrize(
    ("seconds", "written"), [(300, "5m"), (15.0, "15s"), (0.5, "500ms"), (90, "90s"), (7200, "2h")]
)
def test_lengths_of_time(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_the_settings_say_who_is_told(settings: Callable[..., Settings]) -> None:
    given = of(
        settings(
            {},
            SLACK_WEBHOOK_URL="https://hooks.slack.com/services/T0/B0/x",
            ADMIN_EMAIL="admin@xswarm.test",
            RATE_LIMIT_ENABLED="true",
            RATE_LIMIT_REQUESTS_PER_MINUTE="120",
        )
    )
    assert given.contacts == Contacts(True, "admin@xswarm.test", "boss@xswarm.test")
    assert (given.service, given.environment, given.calls_per_minute) == ("boss-ai", "local", 120)
    assert given.secrets[SLACK_URL].reveal() == "https://hooks.slack.com/services/T0/B0/x"


def test_nobody_to_tell_is_refused(settings: Callable[..., Settings]) -> None:
    with pytest.raises(Refused, match="nobody would be told"):
        of(settings({}))


DOCS = Path(__file__).resolve().parents[2] / "deployment/docs"


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_its_runbook_and_its_line_in_the_documents(name: str) -> None:
    assert f"\n### {name}\n" in (DOCS / "RUNBOOKS.md").read_text(encoding="utf-8")
    setup = (DOCS / "MONITORING_SETUP.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in setup or name == "test-alert"


def test_what_prometheus_alerts_by_has_them_too(stack: Stack) -> None:
    setup = (DOCS / "MONITORING_SETUP.md").read_text(encoding="utf-8")
    runbooks = (DOCS / "RUNBOOKS.md").read_text(encoding="utf-8")
    alerts = {
        rule["alert"]
        for group in rules.file(stack)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert "watchdog" in alerts
    for name in sorted(alerts):
        assert f"\n### {name}\n" in runbooks
        assert f"| `{name}` |" in setup


def test_what_prometheus_alerts_by_links_to_runbook_and_dashboard(stack: Stack) -> None:
    for group in rules.file(stack)["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                links = {key: rule["annotations"][key] for key in ("runbook_url", "dashboard_url")}
                assert links == {
                    "runbook_url": f"https://wiki.test/alerts#{rule['alert']}",
                    "dashboard_url": "https://boss.example/status",
                }
