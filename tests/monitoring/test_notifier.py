from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from xswarm_monitoring import alert
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import LEASE, AlertState, Notice, What
from xswarm_monitoring.channels import Channel, Email, Slack, Sms
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.notifier import Notifier, Patience, retry_after

CHANNELS = (
    Slack("https://slack.test/hook", "boss-ai"),
    Email("key", "a@example.com", ("b@example.com",), "boss-ai", base="https://sendgrid.test"),
    Sms("AC1", "token", "+1", "+2", "boss-ai", base="https://twilio.test"),
)

Answer = Callable[[int], Response | Exception]


def always(answer: Response | Exception) -> Answer:
    return lambda attempt: answer


GOOD, DOWN = always(Response(200)), always(ConnectionError("refused"))


@dataclass
class Services:
    """The three services, each answering as told; and a clock that people's sleep turns."""

    slack: Answer = GOOD
    sendgrid: Answer = GOOD
    twilio: Answer = GOOD
    asked: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    async def send(self, request: Outgoing) -> Response:
        name = request.url.split("/")[2].split(".")[0]
        self.asked.append(name)
        answers: dict[str, Answer] = {
            "slack": self.slack,
            "sendgrid": self.sendgrid,
            "twilio": self.twilio,
        }
        answer = answers[name](self.asked.count(name))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def notifier(self) -> Notifier:
        return Notifier(CHANNELS, self.send, sleep=self.sleep, wall=lambda: 0.0)


def notice(severity: Severity) -> Notice:
    return Notice(What.FIRING, Alert("it", severity, "It is down"), 0.0, 0.0)


def deliver(services: Services, severity: Severity, state: AlertState | None = None) -> bool:
    return asyncio.run(services.notifier.deliver(state or AlertState(), [notice(severity)]))


@pytest.mark.parametrize(
    ("severity", "asked"),
    [
        (Severity.INFO, {"slack"}),
        (Severity.WARNING, {"slack"}),
        (Severity.ERROR, {"slack", "sendgrid"}),
        (Severity.CRITICAL, {"slack", "sendgrid", "twilio"}),
    ],
)
def test_each_severity_takes_its_channels(severity: Severity, asked: set[str]) -> None:
    services = Services()
    assert deliver(services, severity)
    assert sorted(services.asked) == sorted(asked)


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.ERROR, Severity.CRITICAL])
def test_with_slack_and_sendgrid_down_the_sms_still_arrives(severity: Severity) -> None:
    services, state = Services(slack=DOWN, sendgrid=DOWN), AlertState()
    assert deliver(services, severity, state)
    assert services.asked.count("twilio") == 1
    assert state.history[-1]["channels"] == {
        "slack": "failed: ConnectionError: refused",
        "email": "failed: ConnectionError: refused",
        "sms": "delivered",
    }


def test_a_stand_in_is_not_used_without_need() -> None:
    services = Services(slack=DOWN)
    assert deliver(services, Severity.WARNING)
    assert "twilio" not in services.asked
    services = Services(sendgrid=DOWN)
    assert deliver(services, Severity.ERROR)
    assert services.asked.count("twilio") == 1


def test_an_info_wakes_nobody_by_sms() -> None:
    services = Services(slack=DOWN, sendgrid=DOWN)
    assert not deliver(services, Severity.INFO)
    assert "twilio" not in services.asked


def test_what_reached_nobody_is_kept_and_sent_with_the_next() -> None:
    state = AlertState()
    assert not deliver(Services(DOWN, DOWN, DOWN), Severity.CRITICAL, state)
    assert len(state.undelivered) == 1
    services = Services()
    assert asyncio.run(services.notifier.deliver(state, []))
    assert sorted(services.asked) == ["sendgrid", "slack", "twilio"]
    assert state.undelivered == []
    assert [set(entry["channels"].values()) for entry in state.history] == [
        {"failed: ConnectionError: refused"},
        {"delivered"},
    ]


def test_all_notices_of_one_moment_are_one_message_a_channel() -> None:
    services = Services()
    notices = [notice(Severity.CRITICAL)] * 5 + [notice(Severity.INFO)] * 5
    asyncio.run(services.notifier.deliver(AlertState(), notices))
    assert sorted(services.asked) == ["sendgrid", "slack", "twilio"]


def test_retry_after_is_honoured() -> None:
    busy = Response(429, {"retry-after": "7"})
    services = Services(slack=lambda attempt: busy if attempt < 3 else Response(200))
    assert deliver(services, Severity.INFO)
    assert services.slept == [7.0, 7.0]


def test_a_service_that_is_busy_for_ever_is_asked_three_times() -> None:
    services = Services(slack=always(Response(429, {"retry-after": "1"})))
    state = AlertState()
    assert deliver(services, Severity.WARNING, state)
    assert services.asked == ["slack", "slack", "slack", "sendgrid"]
    assert state.history[-1]["channels"]["slack"] == "failed: HTTP 429"


def test_a_service_that_asks_for_long_patience_is_given_up_for_now() -> None:
    services, state = Services(slack=always(Response(429, {"retry-after": "3600"}))), AlertState()
    assert deliver(services, Severity.WARNING, state)
    assert services.asked == ["slack", "sendgrid"]
    assert services.slept == []
    assert state.history[-1]["channels"]["slack"] == "failed: HTTP 429; it asks to wait 3600 s"


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410])
def test_a_refusal_is_not_repeated(status: int) -> None:
    services = Services(slack=always(Response(status)))
    assert deliver(services, Severity.WARNING)
    assert services.asked == ["slack", "sendgrid"]


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_failure_is_repeated_with_growing_pauses(status: int) -> None:
    services = Services(slack=lambda attempt: Response(status if attempt < 3 else 200))
    assert deliver(services, Severity.INFO)
    assert services.slept == [1.0, 2.0]


def test_a_channel_that_is_not_set_up_is_named_and_another_stands_in() -> None:
    services, state = Services(), AlertState()
    notifier = Notifier(CHANNELS[1:], services.send, sleep=services.sleep)
    assert asyncio.run(notifier.deliver(state, [notice(Severity.WARNING)]))
    assert state.history[-1]["channels"] == {"slack": "not set up", "email": "delivered"}


def test_a_channel_that_hangs_keeps_no_other_waiting() -> None:
    """Whoever sends may have no time limit, and the telephone comes after Slack."""
    services, state, hung = Services(), AlertState(), list[str]()

    async def send(request: Outgoing) -> Response:
        if "slack" in request.url:
            hung.append(request.url)
            await asyncio.Event().wait()
        return await services.send(request)

    patience = Patience(attempts=2, answer=0.02)
    notifier = Notifier(CHANNELS, send, sleep=services.sleep, patience=patience)
    assert asyncio.run(notifier.deliver(state, [notice(Severity.CRITICAL)]))
    assert state.history[-1]["channels"] == {
        "slack": "failed: no answer in 0.02 s",
        "email": "delivered",
        "sms": "delivered",
    }
    assert len(hung) == 1


def test_a_channel_that_breaks_keeps_no_other_from_telling() -> None:
    class Broken(Slack):
        def request(self, notices: Sequence[Notice]) -> Outgoing:
            raise KeyError("severity")

    services, state = Services(), AlertState()
    broken: list[Channel] = [Broken("https://slack.test/hook", "x"), *CHANNELS[1:]]
    notifier = Notifier(broken, services.send, sleep=services.sleep)
    assert asyncio.run(notifier.deliver(state, [notice(Severity.CRITICAL)]))
    assert state.history[-1]["channels"] == {
        "slack": "failed: KeyError: 'severity'",
        "email": "delivered",
        "sms": "delivered",
    }


def test_the_telephone_rings_before_a_slack_that_is_slow_has_answered() -> None:
    services, state = Services(), AlertState()

    async def send(request: Outgoing) -> Response:
        name = request.url.split("/")[2].split(".")[0]
        if name == "slack":
            while "twilio" not in services.asked:
                await asyncio.sleep(0)
        return await services.send(request)

    notifier = Notifier(CHANNELS, send, sleep=services.sleep, patience=Patience(answer=5.0))
    assert asyncio.run(notifier.deliver(state, [notice(Severity.CRITICAL)]))
    assert set(state.history[-1]["channels"].values()) == {"delivered"}


def test_a_channel_that_keeps_failing_slowly_is_given_up_as_a_whole() -> None:
    """Each answer came in time, and three of them with their pauses outlasted the lease."""
    services, state = Services(), AlertState()

    async def send(request: Outgoing) -> Response:
        if "slack" in request.url:
            await asyncio.sleep(0.04)
            return Response(503)
        return await services.send(request)

    patience = Patience(attempts=100, pause=0.0, answer=0.1)
    notifier = Notifier(CHANNELS, send, sleep=asyncio.sleep, patience=patience)
    assert asyncio.run(notifier.deliver(state, [notice(Severity.WARNING)]))
    assert state.history[-1]["channels"] == {
        "slack": "failed: no answer in 0.1 s",
        "email": "delivered",
    }


def test_channels_that_hang_do_not_outlast_the_lease() -> None:
    """The next round would take up what this one has told already, and tell it again."""
    assert len(CHANNELS) * Patience().answer < LEASE


def test_an_event_is_announced_at_once() -> None:
    services, state = Services(), AlertState()
    failed = alert.deployment_failed("v9", "migrate", "syntax error")
    assert asyncio.run(services.notifier.announce(state, failed))
    assert asyncio.run(services.notifier.announce(state, failed))
    assert services.asked.count("twilio") == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, now=100.0) == seconds
