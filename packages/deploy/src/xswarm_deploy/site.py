"""What the steps act upon: one environment, its services, and the facts of this release."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xswarm_deploy.cli.console import Progress, no_progress
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.variables import PRODUCTION

if TYPE_CHECKING:
    from xswarm_deploy.bundling.bundle import Bundle
    from xswarm_deploy.database.client import Database
    from xswarm_deploy.model.record import Record
    from xswarm_deploy.services.anthropic import Anthropic
    from xswarm_deploy.services.cloudflare import Cloudflare
    from xswarm_deploy.services.openai import OpenAI
    from xswarm_deploy.services.r2 import R2
    from xswarm_deploy.services.sendgrid import SendGrid
    from xswarm_deploy.services.slack import Slack
    from xswarm_deploy.services.stripe import Stripe
    from xswarm_deploy.services.twilio import Twilio
    from xswarm_deploy.settings.settings import Settings


@dataclass
class Site:
    """One environment with its clients, made when first used.

    Args:
        settings: the environment's variables and plain settings.
        facts: JSON gathered from the outcomes of this release, e.g. ``version``.
        progress: told how far a long step is.
        staged: secrets that exist only in memory until the Worker's version carries them.
        history: gives the earlier releases of the environment, newest first.
        uploads: whether this release uploads a Worker version, which then carries the secrets.
    """

    settings: Settings
    facts: dict[str, Any] = field(default_factory=dict)
    progress: Progress = no_progress
    staged: dict[str, Secret] = field(default_factory=dict, repr=False)
    history: Callable[[], Sequence[Record]] = tuple
    uploads: bool = False

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
    def bundling(self) -> Future[Bundle]:
        """Bundle the Worker in the background, once; started by whoever asks first."""
        from xswarm_deploy.bundling.bundle import bundle

        pool = ThreadPoolExecutor(1, thread_name_prefix="bundle")
        try:
            return pool.submit(bundle, self.settings)
        finally:
            pool.shutdown(wait=False)

    @cached_property
    def database(self) -> Database:
        """Return the database."""
        return self.connect()

    def connect(self) -> Database:
        """Open a connection of its own, for another thread."""
        from xswarm_deploy.database.client import connect

        settings = self.settings
        return connect(settings.text("TURSO_DATABASE_URL"), settings.secret("TURSO_AUTH_TOKEN"))

    @cached_property
    def cloudflare(self) -> Cloudflare:
        """Return Cloudflare's API, for this account."""
        from xswarm_deploy.services.cloudflare import Cloudflare

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
