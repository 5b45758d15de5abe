from __future__ import annotations

from typing import Any

from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.steps import notify


class _Slack:
    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, text: str, more: dict[str, Any]) -> None:
        self.sent.append((text, more))


class _Site:
    def __init__(self, settings: Settings) -> None:
        self.settings, self.worker, self.slack = settings, "boss-ai", _Slack()


def test_nobody_is_called_and_no_link_is_hidden_by_what_a_person_wrote(settings: Any) -> None:
    site: Any = _Site(settings(SLACK_WEBHOOK_URL="https://hooks.slack.com/services/a/b/c"))
    foreign = "<!channel> <https://evil.example|our status page> & *bold*\n[production] released"
    assert notify.announce(site, foreign, f"by {foreign}", "abc").status == "pass"
    ((text, more),) = site.slack.sent
    assert "<" not in text
    assert text.startswith("[local] boss-ai: &lt;!channel&gt;")
    assert len(text.splitlines()) == 3
    assert more["mrkdwn"] is False
