"""Slack's stand-in, judged by the official library."""

from __future__ import annotations

from pathlib import Path

import pytest
from dotenv import dotenv_values
from slack_sdk.webhook import WebhookClient

from tests.support.providers import Twin
from xswarm_twin import folder

pytestmark = pytest.mark.slow


def webhook(root: Path) -> str:
    return str(dotenv_values(folder.of(root).endpoints)["SLACK_WEBHOOK_URL"])


def test_a_message_arrives(twin: Twin) -> None:
    answer = WebhookClient(webhook(twin.root)).send(text="boss-ai 1.2.3 is live")
    assert (answer.status_code, answer.body) == (200, "ok")
    assert twin.received("slack")[-1]["text"] == "boss-ai 1.2.3 is live"


def test_a_message_without_text_is_refused(twin: Twin) -> None:
    before = len(twin.received("slack"))
    answer = WebhookClient(webhook(twin.root)).send()
    assert (answer.status_code, answer.body) == (400, "no_text")
    assert len(twin.received("slack")) == before


@pytest.mark.parametrize(
    ("part", "status", "body"),
    [(-1, 403, "invalid_token"), (-2, 404, "no_service"), (-3, 404, "no_team")],
)
def test_each_wrong_part_of_the_url_has_its_error(
    twin: Twin, part: int, status: int, body: str
) -> None:
    parts = webhook(twin.root).split("/")
    parts[part] = "WRONG"
    answer = WebhookClient("/".join(parts)).send(text="hello")
    assert (answer.status_code, answer.body) == (status, body)


def test_the_log_does_not_hold_the_url(twin: Twin) -> None:
    WebhookClient(webhook(twin.root)).send(text="hello")
    log = folder.of(twin.root).log("providers").read_text()
    assert "/services/" in log
    assert twin.keys["SLACK_WEBHOOK_TOKEN"] not in log


def test_a_fault_meets_one_request(twin: Twin) -> None:
    twin.fault("slack", "status:429")
    client = WebhookClient(webhook(twin.root))
    answer = client.send(text="hello")
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, "1")
    assert client.send(text="hello").status_code == 200
