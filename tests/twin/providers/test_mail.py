"""SendGrid's validation of mail, reason by reason."""

from __future__ import annotations

from typing import Any

import pytest

from xswarm_twin.providers import mail

pytestmark = pytest.mark.slow

GOOD: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "a@boss.test"}]}],
    "from": {"email": "boss@xswarm.ai", "name": "Boss"},
    "subject": "Hello",
    "content": [
        {"type": "text/plain", "value": "Hello"},
        {"type": "text/html", "value": "<p>Hello</p>"},
    ],
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"content": [{"type": "text/html", "value": "x"}]},
        {"content": None, "subject": None, "template_id": "d-1"},
        {
            "subject": None,
            "personalizations": [{"to": [{"email": "a@b.test"}], "subject": "x"}],
        },
    ],
)
def test_good_mail_has_no_problem(change: dict[str, Any]) -> None:
    assert mail.problems(GOOD | change) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": None}, "personalizations"),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"cc": [{"email": "a@b.test"}]}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        (
            {"personalizations": [{"to": [{"email": "a@b.test"}], "cc": [{"email": "A@b.test"}]}]},
            "personalizations.0",
        ),
        ({"from": None}, "from.email"),
        ({"from": {"email": "boss"}}, "from.email"),
        ({"reply_to": {"email": "boss"}}, "reply_to.email"),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        ({"content": list(reversed(GOOD["content"]))}, "content"),
    ],
)
def test_bad_mail_names_the_field(change: dict[str, Any], field: str) -> None:
    assert [problem.field for problem in mail.problems(GOOD | change)] == [field]


def test_mail_may_be_only_checked() -> None:
    assert mail.sandboxed({"mail_settings": {"sandbox_mode": {"enable": True}}})
    assert not mail.sandboxed({"mail_settings": {"sandbox_mode": {"enable": False}}})
    assert not mail.sandboxed({})
