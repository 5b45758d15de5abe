"""Name the environment first on the line: ``inv production check backup``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import context


@task
def production(c: Context) -> None:
    """Act on production in what follows on the line."""
    context.select_environment(c, "production")


@task
def staging(c: Context) -> None:
    """Act on staging in what follows on the line."""
    context.select_environment(c, "staging")


@task
def local(c: Context) -> None:
    """Act on the local twin in what follows on the line."""
    context.select_environment(c, "local")
