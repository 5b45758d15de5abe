"""One environment: its settings, and the clients of its services, made when first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from xswarm_deploy.frozen import frozen
from xswarm_deploy.settings.variables import PRODUCTION

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database
    from xswarm_deploy.database.d1 import D1Access
    from xswarm_deploy.services.anthropic import Anthropic
    from xswarm_deploy.services.cloudflare import Cloudflare
    from xswarm_deploy.services.connections import Connections
    from xswarm_deploy.services.openai import OpenAI
    from xswarm_deploy.services.r2 import R2
    from xswarm_deploy.services.sendgrid import SendGrid
    from xswarm_deploy.services.slack import Slack
    from xswarm_deploy.services.stripe import Stripe
    from xswarm_deploy.services.twilio import Twilio
    from xswarm_deploy.settings.settings import Settings

_CLOUDFLARE: Final = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")


@frozen
class Environment:
    """One environment with its clients; nothing of it changes while it is used.

    Args:
        settings: the environment's variables and plain settings.
    """

    settings: Settings

    @property
    def worker(self) -> str:
        """Return the Worker's name."""
        return self.settings.project.worker.name

    @property
    def deploy_command(self) -> str:
        """Return the command that deploys the environment."""
        environment = self.settings.environment
        return f"inv deploy.{'prod' if environment == PRODUCTION else environment}"

    @cached_property
    def database(self) -> Database:
        """Return the database."""
        return self.connect()

    def connect(self) -> Database:
        """Open a connection of its own, for another thread."""
        from xswarm_deploy.database.client import connect

        given = ["TURSO_AUTH_TOKEN"] if self.settings.secret("TURSO_AUTH_TOKEN") else []
        self.settings.require_filled("TURSO_DATABASE_URL", *given)
        url, token = self.database_url, self.settings.secret("TURSO_AUTH_TOKEN")
        return connect(url, token, self.d1 if url.startswith("d1:") else None)

    @property
    def database_url(self) -> str:
        """Return where the database is."""
        return self.settings.text("TURSO_DATABASE_URL")

    @property
    def d1(self) -> D1Access:
        """Return the way to the account's D1 databases."""
        from xswarm_deploy.database.d1 import D1Access

        self.settings.require_filled(*_CLOUDFLARE)
        return D1Access(
            self.settings.text("CLOUDFLARE_ACCOUNT_ID"),
            self.settings.secret("CLOUDFLARE_API_TOKEN"),
            self.settings.text("CLOUDFLARE_API_BASE_URL"),
        )

    @cached_property
    def connections(self) -> Connections:
        """Return the connections by which what is deployed is asked."""
        from xswarm_deploy.services.connections import Connections

        return Connections()

    @cached_property
    def cloudflare(self) -> Cloudflare:
        """Return Cloudflare's API, for this account."""
        from xswarm_deploy.services.cloudflare import Cloudflare

        self.settings.require_filled(*_CLOUDFLARE)
        return Cloudflare.of(self.settings)

    @cached_property
    def stripe(self) -> Stripe:
        """Return Stripe."""
        from xswarm_deploy.services.stripe import Stripe

        return Stripe.of(self.settings)

    @cached_property
    def twilio(self) -> Twilio:
        """Return Twilio."""
        from xswarm_deploy.services.twilio import Twilio

        return Twilio.of(self.settings)

    @cached_property
    def sendgrid(self) -> SendGrid:
        """Return SendGrid."""
        from xswarm_deploy.services.sendgrid import SendGrid

        return SendGrid.of(self.settings)

    @cached_property
    def anthropic(self) -> Anthropic:
        """Return Anthropic."""
        from xswarm_deploy.services.anthropic import Anthropic

        return Anthropic.of(self.settings)

    @cached_property
    def openai(self) -> OpenAI:
        """Return OpenAI."""
        from xswarm_deploy.services.openai import OpenAI

        return OpenAI.of(self.settings)

    @cached_property
    def slack(self) -> Slack:
        """Return Slack."""
        from xswarm_deploy.services.slack import Slack

        return Slack.of(self.settings)

    @cached_property
    def objects(self) -> R2:
        """Return R2 through its S3 API."""
        from xswarm_deploy.services.r2 import R2

        return R2.of(self.settings)
