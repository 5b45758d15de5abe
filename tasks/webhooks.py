"""Point the providers' webhooks at the Worker: ``inv webhooks``."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from deployment.release import session


@task
def webhooks(c: Context) -> None:
    """Create or update the webhooks of Stripe, Twilio and SendGrid."""
    session.perform(c, "webhooks")


ns = Collection("webhooks")
ns.add_task(webhooks, default=True)
