"""One cause, one message: over isolates, over an outage, and for what comes and goes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.monitoring.fleet import Fleet, People, failed
from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import alert, alert_state
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import AlertState, Silence, What
from xswarm_monitoring.channels import Slack
from xswarm_monitoring.evaluation import (
    DatabaseAlertStore,
    MemoryAlertStore,
    evaluate_with_fallback,
)
from xswarm_monitoring.notifier import Notifier


@pytest.mark.parametrize("isolates", [1, 5, 40])
def test_fifty_customers_failed_payments_are_one_message_with_count_and_sum(
    hands: Hands, sqlite: SQLite, isolates: int
) -> None:
    fleet = Fleet(hands, sqlite.execute, isolates)
    asyncio.run(fleet.tell_all([failed(number) for number in range(50)]))
    assert fleet.people.headlines == ["s: ERROR: 50 payments failed, 1,450.00 USD"]
    shown = json.dumps(fleet.people.read)
    assert "cus_" not in shown
    assert "<https://wiki.test/payment-failed|runbook>" in shown
    assert "<https://s.test/status|dashboard>" in shown


def test_a_single_failed_payment_names_its_amount_and_the_release(
    hands: Hands, sqlite: SQLite
) -> None:
    fleet = Fleet(hands, sqlite.execute, 1)
    asyncio.run(fleet.tell_all([failed(1)]))
    assert fleet.people.headlines == ["s: ERROR: A payment of 29.00 USD failed"]
    assert "release: v7" in json.dumps(fleet.people.read)


def test_without_the_database_a_storm_is_one_message_all_the_same(hands: Hands) -> None:
    async def away(_sql: str, _parameters: Any) -> Any:
        raise ConnectionError("away")

    fleet = Fleet(hands, away, 1)
    asyncio.run(fleet.tell_all([failed(number) for number in range(20)]))
    assert fleet.people.headlines == ["s: ERROR: 20 payments failed, 580.00 USD"]


def test_amounts_of_several_currencies_stand_apart() -> None:
    state = AlertState()
    for number in range(3):
        assert state.happened(failed(number), float(number)) == []
    state.happened(alert.payment_failed("c", 5, "eur", "x"), 4.0)
    (notice,) = state.summed_up(6.0)
    assert (notice.times, notice.alert.amounts) == (4, {"USD": 87.0, "EUR": 5.0})
    state.happened(failed(9), 7.0)
    (later,) = state.summed_up(1000.0)
    assert (later.times, later.alert.amounts) == (1, {"USD": 29.0})


DOWN = alert.service_outage("database", "no answer")


def test_what_is_due_every_other_round_for_four_hours_is_told_as_flapping() -> None:
    state, told = AlertState(), list[tuple[float, What]]()
    for minute in range(12 * 60):
        due = [DOWN] if minute % 2 and minute < 240 else []
        told += [(minute, notice.what) for notice in state.advance(due, 60.0 * minute)]
        state = alert_state.load(state.dump())
    whats = [what for _, what in told]
    assert whats[0] is What.FLAPPING
    assert told[0][0] < 10
    assert whats[-1] is What.RESOLVED
    assert len(whats) < 8
    assert not state.entries


def test_what_was_told_while_the_database_was_away_stays_in_the_history(
    hands: Hands, sqlite: SQLite
) -> None:
    people, fallback = People(), MemoryAlertStore()
    notifier = Notifier([Slack("https://h.test", "s")], people.send, sleep=asyncio.sleep)
    store = DatabaseAlertStore(sqlite.execute)

    async def round_(due: list[Alert], *, away: bool) -> None:
        hands.turn(60)
        where = None if away else store
        await evaluate_with_fallback(due, where, fallback, notifier, hands.now)

    for _ in range(5):
        asyncio.run(round_([DOWN], away=True))
    for _ in range(70):
        asyncio.run(round_([], away=False))
    assert people.headlines == [
        "s: CRITICAL: database is down",
        "s: RESOLVED: database is down",
    ]
    state = alert_state.load(asyncio.run(store.load())[1])
    told = [(entry["what"], entry["alert"]["name"]) for entry in state.history]
    assert told == [("firing", "service-outage"), ("resolved", "service-outage")]
    assert asyncio.run(fallback.load()) == (0, "")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("service-outage", True),
        ("service-outage{component=database}", True),
        ("service-*", True),
        ("service-outages", False),
        ("slow-*", False),
    ],
)
def test_a_silence_matches_a_name_as_documents_write_it(pattern: str, matches: bool) -> None:
    assert Silence(pattern, 1.0, "").matches(DOWN) is matches


def test_a_state_of_an_earlier_version_is_read() -> None:
    state = AlertState()
    state.advance([DOWN], 1.0)
    state.happened(Alert("x", Severity.INFO, "y"), 1.0)
    old = json.loads(state.dump())
    for entry in old["entries"]:
        entry.pop()
    for event in old["events"]:
        for name in ("several", "amounts", "links"):
            event[0].pop(name)
    assert alert_state.load(json.dumps(old)).dump()
