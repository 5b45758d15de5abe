"""Logs of a tail: what is chosen, how it is shown, and what a dropped connection makes of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.monitor import logs, past_logs
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import Forbidden, RateLimited
from xswarm_deploy.services.tails import Dropped

OLD, NEW = "1a2b3c4d-0000-4000-8000-000000000001", "1a2b9999-0000-4000-8000-000000000002"
EVENT: dict[str, Any] = {
    "wallTime": 12,
    "outcome": "ok",
    "scriptName": "shop",
    "scriptVersion": {"id": OLD},
    "exceptions": [],
    "logs": [{"level": "log", "message": ["asked", {"for": 1}], "timestamp": 1}],
    "eventTimestamp": 1_795_000_000_123,
    "event": {
        "request": {"url": "https://shop.test/a?page=2", "method": "GET", "headers": {}},
        "response": {"status": 200},
    },
}


def event(**changed: Any) -> logs.Event:
    found = logs.parsed(json.dumps({**EVENT, **changed}))
    assert found is not None
    return found


def answered(status: int, url: str = "https://shop.test/a", method: str = "GET") -> Any:
    return {"request": {"url": url, "method": method}, "response": {"status": status}}


def text(found: logs.Event) -> str:
    return "\n".join(line for line, _ in found.shown())


def test_an_event_is_shown_with_its_version_and_what_it_logged() -> None:
    assert text(event()) == (
        "2026-11-18T11:06:40.123Z  1a2b3c4d  GET https://shop.test/a?page=2  200  12 ms\n"
        '    (log) asked {"for": 1}'
    )
    told = event().as_json()
    assert (told["version"], told["status"]) == (OLD, 200)


@pytest.mark.parametrize(
    ("about", "title"),
    [
        ({"cron": "*/5 * * * *", "scheduledTime": 1}, "cron */5 * * * *"),
        ({"scheduledTime": 1}, "alarm"),
        ({"queue": "orders", "batchSize": 3}, "queue orders, 3 message(s)"),
        ({"mailFrom": "a@b.c", "rcptTo": "d@e.f", "rawSize": 1}, "e-mail from a@b.c"),
        ({"rpcMethod": "total"}, "call of total"),
        ({"consumedEvents": []}, "tail of other Workers"),
        ({"something": "new"}, "an event of an unknown kind"),
    ],
)
def test_what_is_no_request_is_named(about: dict[str, Any], title: str) -> None:
    assert event(event=about).title == title


def test_what_cloudflare_says_of_the_tail_itself_is_always_shown() -> None:
    found = event(event={"type": "overload", "message": "Tail is currently in sampling mode"})
    assert "sampling mode" in text(found)
    assert logs.Wanted(statuses=("404",), errors=True, search="x").wants(found)


@pytest.mark.parametrize(
    "message", ["{", "[]", "null", b"\xff", "1", '{"event": {"request": 1}}', "[" * 100_000]
)
def test_what_is_no_event_is_known_as_such(message: str | bytes) -> None:
    assert logs.parsed(message) is None


def test_no_secret_and_no_control_character_is_shown_and_no_line_is_forged() -> None:
    secret = Secret("correct-horse-battery", "JWT_SECRET")
    said = f"a\u001b[2J {secret.reveal()}\n2026-11-18T10:26:40.123Z  1a2b3c4d  GET /forged  200"
    url = "https://user:word@shop.test/a?token=abc"
    found = event(
        logs=[{"level": "log", "message": [said]}],
        exceptions=[{"name": "Error", "message": said, "stack": said}],
        event=answered(200, url),
    )
    lines = text(found).splitlines()
    assert all(line.startswith("    ") for line in lines[1:])
    assert "token=:masked" in lines[0]
    assert "word" not in lines[0]
    shown = "\n".join(lines[1:])
    assert "[JWT_SECRET]" in shown
    assert secret.reveal() not in shown
    assert "\u001b" not in shown


def test_what_a_worker_logs_of_people_and_tokens_is_masked() -> None:
    said = "calling https://api.test/a?token=s3cr3tvalue for ada@example.com"
    found = event(
        logs=[{"level": "log", "message": [said]}], exceptions=[{"name": "E", "message": said}]
    )
    for shown in (text(found), json.dumps(found.as_json())):
        assert "calling https://api.test/a?token=" in shown
        assert "s3cr3tvalue" not in shown
        assert "ada@" not in shown


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (logs.Wanted(), ["fine", "refused", "broken", "raised", "logged"]),
        (logs.Wanted(errors=True), ["broken", "raised", "logged"]),
        (logs.Wanted(statuses=("404",)), ["refused"]),
        (logs.Wanted(statuses=("4xx", "503")), ["refused", "broken"]),
        (logs.Wanted(search="FINE"), ["fine"]),
        (logs.Wanted(search="went wrong"), ["raised", "logged"]),
    ],
)
def test_what_is_chosen(wanted: logs.Wanted, shown: list[str]) -> None:
    wrong = [{"level": "error", "message": ["it went wrong"]}]
    events = {
        "fine": event(event=answered(200, "https://shop.test/fine")),
        "refused": event(event=answered(404)),
        "broken": event(event=answered(503)),
        "raised": event(outcome="exception", exceptions=[{"message": "went wrong"}]),
        "logged": event(logs=wrong),
    }
    assert [name for name, each in events.items() if wanted.wants(each)] == shown


def test_versions_and_methods_are_chosen_by_cloudflare() -> None:
    found = logs.wanted("1A2B3", [OLD, NEW], "get, post", "5XX", "", errors=False)
    assert found.filters == [{"method": ["GET", "POST"]}, {"scriptVersion": OLD}]
    assert found.statuses == ("5xx",)
    for given, why in (("1a2b", "2 versions"), ("ffff", "no such version")):
        with pytest.raises(Refused, match=why):
            logs.wanted(given, [OLD, NEW], "", "", "", errors=False)
    with pytest.raises(Refused, match="no HTTP status"):
        logs.wanted("", [], "", "abc", "", errors=False)


class Line:
    """A listener that says some messages, and drops then; or stays silent."""

    def __init__(self, *messages: str, drops: bool = True) -> None:
        self.messages, self.drops = list(messages), drops

    def next(self, seconds: float) -> str | None:
        if self.messages:
            return self.messages.pop(0)
        if self.drops:
            raise Dropped("code 1006")
        threading.Event().wait(0.01)
        return None


def opening(*given: Any) -> logs.Opened:
    """Return what opens one listener after the other, or raises the error in its place."""
    left = list(given)

    @contextmanager
    def opened() -> Iterator[Any]:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        yield found

    return opened


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def test_a_dropped_connection_is_said_and_opened_again(pauses: list[float]) -> None:
    said: list[str] = []
    limited = RateLimited("Cloudflare", "POST tails", status=429)
    opened = opening(Line("a", "b"), limited, Line("c", drops=False))
    found = logs.messages(opened, 0.2, said.append)
    assert list(found) == ["a", "b", "c"]
    assert pauses[:2] == [1.0, 2.0]
    assert said[0] == "the connection was dropped (code 1006); again in 1 s"
    assert "limits the rate" in said[1]
    assert said[2] == "listening again; what came in between is not shown"


def test_one_that_cannot_be_opened_again_ends_with_the_reason(pauses: list[float]) -> None:
    opened = opening(*(Line() for _ in range(9)))
    with pytest.raises(Unavailable, match="dropped"):
        list(logs.messages(opened, None, lambda _: None))
    assert tuple(pauses) == logs.PAUSES


def test_a_token_that_may_not_is_told_at_once(pauses: list[float]) -> None:
    with pytest.raises(Forbidden):
        list(logs.messages(opening(Forbidden("Cloudflare", "x", status=403)), None, print))
    assert pauses == []


@pytest.mark.parametrize(
    ("route", "url", "shown"),
    [
        ("/users/{id}", "https://shop.test/users/7?a=b", True),
        ("/users/:id/", "https://shop.test/users/7", True),
        ("/users/{id}", "https://shop.test/users/7/orders", False),
        ("/users/*", "https://shop.test/users/7/orders", True),
        ("/a.b", "https://shop.test/aXb", False),
        ("/", "https://shop.test", True),
        ("/users", "https://shop.test/users", True),
    ],
)
def test_a_route_is_its_path_or_its_template(route: str, url: str, shown: bool) -> None:
    wanted = logs.wanted("", [], "", "", "", errors=False, route=route)
    assert wanted.wants(event(event=answered(200, url))) is shown
    assert not wanted.wants(event(event={"cron": "* * * * *"}))


def kept(number: int, request: str, **more: Any) -> dict[str, Any]:
    about = {"id": str(number), "requestId": request, "level": "log", "trigger": "GET /a"}
    workers = {"scriptName": "shop", "eventType": "fetch", "outcome": "ok"}
    line = {"timestamp": 1000 + number, "dataset": "x", "source": f"line {number}"}
    return {**line, "$metadata": about, "$workers": workers, **more}


def test_lines_without_their_invocation_and_broken_ones_are_told() -> None:
    """An invocation that goes on has lines and no end yet; what cannot be read is counted."""
    found = past_logs._put_together(
        [
            kept(2, "r1"),
            kept(1, "r1", source={"user": 7, "message": "x"}),
            kept(3, "r2", timestamp="soon"),
            {"junk": 1},
        ],
        logs.Wanted(),
        10,
    )
    (only,) = found.events
    assert (only.title, only.status, only.at) == ("GET /a", 0, 1.001)
    assert only.lines == (("log", '{"user": 7, "message": "x"}'), ("log", "line 2"))
    assert (found.unread, found.more) == (2, False)
