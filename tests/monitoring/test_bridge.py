"""The SMS bridge: what it makes of Alertmanager's webhooks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from xswarm_monitoring.bridge import Bridge
from xswarm_monitoring.channels import SMS_BODY, Sms
from xswarm_monitoring.http_request import Outgoing, Response

TOKEN = "Bearer a-token-of-the-tests"
SMS = Sms("AC1", "canary-auth-token", "+15005550006", "+15551234567", "boss-ai (production)")


def alert(status: str = "firing", **labels: str) -> dict[str, Any]:
    """Return one alert as Alertmanager writes it."""
    return {
        "status": status,
        "labels": {"alertname": "service-outage", "severity": "CRITICAL", **labels},
        "annotations": {"summary": "database is down", "remedy": "inv monitor.status"},
        "startsAt": "2026-11-25T02:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "0",
    }


class Twilio:
    """Twilio's side: what arrived, and how it answers."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.bodies: list[str] = []

    async def send(self, request: Outgoing) -> Response:
        status = self.answers.pop(0) if self.answers else 201
        if not status:
            raise ConnectionError("refused")
        if status < 300:
            self.bodies += parse_qs(request.body.decode())["Body"]
        return Response(status, {"retry-after": "0"})


def take(
    twilio: Twilio, webhook: Mapping[str, Any] | bytes, authorization: str = TOKEN
) -> tuple[int, str]:
    bridge = Bridge([SMS], TOKEN.removeprefix("Bearer "), twilio.send)
    body = webhook if isinstance(webhook, bytes) else json.dumps(webhook).encode()
    return asyncio.run(bridge.take(authorization, body))


def test_what_fires_and_what_is_over_is_told_in_one_message() -> None:
    twilio = Twilio()
    over = alert("resolved") | {"annotations": {"summary": "storage is down"}}
    assert take(twilio, {"alerts": [alert(), over]}) == (200, "delivered")
    assert twilio.bodies == [
        "boss-ai (production): CRITICAL: database is down; RESOLVED: storage is down"
    ]


def test_alerts_that_alertmanager_left_out_are_counted() -> None:
    twilio = Twilio()
    assert take(twilio, {"alerts": [alert()], "truncatedAlerts": 3}) == (200, "delivered")
    assert "database is down" in twilio.bodies[0]
    assert twilio.bodies[0].endswith("and 3 more that Alertmanager has")


def test_a_long_message_is_cut() -> None:
    twilio = Twilio()
    long = alert() | {"annotations": {"summary": "ü" * 5000}}
    assert take(twilio, {"alerts": [long] * 5})[0] == 200
    assert len(twilio.bodies[0]) <= SMS_BODY


@pytest.mark.slow
def test_twilio_is_asked_again_and_alertmanager_when_that_did_not_help() -> None:
    again = Twilio(503, 429, 201)
    assert take(again, {"alerts": [alert()]}) == (200, "delivered")
    refused = Twilio(401)
    assert take(refused, {"alerts": [alert()]}) == (502, "failed: HTTP 401")
    silent = Twilio(0)
    status, why = take(silent, {"alerts": [alert()]})
    assert (status, why) == (200, "delivered")  # the second attempt


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", "Basic YTpi", "Bearer ü"])
def test_others_are_refused(authorization: str) -> None:
    twilio = Twilio()
    assert take(twilio, {"alerts": [alert()]}, authorization)[0] == 401
    assert twilio.bodies == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"{}", b'{"alerts": 1}', b'{"alerts": [{}]}', b"\xff"]
)
def test_what_is_no_webhook_is_refused_for_good(body: bytes) -> None:
    status, why = take(Twilio(), body)
    assert (status, why.startswith("this is no webhook")) == (400, True)


def test_an_unknown_severity_is_taken_seriously() -> None:
    twilio = Twilio()
    take(twilio, {"alerts": [alert(severity="page"), alert(severity="")]})
    assert twilio.bodies[0].count("CRITICAL") == 2
    assert take(twilio, {"alerts": []}) == (200, "nothing to tell")


@pytest.mark.parametrize(
    ("switch", "token", "status"), [(200, TOKEN, 200), (503, TOKEN, 502), (200, "Bearer x", 401)]
)
def test_a_heartbeat_is_passed_on(switch: int, token: str, status: int) -> None:
    """What the switch refuses, or misses, Alertmanager sends again."""
    asked = list[str]()

    async def send(request: Outgoing) -> Response:
        asked.append(f"{request.method} {request.url}")
        return Response(switch)

    bridge = Bridge([], TOKEN.removeprefix("Bearer "), send, heartbeat="https://switch.test/x")
    assert "switch" not in repr(bridge)
    assert asyncio.run(bridge.answer("/heartbeat", token, b"{}"))[0] == status
    assert asked == (["POST https://switch.test/x"] if token == TOKEN else [])
