"""Bring the database's schema forward: ``inv migrate``; the others of its name: migrations.py.

A release that has nothing to apply is common, and wants to be quick: what applies is imported by
the one that does.
"""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import context, schema_lines
from xswarm_deploy.cli import steps as cli_steps
from xswarm_deploy.cli.graph import Step
from xswarm_deploy.console import Console
from xswarm_deploy.release import opening
from xswarm_deploy.release.current import current
from xswarm_deploy.site import Site
from xswarm_deploy.steps import pending
from xswarm_deploy.tasks import ns


@task(klass=Step, pre=[ns["backup"]])
def migrate(c: Context) -> None:
    """Apply all pending migrations: one transaction, wholly or not at all."""
    if context.dry(c) or current() is not None:
        cli_steps.perform(c, "migrate")
        return
    site = context.open_site(c)
    if _nothing_is_pending(site):
        return
    with opening.release(site, "migrate") as running:
        cli_steps.perform(c, "migrate")
        schema_lines.print_made(running)


def _nothing_is_pending(site: Site) -> bool:
    """Print it where there is nothing to do: that takes no lease and no release."""
    if pending.checked(site).pending:
        return False
    Console().line(f"✓ migrate: {pending.nothing(site)}")
    return True
