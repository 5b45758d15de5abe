"""Who is told of a failed release, by its severity."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest
import responses

from xswarm_deploy.errors import DeployError, Interrupted, NotRolledBack, StepFailed
from xswarm_deploy.release import failure_alert
from xswarm_deploy.release.release import Release
from xswarm_deploy.settings.settings import Settings

MAIL = "https://api.sendgrid.com/v3/mail/send"
SMS = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json"


def failed(settings: Settings) -> Release:
    record = SimpleNamespace(kind="deploy", release="7")
    return cast(Release, SimpleNamespace(site=SimpleNamespace(settings=settings), record=record))


@pytest.fixture
def everyone(settings: Callable[..., Settings]) -> Settings:
    return settings(
        ADMIN_EMAIL="admin@xswarm.test",
        ADMIN_PHONE="+15005550010",
        TWILIO_ACCOUNT_SID="AC00000000000000000000000000000001",
        TWILIO_AUTH_TOKEN_TEST="token-of-a-test",
        TWILIO_PHONE_NUMBER="+15005550006",
        WORKER_URL="https://boss.test",
    )


@pytest.mark.parametrize(
    ("ended", "channels"),
    [
        (StepFailed("migrate failed", "syntax error"), ["email"]),
        (NotRolledBack("not everything was brought back", "r2"), ["email", "sms"]),
        (Interrupted("it was interrupted"), []),
    ],
)
@responses.activate
def test_a_failure_is_told_by_its_severity(
    everyone: Settings, ended: DeployError, channels: list[str]
) -> None:
    responses.post(MAIL, status=202)
    responses.post(SMS, status=201, json={})
    assert failure_alert.tell(failed(everyone), ended) == dict.fromkeys(channels, "delivered")
    calls = {str(call.request.url): call.request.body for call in responses.calls}
    sent = {url: body for url, body in calls.items() if url in (MAIL, SMS)}  # no other test's
    assert len(sent) == len(channels)
    if "email" in channels:
        mail: dict[str, Any] = json.loads(cast(bytes, sent[MAIL]))
        assert f"deploy 7 failed: {ended.what}" in mail["subject"]
        assert "dashboard: https://boss.test/status" in mail["content"][0]["value"]
    if "sms" in channels:
        told = dict(parse_qsl(cast(bytes, sent[SMS]).decode()))
        assert "CRITICAL: deploy 7 failed" in told["Body"]


def test_without_channels_nothing_is_sent(settings: Callable[..., Settings]) -> None:
    assert failure_alert.tell(failed(settings()), StepFailed("x", "y")) == {}
