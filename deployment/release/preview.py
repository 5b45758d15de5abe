"""Show what would change, before anything does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deployment.console import Console
from deployment.release.release import step_named
from deployment.steps.site import Site
from deployment.steps.step import Change


def planned(site: Site, steps: Iterable[str]) -> list[Change]:
    """Give what the steps would change; reads only.

    Args:
        site: the environment.
        steps: their names, in order.
    """
    return [change for name in steps for change in step_named(name).plan(site)]


def show(changes: Sequence[Change]) -> None:
    """Print changes, and what of them cannot be undone."""
    console = Console()
    if not changes:
        console.line("nothing to do")
        return
    rows = [(change.step, change.action, change.resource) for change in changes]
    console.table(("step", "action", "resource"), rows)
    for change in changes:
        if change.irreversible:
            console.warn(f"{change.resource} cannot be undone: {change.irreversible}")
