"""Slack: messages by an incoming webhook, whose whole URL is the secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import Invalid
from xswarm_deploy.services.http import Http

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

EMPTY_MESSAGE = frozenset({"no_text", "missing_text_or_fallback_or_attachments", "invalid_payload"})


class Slack:
    """One incoming webhook.

    Args:
        http: its base URL is the webhook's URL.
    """

    @classmethod
    def of(cls, settings: Settings) -> Slack:
        """Return the client of an environment."""
        url = settings.secret("SLACK_WEBHOOK_URL")
        Secret(urlsplit(url.reveal()).path, url.name)  # errors name paths: redact this one
        return cls(Http("Slack", url.reveal(), fenced=False))  # who lost the lock tells of it

    def __init__(self, http: Http) -> None:
        self.http = http

    def send(self, text: str, more: Mapping[str, Any] | None = None) -> None:
        """Post a message, once: a lost reply is not worth two messages.

        Args:
            text: what is shown, also in notifications.
            more: other fields of the message, e.g. ``blocks``.
        """
        self.http.post("", json={"text": text, **(more or {})})

    def verify(self) -> None:
        """Make sure the webhook is there, without posting: an empty message is refused.

        Raises:
            ServiceError: the webhook is gone (404 no_service), or there is no answer.
        """
        try:
            self.http.post("", json={}, safe=True)
        except Invalid as error:
            if error.status != 400 or not set(error.said.split()) & EMPTY_MESSAGE:
                raise
