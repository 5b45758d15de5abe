"""Bring an earlier release back: ``inv rollback --version <id>``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.model.rollback_request import RollbackRequest
from xswarm_deploy.release import opening


@task(
    auto_shortflags=False,
    help={
        "version": "the version or release to go back to; without it, you choose from a list",
        "restore_db": "also restore the database: a backup file, or 'latest'",
        "env": "production, staging or local",
        "migrations": "also run the down parts of newer migrations",
        "dry": "print the plan and change nothing",
        "yes": context.YES,
    },
)
def rollback(
    c: Context,
    version: str = "",
    restore_db: str = "",
    env: str = "",
    migrations: bool = False,
    dry: bool = False,
    yes: bool = False,
) -> None:
    """Go back to an earlier release: Worker, secrets and Pages; the database when asked."""
    if env:
        context.select_environment(c, env)
    site, console = context.open_site(c), Console()
    wish = RollbackRequest(version, restore_db, migrations)
    if dry or context.dry(c):
        opening.show_rollback(console, site, wish)
        return
    opening.roll_back(console, site, wish, agreed=context.agreed(c, yes))
