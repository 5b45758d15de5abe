"""Deploy the static site alone: ``inv pages``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from deployment.cli import steps
from deployment.cli.graph import Step
from tasks import ns


@task(klass=Step, pre=[ns["worker"]])
def pages(c: Context) -> None:
    """Upload the site's missing files and deploy it; nothing to do where it is the same."""
    steps.perform(c, "pages")
