from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import HeaderBlock, SectionBlock
from slack_sdk.models.blocks.basic_components import MarkdownTextObject, PlainTextObject

from xswarm_monitoring import alert, channels
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import Notice, What
from xswarm_monitoring.channels import Email, Slack, Sms
from xswarm_monitoring.http_request import Outgoing

SLACK = Slack("https://hooks.slack.example/services/secret-hook", "boss-ai (production)")
EMAIL = Email("SG.secret-key", "boss@example.com", ("ada@example.com", "b@example.com"), "boss-ai")
SMS = Sms("AC1", "secret-token", "+15550001111", "+15552223333", "boss-ai")

texts = st.text(min_size=1, max_size=2000)

GSM = set(" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
"""What ASCII and GSM 03.38's basic alphabet (3GPP TS 23.038, 6.2.1) have in common."""


def notice(summary: str = "It is down", what: What = What.FIRING, **details: str) -> Notice:
    made = Alert(
        "it", Severity.CRITICAL, summary, {"component": "x"}, details, "inv monitor.status"
    )
    return Notice(what, made, 0.0, 60.0)


def body(request: Outgoing) -> Any:
    return json.loads(request.body)


def check_blocks(blocks: list[dict[str, Any]]) -> None:
    """Have the official library judge the blocks by Slack's limits.

    That of all blocks together it does not know: slackapi/bolt-js issue 2509 has 12,000 characters.
    """
    assert len(blocks) <= channels.SLACK_BLOCKS
    assert sum(len(block["text"]["text"]) for block in blocks) <= 11_000
    for block in blocks:
        text = block["text"]["text"]
        if block["type"] == "header":
            assert len(text) <= channels.SLACK_HEADER
            HeaderBlock(text=PlainTextObject(text=text)).validate_json()
        else:
            assert len(text) <= channels.SLACK_SECTION
            SectionBlock(text=MarkdownTextObject(text=text)).validate_json()


@given(
    st.lists(
        st.builds(notice, texts, st.sampled_from(What), reason=texts), min_size=1, max_size=120
    )
)
def test_slack_gets_what_it_takes(notices: list[Notice]) -> None:
    check_blocks(body(SLACK.request(notices))["blocks"])


def test_an_incident_of_many_alerts_is_one_message_that_slack_takes() -> None:
    many = [notice(f"Component {number} is down", reason="x" * 400) for number in range(40)]
    blocks = body(SLACK.request(many))["blocks"]
    check_blocks(blocks)
    assert blocks[-1]["text"]["text"] == f"… and {42 - len(blocks)} more"


def test_an_alert_of_a_thousand_details_is_cut() -> None:
    details = {f"d{number}": "x" for number in range(3000)}
    made = Notice(What.FIRING, Alert("it", Severity.INFO, "It is down", {}, details), 0.0, 60.0)
    check_blocks(body(SLACK.request([made]))["blocks"])


def test_slack_cannot_be_made_to_mention_or_link() -> None:
    text = body(SLACK.request([notice("<!channel> & <https://evil.example|here> *bold*")]))
    section = text["blocks"][1]["text"]["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt; ∗bold∗" in section
    assert "<" not in text["text"]


@given(texts, texts)
def test_a_mail_has_text_and_html_and_everything_in_it_is_escaped(
    summary: str, reason: str
) -> None:
    markup = f"<script>{summary}</script>"
    mail = body(EMAIL.request([notice(markup, reason=f"<img src=x>{reason}")]))
    assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]
    seen = Tags()
    seen.feed(mail["content"][1]["value"])
    assert seen.tags <= {"html", "body", "h2", "p", "br", "code"}
    assert len(mail["subject"]) <= channels.SUBJECT
    assert mail["subject"].splitlines() == [mail["subject"]]


def test_a_reason_forges_no_line_of_a_mail() -> None:
    (text, _) = body(EMAIL.request([notice(reason="it said\nRESOLVED: It is down")]))["content"]
    assert "reason: it said\n    RESOLVED: It is down" in text["value"]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)


def test_a_mail_goes_to_all_and_says_what_to_do() -> None:
    request = EMAIL.request([notice(reason="no answer")])
    assert request.url == "https://api.sendgrid.com/v3/mail/send"
    assert request.headers["Authorization"] == "Bearer SG.secret-key"
    mail = body(request)
    assert [to["email"] for to in mail["personalizations"][0]["to"]] == list(EMAIL.recipients)
    for part in mail["content"]:
        assert "reason: no answer" in part["value"]
        assert "inv monitor.status" in part["value"]


@given(st.lists(st.builds(notice, texts), min_size=1, max_size=20))
def test_an_sms_is_short_and_of_the_plain_alphabet(notices: list[Notice]) -> None:
    (text,) = parse_qs(SMS.request(notices).body.decode())["Body"]
    assert len(text) <= channels.SMS_BODY
    assert set(text) <= GSM


def test_no_sign_of_a_summary_makes_an_sms_longer_or_halves_it() -> None:
    every = "".join(map(chr, range(32, 127)))
    (text,) = parse_qs(SMS.request([notice(every)]).body.decode())["Body"]
    assert set(text) <= GSM


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("a@x.test, A@x.test,b@x.test", ("a@x.test", "b@x.test")),
        (" ,", ()),
        ("B@x.test", ("B@x.test",)),
    ],
)
def test_who_is_listed_twice_is_told_once(given: str, read: tuple[str, ...]) -> None:
    assert channels.listed(given) == read


def test_an_sms_is_a_form_with_basic_authorisation() -> None:
    request = SMS.request([notice("It is down…")])
    assert request.url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert request.headers["Authorization"] == "Basic QUMxOnNlY3JldC10b2tlbg=="
    form = parse_qs(request.body.decode())
    assert form["To"] == ["+15552223333"]
    assert form["Body"] == ["boss-ai: CRITICAL: It is down..."]


@pytest.mark.parametrize("channel", [SLACK, EMAIL, SMS])
def test_no_secret_is_shown(channel: Slack | Email | Sms) -> None:
    shown = repr(channel) + repr(channel.request([notice()]))
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (What.FIRING, "CRITICAL: It is down"),
        (What.RESOLVED, "RESOLVED: It is down"),
        (What.STILL, "CRITICAL: It is down (still, since 1970-01-01T00:00:00.000Z)"),
        (
            What.FLAPPING,
            "CRITICAL: It is down (comes and goes; you will be told when it stays away)",
        ),
        (What.HAPPENED, "CRITICAL: It is down"),
    ],
)
def test_a_title_says_what_happened(what: What, expected: str) -> None:
    assert channels.title(notice(what=what)) == expected


def test_the_worst_stands_in_the_headline() -> None:
    warning = Notice(What.FIRING, alert.degraded("stripe", ""), 0, 0)
    over = notice(what=What.RESOLVED)
    assert channels.headline([over, warning], "boss-ai").startswith("boss-ai: WARNING: stripe")
    assert channels.headline([warning, notice()], "x") == "x: CRITICAL: It is down (and 1 more)"
