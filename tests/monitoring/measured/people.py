"""What people are told, how often, and what they can do about it."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import responses

from tests.monitoring.fleet import Fleet, failed
from tests.monitoring.incidents import DATABASE, DAY, MORNING, Service
from tests.monitoring.measured.figure import Figure
from tests.support.monitoring import Hands, SQLite
from tests.support.project import LOCAL_VALUES, using_everything
from xswarm_deploy.errors import DeployError, NotRolledBack, StepFailed
from xswarm_deploy.release import failure_alert
from xswarm_deploy.release.release import Release
from xswarm_deploy.settings.settings import CONFIG, load
from xswarm_monitoring import alert_state
from xswarm_monitoring.alert import NAMES, Alert, Severity, service_outage
from xswarm_monitoring.alert_state import AlertState, Silence, What
from xswarm_monitoring.health import Check
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.rules import judge
from xswarm_monitoring.slo import Slo
from xswarm_monitoring.surroundings import Surroundings
from xswarm_monitoring.window import Window

DATABASE_NAME = "service-outage"
CHANNELS = {
    "ADMIN_EMAIL": "admin@xswarm.test",
    "ADMIN_PHONE": "+15005550010",
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000001",
    "TWILIO_AUTH_TOKEN_TEST": "token-of-a-test",
    "TWILIO_PHONE_NUMBER": "+15005550006",
    "WORKER_URL": "https://boss.test",
}


def figures() -> Iterator[Figure]:
    """Measure each, by a clock that is turned."""
    yield storm()
    yield from day()
    yield flapping()
    yield silences()
    yield limited()
    yield failed_release()
    yield objectives()


def storm() -> Figure:
    """Let ten customers' payments fail within five seconds, in five isolates."""
    hands, sqlite = Hands(), SQLite()
    fleet = Fleet(hands, sqlite.execute, 5)
    asyncio.run(fleet.tell_all([failed(number) for number in range(10)]))
    sqlite.connection.close()
    (headline,) = fleet.people.headlines or ("",)
    return Figure(
        "ten customers' payments fail in 5 s",
        "9 messages on Slack, 9 mails",
        f"{len(fleet.people.read)} message: “{headline.partition(': ERROR: ')[2]}”",
        fleet.people.headlines == ["s: ERROR: 10 payments failed, 290.00 USD"],
    )


def day() -> Iterator[Figure]:
    """Live through a day of incidents, and read what the history has of the outage."""
    lived = asyncio.run(Service(Hands(MORNING)).live())
    kept = [what for what, name in lived.history if name == DATABASE_NAME]
    yield Figure(
        "a database that was away for 15 minutes",
        "not in the history afterwards",
        f"told after {lived.minutes(DATABASE)} min; the history has {' and '.join(kept)}",
        kept == ["firing", "resolved"],
    )
    slack = [text for _, channel, text in lived.messages if channel == "Slack"]
    yield Figure(
        "a day of seven incidents, one of them 50 failed payments",
        "a message a customer",
        f"{len(slack)} messages on Slack, {len(lived.on)} alerts still on",
        len(slack) == 2 * len(DAY) - 1 and not lived.on,
    )


def flapping() -> Figure:
    """Let an alert be due every other round, for four hours."""
    state, told = AlertState(), list[tuple[int, What]]()
    down = service_outage("database", "no answer")
    for minute in range(12 * 60):
        due = [down] if minute % 2 and minute < 240 else []
        told += [(minute, notice.what) for notice in state.advance(due, 60.0 * minute)]
        state = alert_state.load(state.dump())
    first, what = told[0]
    return Figure(
        "due every other round, for four hours",
        "no message",
        f"{len(told)} messages, the first after {first} min: {what.value}",
        what is What.FLAPPING and told[-1][1] is What.RESOLVED and len(told) < 8,
    )


def silences() -> Figure:
    """Silence each alert by its name as documents write it, and one that there is not."""
    matched = [
        name
        for name in NAMES
        if Silence(name, 1.0, "").matches(
            Alert(name, Severity.ERROR, "x", labels={"component": "database"})
        )
    ]
    wrong = Silence("service-outages", 1.0, "").matches(service_outage("database", "x"))
    return Figure(
        "a silence by a name of the documents",
        "matches nothing, and nothing warns",
        f"{len(matched)} of {len(NAMES)} match; a wrong name is warned of",
        len(matched) == len(NAMES) and not wrong,
    )


def limited() -> Figure:
    """Let a provider answer 429."""
    checks = [Check("anthropic", "warn", False, 1.0, 0.0, "HTTP 429: it is busy")]
    due = judge(Window(0, 0), checks)
    return Figure(
        "a provider answers 429",
        "no message",
        ", ".join(f"`{each.name}`, {each.severity.name}" for each in due) or "no message",
        [each.name for each in due] == ["api-rate-limit"],
    )


def failed_release() -> Figure:
    """Let releases fail, undone and not wholly, and count who is told beside Slack."""
    undone, not_wholly = (
        StepFailed("migrate failed", "x"),
        NotRolledBack("r2 is not as it was", "x"),
    )
    told = [told_of(each) for each in (undone, not_wholly)]
    return Figure(
        "a failed release; one that was not brought back",
        "one line on Slack each",
        f"Slack, {' and '.join(told[0])}; Slack, {' and '.join(told[1])}",
        told == [["email"], ["email", "sms"]],
    )


@responses.activate
def told_of(ended: DeployError) -> list[str]:
    """Return the channels by which a release's failure is delivered, beside Slack."""
    responses.post(re.compile("https://api.sendgrid.com/.*"), status=202)
    responses.post(re.compile("https://api.twilio.com/.*"), status=201, json={})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / CONFIG / "local.env"
        file.parent.mkdir(parents=True)
        values = {**LOCAL_VALUES, "TURSO_DATABASE_URL": f"file:{folder}/app.db", **CHANNELS}
        file.write_text("".join(f'{name}="{value}"\n' for name, value in values.items()))
        settings = load("local", using_everything(None), Path(folder), {})
    record = SimpleNamespace(kind="deploy", release="7")
    failed = SimpleNamespace(site=SimpleNamespace(settings=settings), record=record)
    went = failure_alert.tell(cast(Release, failed), ended)
    return sorted(name for name, outcome in went.items() if outcome == "delivered")


def objectives() -> Figure:
    """Burn an availability's budget 20, 8 and 2 times as fast as it may, and see who is told."""
    slo, found = Slo.read({"availability": 0.999}), list[str]()
    for burning in (20, 8, 2, 0.5):
        metrics = Metrics()
        for number in range(10_000):
            metrics.requests.observe("/", "GET", 503 if number < burning * 10 else 200, 0.1)
        measured = metrics.total()

        async def read(_seconds: float, measured: Window = measured) -> Window:
            return measured

        due = asyncio.run(slo.alerts(read))
        found += [each.severity.name if each.name == "error-budget" else each.name for each in due]
        around = [Surroundings("https://wiki.test/{name}", "https://s.test").around(a) for a in due]
        found += [each.name for each in around if set(each.links) != {"runbook", "dashboard"}]
    return Figure(
        "an error budget that burns 20, 8, 2 and 0.5 times as fast as it may",
        "no objectives, no runbook links",
        f"{', '.join(found)}, nothing; each with its runbook's link",
        found == ["CRITICAL", "ERROR", "WARNING"],
    )
