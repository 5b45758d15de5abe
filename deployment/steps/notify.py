"""Tell people how a release went; a message that fails never fails the release."""

from __future__ import annotations

from typing import Final

from deployment.errors import DeployError
from deployment.steps.report import Finding
from deployment.steps.site import Site

NAME: Final = "notify"


def announce(site: Site, headline: str, details: str = "") -> Finding:
    """Send a message to Slack, and say how that went.

    Args:
        site: the environment.
        headline: what happened, in one line.
        details: more of it.
    """
    if not site.settings.secret("SLACK_WEBHOOK_URL"):
        return Finding(NAME, NAME, "skip", False, "no SLACK_WEBHOOK_URL")
    text = f"[{site.settings.environment}] {site.worker}: {headline}"
    try:
        site.slack.send(f"{text}\n{details}".strip())
    except DeployError as error:
        return Finding(NAME, NAME, "warn", False, str(error), "inv monitor.test-alert")
    return Finding(NAME, NAME, "pass", False, "Slack")
