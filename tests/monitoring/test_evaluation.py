from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence

import pytest

from tests.support.monitoring import SQLite, needs_processes
from xswarm_monitoring import alert, alert_state
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import Policy, Silence
from xswarm_monitoring.channels import Slack
from xswarm_monitoring.evaluation import (
    DatabaseAlertStore,
    Evaluation,
    MemoryAlertStore,
    evaluate,
    evaluate_with_fallback,
)
from xswarm_monitoring.fallback_store import Copy, FallbackStore
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.notifier import Notifier

DOWN = alert.service_outage("database", "no answer")
POLICY = Policy(hold=0)
# Not under Pyodide, where such a depth ends the process before Python can refuse it.
DEEP = pytest.param("[" * 100_000, id="deep", marks=needs_processes)


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
    def notifier(self) -> Notifier:
        return Notifier([Slack("https://slack.test/hook", "x")], self.send, sleep=self.sleep)


async def go(sqlite: SQLite, post: Post, due: Sequence[Alert], now: float) -> Evaluation:
    return await evaluate(
        due, DatabaseAlertStore(sqlite.execute), post.notifier, now, policy=POLICY
    )


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
    notifier = Notifier([Slack("https://slack.test/hook", "x")], cut, sleep=post.sleep)
    with pytest.raises(Cut):
        asyncio.run(
            evaluate([DOWN], DatabaseAlertStore(sqlite.execute), notifier, 0.0, policy=POLICY)
        )
    assert asyncio.run(go(sqlite, post, [DOWN], 60.0)).delivered
    assert post.arrived == 1


def test_events_and_silences_go_the_same_way(sqlite: SQLite) -> None:
    post = Post()
    silence = Silence("service-*", 1000.0, "maintenance")
    went = asyncio.run(
        evaluate(
            [DOWN],
            DatabaseAlertStore(sqlite.execute),
            post.notifier,
            0.0,
            events=[alert.test_alert(Severity.WARNING)],
            policy=POLICY,
            prepare=lambda kept: kept.silence(silence),
        )
    )
    assert [notice.alert.name for notice in went.notices] == ["test-alert"]
    _, text = asyncio.run(DatabaseAlertStore(sqlite.execute).load())
    assert alert_state.load(text).silences == [silence]


class Away(MemoryAlertStore):
    """A bucket that does not answer."""

    async def load(self) -> tuple[int, str]:
        raise ConnectionError("HTTP 503")


def test_a_fallback_that_is_away_keeps_nobody_from_being_told(sqlite: SQLite) -> None:
    """It may be the bucket itself whose outage is to be told."""
    post, store = Post(), DatabaseAlertStore(sqlite.execute)
    due = [alert.service_outage("storage", "HTTP 503")]
    for minute in range(3):
        went = asyncio.run(
            evaluate_with_fallback(
                due, store, Away(), post.notifier, 60.0 * minute, policy=Policy(hold=60)
            )
        )
    assert (went.ours, post.arrived) == (True, 1)


class Torn(MemoryAlertStore):
    """A file that was cut off as it was written, or that another version wrote."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._revision, self._text = 3, text

    async def load(self) -> tuple[int, str]:
        revision, text = await super().load()
        return revision, json.loads(text[1:]) if text.startswith("!") else text


async def without_the_database(
    post: Post, fallback: FallbackStore, minutes: Iterable[float], copy: Copy | None = None
) -> list[Evaluation]:
    """Go a round in each minute, of one process where it keeps a copy."""
    policy, notifier = Policy(hold=60), post.notifier
    return [
        await evaluate_with_fallback(
            [DOWN], None, fallback, notifier, 60.0 * minute, policy=policy, copy=copy
        )
        for minute in minutes
    ]


@pytest.mark.parametrize(
    "text", [DEEP, "!{", '{"entries', "[]", '{"entries": [[1, 2]]}', "{}", "3"]
)
def test_a_fallback_that_cannot_be_read_is_begun_anew_aloud(text: str) -> None:
    post = Post()
    rounds = asyncio.run(without_the_database(post, Torn(text), range(1, 4)))
    told = [[notice.alert.name for notice in went.notices] for went in rounds]
    assert told == [["alerts-forgotten"], ["service-outage"], []]
    assert "could not be read" in rounds[0].faults[0]
    assert not rounds[1].faults
    assert post.arrived == 2


def test_of_a_state_of_another_version_is_kept_what_can_be_read(sqlite: SQLite) -> None:
    """In the fallback, and in the database: that one was taken for a database that is down."""
    state, post = alert_state.AlertState(POLICY), Post()
    state.advance([DOWN, alert.service_outage("storage", "no answer")], 0.0)
    later = json.loads(state.dump())
    later["entries"][1][1] = "acknowledged"  # a state that this version knows nothing of
    text = json.dumps(later)
    rounds = asyncio.run(without_the_database(post, Torn(text), [1, 2]))
    assert [n.alert.name for each in rounds for n in each.notices] == ["alerts-forgotten"]
    assert "1 of 2 entries" in rounds[0].faults[0]

    asyncio.run(DatabaseAlertStore(sqlite.execute).load())  # makes the table
    assert asyncio.run(DatabaseAlertStore(sqlite.execute).save(0, text))
    went = asyncio.run(
        evaluate_with_fallback(
            [DOWN],
            DatabaseAlertStore(sqlite.execute),
            MemoryAlertStore(),
            post.notifier,
            60.0,
            policy=POLICY,
        )
    )
    assert [notice.alert.name for notice in went.notices] == ["alerts-forgotten"]
    kept = alert_state.load(asyncio.run(DatabaseAlertStore(sqlite.execute).load())[1])
    assert [each["alert"]["name"] for each in kept.history] == ["alerts-forgotten"]
    assert list(kept.entries) == ["service-outage{component=database}"]


@pytest.mark.parametrize("text", ["{}", "[]", '{"entries', "null", DEEP])
def test_a_database_whose_state_is_none_is_not_taken_for_one_that_is_down(
    sqlite: SQLite, text: str
) -> None:
    post, store = Post(), DatabaseAlertStore(sqlite.execute)
    asyncio.run(store.load())
    assert asyncio.run(store.save(0, text))
    went = asyncio.run(
        evaluate_with_fallback([], store, MemoryAlertStore(), post.notifier, 60.0, policy=POLICY)
    )
    assert [notice.alert.name for notice in went.notices] == ["alerts-forgotten"]
    assert alert_state.load(asyncio.run(store.load())[1]).history


LARGE = 10**400  # as JSON may have it, and no float can

ODD = {
    "a moment in words": ("entries", [2, "soon"]),
    "a moment beyond all": ("entries", [3, LARGE]),
    "no number": ("entries", [4, float("nan")]),
    "a list that is a number": ("entries", [5, 3]),
    "an event's moment": ("events", [1, "soon"]),
    "an event's number": ("events", [2, "often"]),
    "a silence's end": ("silences", [1, "for ever"]),
    "an event's moment that no calendar has": ("events", [1, 1e300]),
}


@pytest.mark.parametrize(("part", "change"), ODD.values(), ids=ODD)
def test_what_cannot_be_acted_on_is_left_out_and_the_rest_goes_on(
    sqlite: SQLite, part: str, change: tuple[int, object]
) -> None:
    state, post, place = alert_state.AlertState(POLICY), Post(), change[0]
    state.advance([DOWN], 0.0)
    state.happened(alert.test_alert(Severity.WARNING), 0.0)
    state.silence(Silence("slow-*", 1e9, "known"))
    body = json.loads(state.dump())
    body[part][0][place] = change[1]
    store = DatabaseAlertStore(sqlite.execute)
    asyncio.run(store.load())
    assert asyncio.run(store.save(0, json.dumps(body)))
    went = asyncio.run(
        evaluate_with_fallback(
            [DOWN], store, MemoryAlertStore(), post.notifier, 60.0, policy=POLICY
        )
    )
    assert f"1 of 1 {part}" in went.faults[0]
    told = {notice.alert.key for notice in went.notices}
    assert told <= {"alerts-forgotten", DOWN.key}  # not that the database is down


def test_who_was_told_is_not_told_again_where_the_fallback_is_torn() -> None:
    post, fallback, copy = Post(), MemoryAlertStore(), Copy()
    asyncio.run(without_the_database(post, fallback, [1, 2], copy))
    assert post.arrived == 1
    asyncio.run(without_the_database(post, Torn('{"entries'), [3, 4], copy))
    assert post.arrived == 2  # that it was torn, and nothing else


class Bucket(MemoryAlertStore):
    """A bucket that may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = self.is_full = False

    async def load(self) -> tuple[int, str]:
        self._answer()
        return await super().load()

    async def save(self, revision: int, text: str) -> bool:
        self._answer()
        if self.is_full:
            raise OSError("No space left on device")
        return await super().save(revision, text)

    async def forget(self) -> None:
        self._answer()
        await super().forget()

    def _answer(self) -> None:
        if self.is_away:
            raise ConnectionError("HTTP 503")


def test_without_database_and_fallback_one_process_tells_once_an_hour() -> None:
    post, bucket, copy = Post(), Bucket(), Copy()
    bucket.is_away = True
    rounds = asyncio.run(without_the_database(post, bucket, range(1, 61), copy))
    assert (post.arrived, len(rounds[1].notices)) == (1, 1)
    assert all("this process alone" in each.faults[0] for each in rounds)
    asyncio.run(without_the_database(post, bucket, range(61, 121), copy))
    assert post.arrived == 2  # it still lasts


@pytest.mark.parametrize("full", [False, True])
def test_without_them_processes_that_know_nothing_tell_every_ten_minutes(full: bool) -> None:
    """A cron trigger may be served by another isolate each time; a disk may be full."""
    post, bucket = Post(), Bucket()
    bucket.is_away, bucket.is_full = not full, full
    asyncio.run(without_the_database(post, bucket, range(1, 61)))
    assert post.arrived == 6


@pytest.mark.parametrize("first", ["bucket", "database"])
def test_what_was_told_without_either_ends_once_whichever_comes_back_first(
    sqlite: SQLite, first: str
) -> None:
    post, bucket, copy, policy = Post(), Bucket(), Copy(), Policy(hold=60, clear=60)
    store = DatabaseAlertStore(sqlite.execute)

    async def go(minute: int, due: Sequence[Alert], store: DatabaseAlertStore | None) -> list[str]:
        went = await evaluate_with_fallback(
            due, store, bucket, post.notifier, 60.0 * minute, policy=policy, copy=copy
        )
        return [f"{each.what.value} {each.alert.key}" for each in went.notices]

    async def story() -> list[list[str]]:
        await go(1, [DOWN], None)  # the bucket takes it
        bucket.is_away = True
        told = [await go(2, [DOWN], None), await go(3, [DOWN], None)]
        bucket.is_away = first == "database"
        told.append(await go(4, [DOWN], None if first == "bucket" else store))
        for minute in range(5, 8):
            told.append(await go(minute, [], store))
        bucket.is_away = False
        return [*told, await go(300, [], store), await go(301, [], store)]

    told = [each for round_ in asyncio.run(story()) for each in round_]
    name = "service-outage{component=database}"
    assert told == [f"firing {name}", f"resolved {name}"]
    history = alert_state.load(asyncio.run(store.load())[1]).history
    assert [entry["what"] for entry in history] == ["firing", "resolved"]
    assert asyncio.run(bucket.load()) == (0, "")


def test_of_two_states_of_one_alert_nobody_forgets_who_was_told() -> None:
    """One process told of it alone; another saw it later, by the bucket, and knew of nobody."""
    here, there = alert_state.AlertState(POLICY), alert_state.AlertState(Policy(hold=600))
    assert len(here.advance([DOWN], 0.0)) == 1
    assert there.advance([DOWN], 60.0) == []
    there.join(here)
    there.policy = POLICY
    assert there.advance([DOWN], 120.0) == []
    assert there.entries[DOWN.key].told == 0.0
    assert [each.what.value for each in there.advance([], 900.0)] == ["resolved"]


def test_a_round_of_anothers_is_no_failure_to_tell() -> None:
    told, failed = Evaluation((), delivered=True), Evaluation((), delivered=False)
    anothers = Evaluation((), delivered=False, ours=False)
    for both in (told.and_(anothers), anothers.and_(told)):
        assert (both.ours, both.delivered) == (True, True)
    for both in (failed.and_(anothers), anothers.and_(failed)):
        assert (both.ours, both.delivered) == (True, False)
    assert not anothers.and_(anothers).ours


def test_a_database_that_goes_while_the_history_comes_home_ends_no_round(sqlite: SQLite) -> None:
    post, bucket, there = Post(), MemoryAlertStore(), DatabaseAlertStore(sqlite.execute)

    class Leaving(DatabaseAlertStore):
        """A database that answers until the round has gone by it."""

        asked = 0

        async def load(self) -> tuple[int, str]:
            self.asked += 1
            if self.asked > 1:
                raise ConnectionError("away again")
            return await super().load()

    asyncio.run(without_the_database(post, bucket, [1, 2]))
    went = asyncio.run(
        evaluate_with_fallback([DOWN], Leaving(sqlite.execute), bucket, post.notifier, 180.0)
    )
    assert (went.delivered, len(went.faults)) == (True, 1)
    assert "away again" in went.faults[0]
    for minute in (4, 5):  # and later it does come home
        asyncio.run(evaluate_with_fallback([], there, bucket, post.notifier, 60.0 * minute))
    history = alert_state.load(asyncio.run(there.load())[1]).history
    assert [entry["what"] for entry in history] == ["firing"]


def test_a_silence_while_people_are_told_lets_nobody_be_told_again(sqlite: SQLite) -> None:
    """Whoever gets the first of the messages may type it before the last one is sent."""
    store = DatabaseAlertStore(sqlite.execute)

    class Prompt(Post):
        async def send(self, request: Outgoing) -> Response:
            revision, text = await store.load()
            state = alert_state.load(text)
            state.silence(Silence("service-*", 1e9, "known"))
            assert await store.save(revision, state.dump())
            return await super().send(request)

    post = Prompt()
    assert asyncio.run(go(sqlite, post, [DOWN], 0.0)).delivered
    assert asyncio.run(go(sqlite, Post(), [DOWN], 60.0)).notices == ()
    state = alert_state.load(asyncio.run(store.load())[1])
    assert [each.why for each in state.silences] == ["known"]
    assert [each["channels"]["slack"] for each in state.history] == ["delivered"]


def test_a_full_disk_makes_no_two_rounds_of_one() -> None:
    """What comes and goes would count twice as often, and be told as flapping too soon."""
    post, bucket, copy = Post(), Bucket(), Copy()
    bucket.is_full = True
    rounds = asyncio.run(without_the_database(post, bucket, range(1, 4), copy))
    assert alert_state.load(copy.text).entries[DOWN.key].recent == [True] * 3
    assert all("this process alone" in each.faults[0] for each in rounds)


def test_what_was_done_with_while_the_bucket_was_away_comes_back_from_no_other_process(
    sqlite: SQLite,
) -> None:
    post, bucket, copy = Post(), Bucket(), Copy()
    store = DatabaseAlertStore(sqlite.execute)

    async def go(minute: int, copy: Copy) -> list[str]:
        went = await evaluate_with_fallback(
            [], store, bucket, post.notifier, 60.0 * minute, copy=copy
        )
        return [each.what.value for each in went.notices]

    asyncio.run(without_the_database(post, bucket, [1, 2], copy))
    bucket.is_away = True
    told = [asyncio.run(go(minute, copy)) for minute in (10, 200)]
    bucket.is_away = False
    told += [asyncio.run(go(201, copy)), asyncio.run(go(202, Copy()))]
    assert told == [["resolved"], [], [], []]
    history = alert_state.load(asyncio.run(store.load())[1]).history
    assert [entry["what"] for entry in history] == ["firing", "resolved"]


def test_what_comes_home_a_second_time_stands_in_the_history_once() -> None:
    state, notice = alert_state.AlertState(), alert_state.AlertState(POLICY).advance([DOWN], 1.0)
    state.record(notice[0], {"slack": "delivered"})
    state.adopt([*state.history])
    assert len(state.history) == 1


def test_a_silence_holds_while_the_database_is_away(sqlite: SQLite) -> None:
    """It may be for the very work that takes the database away."""
    post, store, bucket, copy = (
        Post(),
        DatabaseAlertStore(sqlite.execute),
        MemoryAlertStore(),
        Copy(),
    )

    async def go(minute: int, where: DatabaseAlertStore | None, copy: Copy) -> list[str]:
        went = await evaluate_with_fallback(
            [DOWN], where, bucket, post.notifier, 60.0 * minute, policy=POLICY, copy=copy
        )
        return [each.what.value for each in went.notices]

    silence = Silence("service-outage", 600.0, "maintenance")
    asyncio.run(evaluate([], store, post.notifier, 0.0, prepare=lambda s: s.silence(silence)))
    told = [asyncio.run(go(1, store, copy)), asyncio.run(go(2, None, copy))]
    told += [asyncio.run(go(3, None, Copy()))]  # another process, by the bucket
    assert (told, asyncio.run(go(11, None, copy))) == ([[], [], []], ["still firing"])
