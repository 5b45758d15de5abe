"""What the steps act upon: one environment, its services, and the facts of this release."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deployment.cli.console import Progress, no_progress
from deployment.secret import Secret
from deployment.variables import PRODUCTION

if TYPE_CHECKING:
    from deployment.database.client import Database
    from deployment.services.anthropic import Anthropic
    from deployment.services.cloudflare import Cloudflare
    from deployment.services.openai import OpenAI
    from deployment.services.r2 import R2
    from deployment.services.sendgrid import SendGrid
    from deployment.services.slack import Slack
    from deployment.services.stripe import Stripe
    from deployment.services.twilio import Twilio
    from deployment.settings import Settings
    from deployment.steps.bundle import Bundle
    from deployment.steps.record import Record


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
        """Give the Worker's name."""
        return self.settings.project.worker.name

    @property
    def deploy_command(self) -> str:
        """Give the command that deploys the environment."""
        environment = self.settings.environment
        return f"inv deploy.{'prod' if environment == PRODUCTION else environment}"

    @cached_property
    def bundling(self) -> Future[Bundle]:
        """Bundle the Worker in the background, once; started by whoever asks first."""
        from deployment.steps.bundle import bundle

        pool = ThreadPoolExecutor(1, thread_name_prefix="bundle")
        try:
            return pool.submit(bundle, self.settings)
        finally:
            pool.shutdown(wait=False)

    @cached_property
    def database(self) -> Database:
        """Give the database."""
        return self.connect()

    def connect(self) -> Database:
        """Open a connection of its own, for another thread."""
        from deployment.database.client import connect

        settings = self.settings
        return connect(settings.text("TURSO_DATABASE_URL"), settings.secret("TURSO_AUTH_TOKEN"))

    @cached_property
    def cloudflare(self) -> Cloudflare:
        """Give Cloudflare's API, for this account."""
        from deployment.services.cloudflare import Cloudflare

        return Cloudflare.of(self.settings)

    @cached_property
    def stripe(self) -> Stripe:
        """Give Stripe."""
        from deployment.services.stripe import Stripe

        return Stripe.of(self.settings)

    @cached_property
    def twilio(self) -> Twilio:
        """Give Twilio."""
        from deployment.services.twilio import Twilio

        return Twilio.of(self.settings)

    @cached_property
    def sendgrid(self) -> SendGrid:
        """Give SendGrid."""
        from deployment.services.sendgrid import SendGrid

        return SendGrid.of(self.settings)

    @cached_property
    def anthropic(self) -> Anthropic:
        """Give Anthropic."""
        from deployment.services.anthropic import Anthropic

        return Anthropic.of(self.settings)

    @cached_property
    def openai(self) -> OpenAI:
        """Give OpenAI."""
        from deployment.services.openai import OpenAI

        return OpenAI.of(self.settings)

    @cached_property
    def slack(self) -> Slack:
        """Give Slack."""
        from deployment.services.slack import Slack

        return Slack.of(self.settings)

    @cached_property
    def objects(self) -> R2:
        """Give R2 through its S3 API."""
        from deployment.services.r2 import R2

        return R2.of(self.settings)
