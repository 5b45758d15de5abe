"""Return people how a release went; a message that fails never fails the release."""

from __future__ import annotations

from typing import Final

from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.report import Finding
from xswarm_deploy.secret import one_line

NAME: Final = "notify"
_AS_IT_IS: Final = {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def announce(environment: Environment, headline: str, details: str = "", head: str = "") -> Finding:
    """Send a message to Slack, and say how that went.

    Args:
        environment: the environment.
        headline: what happened, in one line.
        details: more of it.
        head: the audit trail's last hash: noted by others, it proves the trail up to there.
    """
    if not environment.settings.secret("SLACK_WEBHOOK_URL"):
        return Finding(NAME, NAME, "skip", False, "no SLACK_WEBHOOK_URL")
    lines = [
        _plain(f"[{environment.settings.environment}] {environment.worker}: {headline}"),
        _plain(details),
    ]
    lines += [f"audit trail up to here: {head}"] if head else []
    try:
        environment.slack.send("\n".join(line for line in lines if line), _AS_IT_IS)
    except DeployError as error:
        return Finding(NAME, NAME, "warn", False, str(error), "inv monitor.test-alert")
    return Finding(NAME, NAME, "pass", False, "Slack")


def _plain(text: str) -> str:
    """Write what people named as Slack shows it: no mention, no link under another's words."""
    return one_line(text).translate(_ESCAPES)
