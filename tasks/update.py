"""Bring what the tool wrote into a repository up to date: ``inv update``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.adoption import changes, updating
from xswarm_deploy.cli import context
from xswarm_deploy.console import Console, confirm


@task(auto_shortflags=False, help={"yes": "do not ask (without a terminal the answer is NO)"})
def update(c: Context, yes: bool = False) -> None:
    """Show what this version changes in the files that it wrote here, and write it."""
    console, values = Console(), context.project_values(c)
    wanted = updating.files(context.ROOT, values)
    changes.show(console, wanted, context.ROOT)
    for hint in updating.hints(context.ROOT, values):
        console.warn(hint)
    if not wanted:
        console.line("nothing to do: the files are as this version writes them")
        return
    if context.dry(c):
        return
    confirm(f"Write these {len(wanted)} files?", yes=yes)
    for change in wanted:
        change.write()
    console.line(f"✓ written: {len(wanted)} files", "green")
