from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from tests.support.monitoring import SQLite
from xswarm_monitoring import alert, alert_state
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import Policy, Silence
from xswarm_monitoring.channels import Slack
from xswarm_monitoring.evaluation import (
    DatabaseShelf,
    Evaluation,
    MemoryShelf,
    evaluate_with_fallback,
    patrol,
)
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.notifier import Notifier

DOWN = alert.service_outage("database", "no answer")
POLICY = Policy(hold=0)


class Post:
    """Slack's side: what arrived, and whether it is up."""

    def __init__(self) -> None:
        self.arrived, self.up = 0, True

    async def send(self, request: Outgoing) -> Response:
        await asyncio.sleep(0)
        if not self.up:
            raise ConnectionError("refused")
        self.arrived += 1
        return Response(200)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    @property
    def courier(self) -> Notifier:
        return Notifier([Slack("https://slack.test/hook", "x")], self.send, sleep=self.sleep)


async def go(sqlite: SQLite, post: Post, due: Sequence[Alert], now: float) -> Evaluation:
    return await patrol(due, DatabaseShelf(sqlite.execute), post.courier, now, policy=POLICY)


def test_rounds_remember_what_was_told(sqlite: SQLite) -> None:
    post = Post()
    first = asyncio.run(go(sqlite, post, [DOWN], 0.0))
    assert ([notice.what.value for notice in first.notices], first.delivered) == (["firing"], True)
    assert asyncio.run(go(sqlite, post, [DOWN], 60.0)).notices == ()
    last = asyncio.run(go(sqlite, post, [], 400.0))
    assert [notice.what.value for notice in last.notices] == ["resolved"]
    assert post.arrived == 2


@pytest.mark.parametrize("rounds", [2, 5])
def test_of_rounds_at_once_one_tells(sqlite: SQLite, rounds: int) -> None:
    post = Post()

    async def story() -> list[Evaluation]:
        return list(await asyncio.gather(*(go(sqlite, post, [DOWN], 0.0) for _ in range(rounds))))

    assert sum(each.ours and bool(each.notices) for each in asyncio.run(story())) == 1
    assert post.arrived == 1


def test_what_reached_nobody_is_told_by_the_next_round(sqlite: SQLite) -> None:
    post = Post()
    post.up = False
    assert not asyncio.run(go(sqlite, post, [DOWN], 0.0)).delivered
    post.up = True
    assert asyncio.run(go(sqlite, post, [DOWN], 60.0)).delivered
    assert post.arrived == 1
    assert asyncio.run(go(sqlite, post, [DOWN], 120.0)).notices == ()


def test_a_round_that_was_cut_off_is_made_up_for(sqlite: SQLite) -> None:
    class Cut(BaseException):
        pass

    async def cut(request: Outgoing) -> Response:
        raise Cut

    post = Post()
    courier = Notifier([Slack("https://slack.test/hook", "x")], cut, sleep=post.sleep)
    with pytest.raises(Cut):
        asyncio.run(patrol([DOWN], DatabaseShelf(sqlite.execute), courier, 0.0, policy=POLICY))
    assert asyncio.run(go(sqlite, post, [DOWN], 60.0)).delivered
    assert post.arrived == 1


def test_events_and_silences_go_the_same_way(sqlite: SQLite) -> None:
    post = Post()
    silence = Silence("service-*", 1000.0, "maintenance")
    went = asyncio.run(
        patrol(
            [DOWN],
            DatabaseShelf(sqlite.execute),
            post.courier,
            0.0,
            events=[alert.test_alert(Severity.WARNING)],
            policy=POLICY,
            prepare=lambda kept: kept.silence(silence),
        )
    )
    assert [notice.alert.name for notice in went.notices] == ["test-alert"]
    _, text = asyncio.run(DatabaseShelf(sqlite.execute).load())
    assert alert_state.load(text).silences == [silence]


class Away(MemoryShelf):
    """A bucket that does not answer."""

    async def load(self) -> tuple[int, str]:
        raise ConnectionError("HTTP 503")


def test_a_reserve_that_is_away_keeps_nobody_from_being_told(sqlite: SQLite) -> None:
    """It may be the bucket itself whose outage is to be told."""
    post, shelf = Post(), DatabaseShelf(sqlite.execute)
    due = [alert.service_outage("storage", "HTTP 503")]
    for minute in range(3):
        went = asyncio.run(
            evaluate_with_fallback(
                due, shelf, Away(), post.courier, 60.0 * minute, policy=Policy(hold=60)
            )
        )
    assert (went.ours, post.arrived) == (True, 1)


class Torn(MemoryShelf):
    """A file that was cut off as it was written."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.torn = text

    async def load(self) -> tuple[int, str]:
        if self.torn:
            return 3, self.torn if not self.torn.startswith("!") else json.loads(self.torn)
        return await super().load()

    async def forget(self) -> None:
        self.torn = ""
        await super().forget()


@pytest.mark.parametrize("text", ["!{", '{"entries', "[]", '{"entries": [[1, 2]]}', "{}"])
def test_a_reserve_that_cannot_be_read_is_begun_anew(text: str) -> None:
    post, reserve = Post(), Torn(text)
    for minute in range(3):
        asyncio.run(
            evaluate_with_fallback(
                [DOWN], None, reserve, post.courier, 60.0 * minute, policy=Policy(hold=60)
            )
        )
    assert post.arrived == 1
