"""Deploy the Worker alone: ``inv worker``."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from deployment.release import session


@task
def worker(c: Context) -> None:
    """Upload a version, verify it in the dark, then move the traffic to it."""
    session.perform(c, "worker")


@task(auto_shortflags=False, help={"json": "print the status as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show which versions have how much of the traffic."""
    from deployment.console import Console
    from deployment.steps import worker as step

    site = session.open_site(c, quiet=json)
    split = step.live_split(site)
    console = Console()
    if json:
        console.json({"worker": site.worker, "split": split})
        return
    console.table(("version", "traffic"), [(v, f"{p:g} %") for v, p in split.items()])


ns = Collection("worker")
ns.add_task(worker, default=True)
ns.add_task(status)
