"""Bring an earlier release back: ``inv rollback --version <id>``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.release import opening
from xswarm_deploy.release import rollback as going_back
from xswarm_deploy.release.transaction import report_success, transaction


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
    opening.connect(site)
    wish = going_back.RollbackRequest(version, restore_db, migrations)
    if dry or context.dry(c):
        going_back.show(console, site, wish)
        return
    agreed, reading = context.agreed(c, yes), going_back.reading_for(site, wish)
    with going_back.locking(site, wish, agreed=agreed) as taking:
        chosen = going_back.chosen(console, site, wish, reading, agreed=agreed)
        message = going_back.message(chosen.wanted.maker)
        with transaction(site, "rollback", message, going_back.PHASES, taking=taking) as release:
            going_back.run(release, chosen)
    report_success(release)
