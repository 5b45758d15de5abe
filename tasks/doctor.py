"""Look at this machine: ``inv doctor``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.adoption import doctor as examination
from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.errors import CheckFailed


@task(auto_shortflags=False, help={"json": "print the report as JSON"})
def doctor(_c: Context, json: bool = False) -> None:
    """Show what is wrong with this machine and this repository; no key is needed."""
    console = Console()
    report = examination.examine(context.ROOT)
    if json:
        console.json(report.as_json())
    else:
        for text, colour in report.lines(verbose=True):
            console.line(text, colour)
    if not report.ok:
        raise CheckFailed("this machine is not ready", f"{len(report.failures)} failure(s)")
