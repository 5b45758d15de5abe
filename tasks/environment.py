"""Name the environment first on the line: ``inv production check backup``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session


@task
def production(c: Context) -> None:
    """Act on production in what follows on the line."""
    session.act_on(c, "production")


@task
def staging(c: Context) -> None:
    """Act on staging in what follows on the line."""
    session.act_on(c, "staging")


@task
def local(c: Context) -> None:
    """Act on the local twin in what follows on the line."""
    session.act_on(c, "local")
