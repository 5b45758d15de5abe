"""Plan a restore where a person sees it: the backup is proven before anything is asked."""

from __future__ import annotations

from deployment.console import Console
from deployment.steps import restore
from deployment.steps.site import Site
from deployment.steps.step import Change


def planned(site: Site, name: str, *, table: str = "", to: str = "") -> list[Change]:
    """Prove a backup, say what nothing vouches for, and give the changes that restore it.

    Args:
        site: the environment.
        name: a file, its name in the folder, or ``latest``.
        table: only this table; empty: the whole database.
        to: the URL of another database to restore into; empty: the environment's.

    Raises:
        Refused: there is none, it is damaged, or is not what its manifest says.
    """
    console = Console()
    with console.step("verify") as line:
        site.progress = console.progress
        changes = restore.plan_of(site, name, table=table, to=to)
        line.detail = "the backup can be restored"
    for doubt in restore.doubts(changes):
        console.warn(doubt)
    return changes
