"""Rounds by the clock: who is told that they go, and what of them is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.monitoring.fleet import Fleet
from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring.alert_state import AlertState
from xswarm_monitoring.evaluation import MemoryAlertStore
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.instruments import ALERT_STATE_FAULTS
from xswarm_monitoring.scheduler import Scheduler


def watched(hands: Hands, sqlite: SQLite, beats: list[str]) -> Scheduler:
    """Return a scheduler with a dead-man's switch."""

    async def send(request: Outgoing) -> Response:
        beats.append(request.url)
        return Response(200)

    (made,) = Fleet(hands, sqlite.execute, 1).schedulers
    return replace(made, send=send, heartbeat=lambda _env: "https://switch.test/secret")


def test_a_switch_hears_of_no_round_that_another_tells(hands: Hands, sqlite: SQLite) -> None:
    """Whether that one reaches anybody is not known here."""
    beats, state = list[str](), AlertState()
    rounds = watched(hands, sqlite, beats)
    asyncio.run(rounds.go(None, hands.now))
    assert beats == ["https://switch.test/secret"]
    state.telling_until = hands.now + 30
    sqlite.connection.execute("UPDATE monitoring_book SET data = ?", (state.dump(),))
    assert not asyncio.run(rounds.go(None, hands.now)).ours
    assert len(beats) == 1
    hands.turn(60)
    asyncio.run(rounds.go(None, hands.now))
    assert len(beats) == 2


class Full(MemoryAlertStore):
    """A disk that is full, whose file was cut off."""

    async def save(self, revision: int, text: str) -> bool:
        raise OSError("No space left on device")


def test_a_round_with_two_faults_is_counted_once(hands: Hands) -> None:
    disk = Full()
    asyncio.run(MemoryAlertStore.save(disk, 0, "torn"))
    (made,) = Fleet(hands, None, 1).schedulers
    rounds = replace(made, fallback=lambda _env: disk)
    assert len(asyncio.run(rounds.go(None, hands.now)).faults) == 2
    counted = rounds.monitor.metrics.total().counts[ALERT_STATE_FAULTS.name]
    assert counted == {(): 1}
