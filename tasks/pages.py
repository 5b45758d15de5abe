"""Deploy the static site alone: ``inv pages``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import steps
from xswarm_deploy.cli.graph import Step
from xswarm_deploy.tasks import ns


@task(klass=Step, pre=[ns["worker"]])
def pages(c: Context) -> None:
    """Upload the site's missing files and deploy it; nothing to do where it is the same."""
    steps.perform(c, "pages")
