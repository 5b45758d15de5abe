"""Deploy the static site alone: ``inv pages``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session


@task
def pages(c: Context) -> None:
    """Upload the site's missing files and deploy it; nothing to do where it is the same."""
    session.perform(c, "pages")
