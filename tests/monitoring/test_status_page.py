"""The public status page: what it shows, what it never shows, and what it costs."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import alert, status_record
from xswarm_monitoring.alert import Severity
from xswarm_monitoring.alert_state import Entry, State
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.health import Check, Probe, Prober
from xswarm_monitoring.incident import RESOLVED, Impact, Incident, Incidents, Update
from xswarm_monitoring.logs import Log
from xswarm_monitoring.rules import Rules
from xswarm_monitoring.status_endpoints import FEED, MACHINES, PATH, Published
from xswarm_monitoring.status_page import StatusPage
from xswarm_monitoring.status_record import Round
from xswarm_monitoring.uptime import DAY

NOON = 20_000 * DAY + DAY / 2
PAGE = StatusPage("Shop & Söhne", {"worker": "Shop", "database": "Accounts"}, "error")
ATOM = "{http://www.w3.org/2005/Atom}"
INTERNAL = "turso ConnectionError /users/{id} let-me-in v9.9.9 secret-probe"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "must be a block"),
        ({"colour": "red"}, "unknown monitor.status_page.colour"),
        ({"components": {}}, "at least one"),
        ({"components": {"worker": ""}}, "public name"),
        ({"components": "worker"}, "public name"),
        ({"incidents_from": "sometimes"}, "never, info, warning, error, critical"),
        ({"version": "yes"}, "true or false"),
        ({"contact": "javascript:alert(1)"}, "https:// or mailto:"),
        ({"title": 7}, "must be a text"),
    ],
)
def test_settings_that_do_not_fit_are_named(values: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rules.read({"status_page": values})
    assert Rules.read({}).status_page is None


def check(name: str, status: str, output: str = INTERNAL) -> Check:
    return Check(name, status, True, 1.0, NOON, output)


def entry(due: alert.Alert, since: float) -> Entry:
    return Entry(due, State.FIRING, since, since)


DOWN = alert.service_outage("database", INTERNAL)
RATE = alert.Alert("high-error-rate", Severity.ERROR, INTERNAL)


def rounds(sqlite: SQLite, hands: Hands, seen: Iterable[tuple[str, list[Entry]]]) -> None:
    """Go a round a minute, each with the database's status and the alerts that are on."""
    for status, on in seen:
        checks = [check("database", status), check("secret-probe", "fail")]
        told = Round(checks, [each.alert for each in on], on, hands.now, "worker")
        asyncio.run(status_record.keep(PAGE, sqlite.execute, told))
        hands.turn(60)


def test_of_two_alerts_of_a_component_the_graver_is_its_incident(
    sqlite: SQLite, hands: Hands
) -> None:
    worse = alert.Alert(RATE.name, Severity.CRITICAL, INTERNAL, labels={"route": "/pay"})
    on = [entry(RATE, hands.now), entry(worse, hands.now)]
    rounds(sqlite, hands, [("pass", on)])
    (shown,) = told(served(sqlite, hands))["incidents"]
    assert shown["severity"] == "critical"


def served(sqlite: SQLite, hands: Hands, page: StatusPage | None = PAGE, **more: Any) -> Monitor:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(INTERNAL)

    async def broken() -> None:
        raise ConnectionError(INTERNAL)

    return Monitor(
        app,
        service="boss-ai",
        version=lambda _env: "v9.9.9",
        probes=lambda _env: [Probe("database", broken), Probe("secret-probe", broken)],
        admin_token=lambda _env: "let-me-in",
        execute=more.get("execute", lambda _env: sqlite.execute),
        published=Published(
            lambda _env: page, lambda _env: "staging", lambda _env: "https://shop.test"
        ),
        prober=Prober(clock=hands.clock),
        clock=hands.clock,
    )


def get(monitor: Monitor, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"x=1"}
    asyncio.run(monitor(scope, None, send))  # type: ignore[arg-type]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"].decode()


def told(monitor: Monitor) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get(monitor, MACHINES)[2])
    return found


def test_a_day_with_an_outage_as_customers_read_it(sqlite: SQLite) -> None:
    hands = Hands(NOON)
    since = NOON + 10 * 60
    rounds(sqlite, hands, [("pass", [])] * 10)
    rounds(sqlite, hands, [("fail", [entry(DOWN, since), entry(RATE, since)])] * 20)
    monitor = served(sqlite, hands)
    now = told(monitor)
    assert (now["state"], now["summary"], now["timezone"]) == (
        "down",
        "Some systems are down",
        "UTC",
    )
    assert [(each["name"], each["state"]) for each in now["components"]] == [
        ("Shop", "degraded"),
        ("Accounts", "down"),
    ]
    opened = {each["title"]: each for each in now["incidents"]}
    assert set(opened) == {"Accounts: disruption", "Shop: disruption"}  # one for each cause
    assert opened["Accounts: disruption"]["severity"] == "critical"
    assert opened["Accounts: disruption"]["begun"].startswith("2024-10-04T12:10:00")

    rounds(sqlite, hands, [("pass", [])] * 30)
    over = told(monitor)
    today = over["components"][1]["days"][-1]
    assert over["state"] == "up"
    assert [today[f"{kind}_seconds"] for kind in ("up", "down", "no_data")] == [2340, 1200, 43260]
    assert over["components"][1]["uptime"] == pytest.approx(2340 / 3540, abs=1e-6)
    assert {each["resolved"] is None for each in over["incidents"]} == {False}
    assert [each["state"] for each in over["incidents"][0]["updates"]] == [
        "investigating",
        "resolved",
    ]


def test_a_gap_is_no_data_and_never_up(sqlite: SQLite) -> None:
    hands = Hands(NOON)
    monitor = served(sqlite, hands)
    assert told(monitor)["state"] == "no data"
    assert {day["state"] for day in told(monitor)["components"][0]["days"]} == {"no data"}
    assert told(monitor)["components"][0]["uptime"] is None
    rounds(sqlite, hands, [("pass", [])] * 5)
    assert told(monitor)["state"] == "up"
    hands.turn(400)  # nobody has looked for longer than what was seen holds
    late = told(monitor)
    assert (late["state"], late["components"][1]["state"]) == ("no data", "no data")
    assert "There is no data" in get(monitor, PATH)[2]


def test_nothing_internal_is_shown_whatever_fails(sqlite: SQLite) -> None:
    hands = Hands(NOON)
    rounds(sqlite, hands, [("fail", [entry(DOWN, NOON)])] * 3)

    async def gone(sql: str, parameters: object) -> list[tuple[Any, ...]]:
        raise ConnectionError(INTERNAL)

    for monitor in (served(sqlite, hands), served(sqlite, hands, execute=lambda _env: gone)):
        for path in (PATH, MACHINES, FEED):
            status, _, body = get(monitor, path)
            assert status == 200
            for word in (*INTERNAL.split(), "boss-ai", "reason"):
                assert word not in body
            assert "staging" in body or path == FEED


def test_while_the_database_is_away_the_page_says_so_and_asks_the_probes(sqlite: SQLite) -> None:
    hands, away = Hands(NOON), False

    async def execute(sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        if away:
            raise ConnectionError(INTERNAL)
        return await sqlite.execute(sql, parameters)

    rounds(sqlite, hands, [("pass", [])] * 30)
    monitor = served(sqlite, hands, execute=lambda _env: execute)
    assert told(monitor)["notice"] == ""
    away, logged = True, list[str]()
    monitor.log = Log("boss-ai", write=logged.append)
    hands.turn(31)
    seen = told(monitor)
    assert "may be old" in seen["notice"]
    assert any("the status page's history could not be read" in line for line in logged)
    assert [each["state"] for each in seen["components"]] == ["up", "down"]
    assert seen["components"][1]["days"][-1]["up_seconds"] == 1740  # the last that is known
    away = False
    hands.turn(11)
    assert told(monitor)["notice"] == ""


def test_who_asks_often_costs_one_read(sqlite: SQLite) -> None:
    hands = Hands(NOON)
    rounds(sqlite, hands, [("pass", [])] * 2)
    monitor = served(sqlite, hands)
    get(monitor, PATH)
    sqlite.statements.clear()
    for path in (PATH, MACHINES, FEED) * 5:
        status, headers, _ = get(monitor, path)
        assert (status, headers["cache-control"]) == (200, "public, max-age=30")
    assert sqlite.statements == []
    hands.turn(31)
    get(monitor, PATH)
    assert len([each for each in sqlite.statements if each.startswith("SELECT")]) == 2


def test_without_settings_there_is_no_page(sqlite: SQLite) -> None:
    assert get(served(sqlite, Hands(NOON), None), PATH)[0] == 404


class Tags(HTMLParser):
    """Read a page, and hold it to being closed and without anything from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "iframe", "object")
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)
        if tag not in ("meta", "link", "br", "rect"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.stack.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_an_operator_writes_is_text_everywhere(sqlite: SQLite) -> None:
    hands, strange = Hands(NOON), "<script>alert(1)</script> & \x1b[31m\ufffe\"'"
    incidents = Incidents(sqlite.execute)
    asyncio.run(incidents.prepare())
    said = (Update(NOON, "identified", strange + "\nsecond line"),)
    made = Incident(strange, Impact.MAJOR, ("database", "unknown"), NOON - 90_000, said)
    asyncio.run(incidents.add(made))
    monitor = served(sqlite, hands, replace(PAGE, contact="mailto:help@shop.test"))
    _, headers, body = get(monitor, PATH)
    assert "<script" not in body
    assert Tags(body).text.count("<script>alert(1)</script>") == 2
    assert "All times and days are UTC" in body
    assert "default-src 'none'" in headers["content-security-policy"]
    feed = ElementTree.fromstring(get(monitor, FEED)[2].encode())
    entries = feed.findall(f"{ATOM}entry")
    for each in (feed, *entries):  # RFC 4287, sections 4.1.1 and 4.1.2
        assert all(len(each.findall(ATOM + name)) == 1 for name in ("id", "title", "updated"))
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None
    content = entries[0].find(f"{ATOM}content")
    assert content is not None
    assert "Affected: Accounts." in str(content.text)
    assert "<script>" in str(content.text)
    assert told(monitor)["state"] == "degraded"
    assert get(monitor, PATH, "HEAD")[2] == ""
    assert get(monitor, PATH, "POST")[0] == 405


def test_incidents_go_from_open_to_resolved_and_back(sqlite: SQLite) -> None:
    incidents = Incidents(sqlite.execute)

    async def story() -> None:
        await incidents.prepare()
        made = Incident("x", Impact.MINOR, (), NOON, (Update(NOON, "investigating", "a"),))
        number = await incidents.add(made)
        first = await incidents.get(number)
        assert first == replace(made, id=number)
        assert first is not None
        assert await incidents.update(first, Update(NOON + 9, RESOLVED, "b"), Impact.MAJOR)
        over = await incidents.get(number)
        assert over is not None
        assert (over.resolved, over.severity, len(over.updates)) == (NOON + 9, Impact.MAJOR, 2)
        assert await incidents.update(over, Update(NOON + 20, "monitoring", "c"), Impact.MAJOR)
        again = await incidents.get(number)
        assert again is not None
        assert again.resolved is None
        assert [each.id for each in await incidents.recent(NOON + 1000)] == [number]  # it is open
        assert await incidents.remove(number)
        assert not await incidents.remove(number)
        assert not await incidents.update(over, Update(NOON, RESOLVED, "d"), Impact.MAJOR)

    asyncio.run(story())


def test_alerts_open_only_what_the_settings_say_and_only_once(sqlite: SQLite) -> None:
    hands = Hands(NOON)

    def titles() -> list[tuple[str, bool]]:
        found = asyncio.run(Incidents(sqlite.execute).recent(0))
        return [(each.title, each.resolved is not None) for each in found]

    hidden = alert.service_outage("secret-probe", INTERNAL)
    minor = alert.degraded("database", INTERNAL)
    rounds(sqlite, hands, [("warn", [entry(hidden, NOON), entry(minor, NOON)])])
    assert not asyncio.run(Incidents(sqlite.execute).are_kept())
    rounds(sqlite, hands, [("fail", [entry(DOWN, NOON)])] * 2)
    assert titles() == [("Accounts: disruption", False)]
    (opened,) = asyncio.run(Incidents(sqlite.execute).opened_by_alerts()).values()
    over = Update(hands.now, RESOLVED, "An operator says so")
    asyncio.run(Incidents(sqlite.execute).update(opened, over, opened.severity))
    rounds(sqlite, hands, [("fail", [entry(DOWN, NOON)])] * 2)
    assert titles() == [("Accounts: disruption", True)]  # the same alert does not open it again
    silent = replace(PAGE, incidents_from="never")
    told_ = Round([], [DOWN], [entry(DOWN, NOON + 900)], hands.now, "worker")
    asyncio.run(status_record.keep(silent, sqlite.execute, told_))
    assert len(titles()) == 1


def test_90_days_and_50_incidents_are_read_by_few_rows(sqlite: SQLite) -> None:
    hands = Hands(NOON - 120 * DAY)
    incidents = Incidents(sqlite.execute)
    asyncio.run(incidents.prepare())
    for number in range(120):
        rounds(sqlite, hands, [("pass", [])] * 2)
        update = Update(hands.now, RESOLVED, "over")
        made = Incident(f"{number}", Impact.MINOR, ("worker",), hands.now, (update,), hands.now)
        asyncio.run(incidents.add(made))
        hands.turn(DAY - 120)
    monitor = served(sqlite, hands)
    assert len(told(monitor)["incidents"]) == 50
    assert len(told(monitor)["components"][0]["days"]) == 90
    plans = [
        str(row)
        for sql in ("WHERE resolved IS NULL LIMIT 50", "WHERE begun >= 0 ORDER BY begun DESC")
        for row in sqlite.connection.execute(
            f"EXPLAIN QUERY PLAN SELECT * FROM monitoring_incidents {sql}"
        )
    ]
    assert all("USING INDEX" in plan for plan in plans), plans
    assert len(get(monitor, PATH)[2]) < 60_000
