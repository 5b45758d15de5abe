"""Bring an earlier release back: ``inv rollback --version <id>``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from deployment.cli import context
from deployment.release import rollback as going_back
from deployment.release.transaction import report_success, transaction


@task(
    auto_shortflags=False,
    help={
        "version": "the version or release to go back to; without it, you choose from a list",
        "restore_db": "also restore the database: a backup file, or 'latest'",
        "env": "production, staging or local",
        "migrations": "also run the down parts of newer migrations",
        "dry": "print the plan and change nothing",
        "yes": "do not ask (without a terminal the answer is NO)",
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
    site = context.open_site(c)
    wish = going_back.Wish(version or going_back.choose(site), restore_db, migrations)
    target = going_back.find(site, wish)
    wish = going_back.proven(site, wish)
    if dry or context.dry(c):
        going_back.show(site, target, wish)
        going_back.warn(site, target)
        return
    going_back.confirm(site, target, wish, yes=context.agreed(c, yes))
    message = f"back to {target.release or target.version}"
    with transaction(site, "rollback", message, going_back.PHASES) as release:
        going_back.run(release, target, wish)
    report_success(release)
