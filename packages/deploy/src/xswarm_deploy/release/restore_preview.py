"""Plan a restore where a person sees it: the backup is proven before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xswarm_deploy.console import Console
from xswarm_deploy.database.loss import Loss
from xswarm_deploy.model.step import Change
from xswarm_deploy.site import Site
from xswarm_deploy.steps import restore


def planned(
    console: Console, site: Site, name: str, *, table: str = "", to: str = ""
) -> list[Change]:
    """Prove a backup, say what is in doubt and would be lost, and return the changes.

    Args:
        console: where it is said.
        site: the environment.
        name: a file, its name in the folder, or ``latest``.
        table: only this table; empty: the whole database.
        to: the URL of another database to restore into; empty: the environment's.

    Raises:
        Refused: there is none, it is damaged, or is not what its manifest says.
    """
    with console.step("verify") as line:
        shown = site.holding(replace(site.state, progress=console.progress))
        changes = restore.plan_of(shown, name, table=table, to=to)
        line.detail = "the backup can be restored"
    for doubt in restore.doubts(changes):
        console.warn(doubt)
    _tell(console, restore.lost(changes))
    return changes


def _tell(console: Console, lost: Sequence[Loss]) -> None:
    """Print how many rows of each table are not in the backup."""
    if not lost:
        console.line("· no row is lost: the backup has all that is there now", "dim")
        return
    console.warn(f"{sum(each.lost for each in lost)} current rows are not in the backup:")
    console.table(
        ("table", "rows", "would be lost"), [(each.table, each.rows, each.lost) for each in lost]
    )
