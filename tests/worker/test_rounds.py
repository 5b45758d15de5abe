"""What the Worker's cron trigger does, with providers and channels that answer over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from boss import providers

from tests.support.events import event, stripe
from tests.worker.isolate import SECRETS, Bucket, Isolate
from tests.worker.world import PROVIDERS, World, forget_measures, opened
from xswarm_deploy.database.client import Database
from xswarm_monitoring.alert import payment_failed
from xswarm_monitoring.alert_state import AlertState
from xswarm_monitoring.health import Probe
from xswarm_monitoring.probe_header import HEADER, ProbedRequest, sign

pytestmark = pytest.mark.slow

NOW = 1_800_000_000.0
TIMEOUT = providers.TIMEOUT  # as the Worker has it, not the tests
ADMIN = {"authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}


@pytest.fixture
def world() -> Iterator[World]:
    with opened() as made:
        yield made


@pytest.fixture
def clean(database: Database) -> Database:
    """The database without what was measured and told before."""
    forget_measures(database)
    return database


@pytest.fixture
def service(start: Callable[..., Isolate], clean: Database, world: World) -> Isolate:
    return start(TURSO_DATABASE_URL=clean.url, **world.variables)


def checks(isolate: Isolate) -> tuple[int, dict[str, dict[str, Any]]]:
    answer = isolate.ask("GET", "/health/detailed", headers=ADMIN)
    found = answer.json()["checks"]
    return answer.status, {name.partition(":")[0]: entry for name, (entry,) in found.items()}


def test_every_provider_is_asked_by_its_key(service: Isolate, world: World) -> None:
    status, found = checks(service)
    assert status == 200
    assert set(found) == {"database", "storage", "configuration", *PROVIDERS.values()}
    assert all(entry["status"] == "pass" for entry in found.values()), found
    assert not any(found[name]["critical"] for name in PROVIDERS.values())
    keys = dict(world.asked)
    assert keys["anthropic"]["x-api-key"] == "sk-ant-canary"
    assert keys["openai"]["authorization"] == "Bearer sk-canary"
    assert keys["stripe"]["authorization"] == "Bearer sk_test_canary"
    assert keys["sendgrid"]["authorization"] == "Bearer SG.canary"
    assert keys["twilio"]["authorization"].startswith("Basic ")


def test_a_storm_of_probes_costs_a_provider_one_call(service: Isolate, world: World) -> None:
    for _ in range(30):
        checks(service)
    assert sorted(name for name, _ in world.asked) == sorted(PROVIDERS.values())


def test_nobody_is_asked_whose_key_there_is_not(start: Callable[..., Isolate]) -> None:
    _, found = checks(start())
    assert set(found) == {"database", "storage", "configuration"}


def test_silent_providers_cost_half_a_second_and_nobody_is_down(
    service: Isolate, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "TIMEOUT", TIMEOUT)
    world.silent, service.done = set(PROVIDERS.values()), world.left
    status, found = checks(service)
    told = [found[name] for name in PROVIDERS.values()]
    assert (status, {each["status"] for each in told}) == (200, {"warn"})
    assert {each["output"] for each in told} == {"no answer within 400 ms"}
    # Less than their silence lasts, by which a busy machine cannot be late.
    assert all(400 <= each["observedValue"] < 20_000 for each in told), told


@pytest.mark.parametrize(
    ("name", "answered", "status"),
    [
        ("stripe", 401, "fail"),
        ("stripe", 403, "pass"),
        ("sendgrid", 403, "fail"),
        ("anthropic", 402, "fail"),
        ("anthropic", 529, "warn"),
        ("twilio", 429, "warn"),
        ("twilio", 500, "fail"),
    ],
)
def test_answers_are_understood(
    service: Isolate, world: World, name: str, answered: int, status: str
) -> None:
    world.status = {name: answered}
    http, found = checks(service)
    assert (http, found[name]["status"]) == (200, status)
    assert "canary" not in json.dumps(found)


def test_a_round_keeps_what_was_measured(service: Isolate, clean: Database) -> None:
    service.ask("GET", "/")
    service.go_round(NOW)
    rows = clean.query("SELECT data FROM monitoring_windows")
    assert [row for row in rows if '"/"' in row.text("data")]


def test_a_quiet_round_writes_nothing_more(service: Isolate, clean: Database) -> None:
    for minute in range(3):
        service.go_round(NOW + 60 * minute)
    before = clean.query("SELECT revision FROM monitoring_book")
    service.go_round(NOW + 240)
    assert clean.query("SELECT revision FROM monitoring_book") == before


def test_an_outage_is_told_by_all_channels_once_and_then_that_it_is_over(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    broken = start(TURSO_DATABASE_URL=clean.url, **world.variables, JWT_SECRET="")
    broken.go_round(NOW)
    assert world.told == []
    broken.go_round(NOW + 60)
    assert world.heard("CRITICAL: configuration is down") == ["email", "slack", "sms"]
    other = start(TURSO_DATABASE_URL=clean.url, **world.variables, JWT_SECRET="")
    other.go_round(NOW + 120)  # another isolate: it knows what was told
    assert len(world.told) == 3
    well = start(TURSO_DATABASE_URL=clean.url, **world.variables)
    for minute in range(3, 9):
        well.go_round(NOW + 60 * minute)
    assert world.heard("RESOLVED: configuration is down") == ["email", "slack", "sms"]
    assert len(world.told) == 6


def test_an_outage_of_the_database_is_told_without_it_and_ends_with_it(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    away = start(**world.variables)  # no database answers there
    for minute in range(3):
        away.go_round(NOW + 60 * minute)
    assert world.heard("CRITICAL: database is down") == ["email", "slack", "sms"]
    assert list(away.bucket.objects) == ["monitoring/alerts.json"]
    back = start(TURSO_DATABASE_URL=clean.url, **world.variables)
    back.bucket = away.bucket
    for minute in range(3, 9):
        back.go_round(NOW + 60 * minute)
    assert world.heard("RESOLVED: database is down") == ["email", "slack", "sms"]
    assert len(world.told) == 6
    back.go_round(NOW + 2 * 3600)  # it does not come and go: nothing is left to remember
    assert not back.bucket.objects


class Away(Bucket):
    """A bucket that answers nothing."""

    async def get(self, key: str) -> Any:
        raise ConnectionError(f"get {key}: internal error (10001)")

    head = get


def test_an_outage_of_the_bucket_is_told_and_keeps_no_other_from_being_told(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    broken = start(TURSO_DATABASE_URL=clean.url, **world.variables, JWT_SECRET="")
    broken.bucket = Away()
    for minute in range(2):
        broken.go_round(NOW + 60 * minute)
    assert world.heard("storage does not work") == ["slack"]
    assert world.heard("CRITICAL: configuration is down") == ["email", "slack", "sms"]


def test_with_database_and_bucket_away_people_are_told_once_and_then_that_it_is_over(
    start: Callable[..., Isolate],
    clean: Database,
    world: World,
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = start(**world.variables)  # no database answers there
    away.bucket = Away()
    for minute in range(1, 9):
        away.go_round(NOW + 60 * minute)
    assert world.heard("CRITICAL: database is down") == ["email", "slack", "sms"]
    assert "the state of the alerts was not read or kept as usual" in capsys.readouterr().out


def test_a_state_in_the_bucket_that_is_torn_is_said_in_log_metrics_and_history(
    start: Callable[..., Isolate],
    clean: Database,
    world: World,
    capsys: pytest.CaptureFixture[str],
) -> None:
    isolate = start(TURSO_DATABASE_URL=clean.url, **world.variables)
    torn = isolate.bucket.put("monitoring/alerts.json", b'{"revisi', httpMetadata={})
    asyncio.run(torn)
    isolate.go_round(NOW)
    isolate.go_round(NOW + 60)
    assert world.heard("What was kept of alerts could not be read") == ["slack"]
    assert "all of it: JSONDecodeError" in capsys.readouterr().out
    text = isolate.ask("GET", "/api/metrics?format=prometheus", headers=ADMIN).body
    assert b"monitor_alert_state_faults_total 1" in text
    history = isolate.ask("GET", "/api/alerts", headers=ADMIN).json()["history"]
    assert [each["alert"]["name"] for each in history] == ["alerts-forgotten"]


def test_with_slack_and_mail_out_the_sms_still_arrives(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    world.status = {"slack": 403, "email": 401}
    broken = start(TURSO_DATABASE_URL=clean.url, **world.variables, JWT_SECRET="")
    for minute in range(2):
        broken.go_round(NOW + 60 * minute)
    assert world.heard("configuration is down") == ["sms"]


def test_a_dead_mans_switch_hears_of_rounds_that_reached_people(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    switch = {"HEARTBEAT_URL": f"{world.url}/heartbeat"}
    start(TURSO_DATABASE_URL=clean.url, **world.variables, **switch).go_round(NOW)
    assert world.heard() == ["heartbeat"]
    start(**world.variables, **switch).go_round(NOW + 60)  # it watches on without the database
    assert world.heard() == ["heartbeat"] * 2

    world.status = {"slack": 403, "email": 401, "sms": 401}
    broken = start(TURSO_DATABASE_URL=clean.url, **world.variables, **switch, JWT_SECRET="")
    broken.go_round(NOW + 120)
    assert world.heard() == ["heartbeat"] * 3
    broken.go_round(NOW + 180)  # it could tell nobody: by its silence the switch does
    assert world.heard() == ["heartbeat"] * 3


def test_a_dead_mans_switch_that_is_away_ends_no_round(
    start: Callable[..., Isolate],
    clean: Database,
    world: World,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.status = {"heartbeat": 503}
    variables = {**world.variables, "HEARTBEAT_URL": f"{world.url}/heartbeat"}
    start(TURSO_DATABASE_URL=clean.url, **variables).go_round(NOW)
    printed = capsys.readouterr().out
    assert "the dead-man's switch did not hear of this round" in printed
    assert "/heartbeat" not in printed  # who knows the address may keep the switch quiet


def test_a_failed_payment_is_told_at_once(service: Isolate, world: World) -> None:
    failed = event("invoice.payment_failed", amount_due=1250, currency="usd", customer="cus_1")
    assert stripe(service, failed).status == 200
    assert world.heard("A payment of 12.50 USD failed") == ["email", "slack"]
    paid = event("invoice.payment_succeeded", 1_700_000_001, amount_due=99, currency="usd")
    assert stripe(service, paid).status == 200
    assert len(world.told) == 2
    measured = service.ask("GET", "/api/metrics?window=1h", headers=ADMIN).json()["business"]
    assert [(p["outcome"], p["amount"]) for p in measured["payments"]] == [
        ("failed", 12.5),
        ("succeeded", 0.99),
    ]


def test_an_api_call_is_counted_by_its_customer(service: Isolate) -> None:
    person = {"email": "zoe@example.org", "password": "correct horse battery"}
    token = service.ask("POST", "/api/auth/signup", person).json()["token"]
    session = {"authorization": f"Bearer {token}"}
    user = service.ask("GET", "/api/auth/me", headers=session).json()["user"]["id"]
    customer = hashlib.sha256(user.encode()).hexdigest()[:12]
    business = service.ask("GET", "/api/metrics", headers=ADMIN).json()["business"]
    assert business["api_calls"] == {"total": 1, "listed": [{"customer": customer, "count": 1}]}
    assert business["signups"]["total"] == 1


def with_patience(**seconds: float) -> Callable[..., list[Probe]]:
    """Return what makes the providers' probes, some of them with a patience of their own."""
    probes = providers.probes
    return lambda *given: [
        replace(probe, patience=seconds.get(probe.name, 60.0)) for probe in probes(*given)
    ]


def test_who_is_only_slow_is_not_told_of_and_who_is_silent_is(
    service: Isolate, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "TIMEOUT", 0.05)
    monkeypatch.setattr(providers, "probes", with_patience(stripe=60.0, twilio=0.2))
    world.slow, world.silent, service.done = {"stripe": 0.15}, {"twilio"}, world.left
    checks(service)
    for minute in range(2):
        service.go_round(NOW + 60 * minute)
    _, found = checks(service)
    assert (found["stripe"]["status"], found["twilio"]["status"]) == ("pass", "fail")
    assert world.heard("twilio does not work; the service does without it") == ["slack"]
    assert world.heard("stripe") == []


def test_an_event_waits_for_a_round_that_is_under_way(
    service: Isolate, clean: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xswarm_monitoring.scheduler._PAUSE", 0.01)
    service.go_round(NOW)
    busy = json.loads(AlertState().dump()) | {"telling_until": time.time() + 3600}
    clean.execute("DELETE FROM monitoring_book")
    clean.execute("INSERT INTO monitoring_book VALUES (1, 7, ?)", (json.dumps(busy),))
    failed = event("invoice.payment_failed", 1_700_000_500, amount_due=100, currency="usd")
    assert stripe(service, failed).status == 200
    assert world.heard("A payment of 1.00 USD failed") == ["email", "slack"]


def test_an_event_is_told_without_the_database(start: Callable[..., Isolate], world: World) -> None:
    rounds = start(**world.variables)
    told = payment_failed("cus_1", 5, "usd", "")
    asyncio.run(rounds.application._rounds(rounds.bindings).tell(rounds.bindings, told))
    assert world.heard("A payment of 5.00 USD failed") == ["email", "slack"]


def rounds_of(service: Isolate, minutes: int = 2) -> None:
    for minute in range(minutes):
        service.go_round(NOW + 60 * minute)


@pytest.mark.parametrize(
    ("rules", "rounds", "told"),
    [
        ("{}", 2, ["email", "slack", "sms"]),
        ("{}", 1, []),
        ('{"hold": 0}', 1, ["email", "slack", "sms"]),
        ('{"hold": 600}', 2, []),
        ("not JSON", 2, ["email", "slack", "sms"]),
        ('{"hold": "soon"}', 2, ["email", "slack", "sms"]),
    ],
)
def test_the_policy_that_came_with_the_release_acts(
    start: Callable[..., Isolate],
    clean: Database,
    world: World,
    rules: str,
    rounds: int,
    told: list[str],
) -> None:
    """What cannot be read leaves the usual rules on: no release sends it."""
    variables = {**world.variables, "MONITORING_RULES": rules, "JWT_SECRET": ""}
    rounds_of(start(TURSO_DATABASE_URL=clean.url, **variables), rounds)
    assert world.heard("configuration is down") == told


@pytest.mark.parametrize(("limit", "told"), [(0.05, ["email", "slack"]), (1.0, [])])
def test_the_thresholds_that_came_with_the_release_act(
    start: Callable[..., Isolate], clean: Database, world: World, limit: float, told: list[str]
) -> None:
    rules = json.dumps({"hold": 0, "thresholds": {"error_rate": limit, "least": 1}})
    service = start(TURSO_DATABASE_URL=clean.url, **world.variables, MONITORING_RULES=rules)
    clean.execute("ALTER TABLE suggestions RENAME TO elsewhere")
    try:
        assert service.ask("GET", "/api/suggestions").status == 500
    finally:
        clean.execute("ALTER TABLE elsewhere RENAME TO suggestions")
    service.go_round(time.time())
    assert world.heard("of requests fail") == told


def test_the_rounds_write_what_the_public_status_page_shows(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    shown = {"title": "Shop", "components": {"worker": "Shop", "configuration": "Settings"}}
    rules = json.dumps({"hold": 0, "status_page": {**shown, "incidents_from": "critical"}})
    variables = {**world.variables, "MONITORING_RULES": rules}
    service = start(TURSO_DATABASE_URL=clean.url, **variables, JWT_SECRET="")
    for minutes in (2, 1, 0):
        service.go_round(time.time() - 60 * minutes)
    answer = service.ask("GET", "/status/public.json")
    told = answer.json()
    assert [(each["name"], each["state"]) for each in told["components"]] == [
        ("Shop", "up"),
        ("Settings", "down"),
    ]
    assert [each["title"] for each in told["incidents"]] == ["Settings: disruption"]
    assert "JWT_SECRET" not in answer.body.decode()
    page = service.ask("GET", "/status/public")
    policies = [value for name, value in page.headers if name == "content-security-policy"]
    assert len(policies) == 1
    assert "style-src 'sha256-" in policies[0]
    silent = start(TURSO_DATABASE_URL=clean.url, **world.variables)
    assert silent.ask("GET", "/status/public").status == 404


def test_a_probe_that_fails_alerts_nobody(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    rules = json.dumps({"hold": 0, "thresholds": {"least": 1}})
    service = start(TURSO_DATABASE_URL=clean.url, **world.variables, MONITORING_RULES=rules)
    request = ProbedRequest("boss.example", "GET", "/api/suggestions")
    mark = {HEADER.lower(): sign([SECRETS["ADMIN_TOKEN"]], request, time.time())}
    clean.execute("ALTER TABLE suggestions RENAME TO elsewhere")
    try:
        answer = service.ask("GET", "/api/suggestions", headers={"host": "boss.example", **mark})
        assert answer.status == 500
    finally:
        clean.execute("ALTER TABLE elsewhere RENAME TO suggestions")
    service.go_round(time.time())
    assert world.told == []


def test_several_people_are_told(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    people = {
        "ADMIN_EMAIL": "admin@example.org, second@example.org",
        "ADMIN_PHONE": "+15551234567,+15557654321",
        "SENDGRID_FROM_NAME": "The Boss",
    }
    variables = {**world.variables, **people, "JWT_SECRET": ""}
    rounds_of(start(TURSO_DATABASE_URL=clean.url, **variables))
    assert world.heard("configuration is down") == ["email", "slack", "sms", "sms"]
    mail = json.loads(next(body for name, body in world.told if name == "email"))
    assert mail["from"] == {"email": "boss@example.org", "name": "The Boss"}
    assert [to["email"] for to in mail["personalizations"][0]["to"]] == [
        "admin@example.org",
        "second@example.org",
    ]


def test_providers_have_as_long_as_api_timeout_ms(
    start: Callable[..., Isolate], clean: Database, world: World
) -> None:
    """The probes of these tests are patient; so it is the call's own limit that ends it."""
    world.slow = {"stripe": 1.0}
    quick = start(TURSO_DATABASE_URL=clean.url, **world.variables, API_TIMEOUT_MS="300")
    assert checks(quick)[1]["stripe"]["status"] == "fail"
    patient = start(TURSO_DATABASE_URL=clean.url, **world.variables, API_TIMEOUT_MS="30000")
    assert checks(patient)[1]["stripe"]["status"] == "pass"
