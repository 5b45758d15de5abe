"""Deploy the Worker alone, at once or as a canary: ``inv worker``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from deployment.release import session

if TYPE_CHECKING:
    from deployment.model.step import Change


@task
def worker(c: Context) -> None:
    """Upload a version, verify it in the dark, then move the traffic to it."""
    session.perform(c, "worker")


@task(auto_shortflags=False, help={"json": "print the status as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show which versions have how much of the traffic."""
    from deployment.console import Console
    from deployment.steps import traffic

    site = session.open_site(c, quiet=json)
    split = traffic.live_split(site)
    console = Console()
    if json:
        console.json({"worker": site.worker, "split": split})
        return
    console.table(("version", "traffic"), [(v, f"{p:g} %") for v, p in split.items()])


@task(
    auto_shortflags=False,
    help={
        "percent": "the share of the traffic it gets",
        "soak": "seconds to watch it, at least",
        "message": "what it is for; shown in deploy.list",
    },
)
def canary(c: Context, percent: float = 10.0, soak: float = 60.0, message: str = "") -> None:
    """Upload a version, give it a share of the traffic, judge it beside the old one; it stays."""
    from deployment.steps import worker as step

    site = session.open_site(c)
    if not session.dry(c):
        site.settings.require_sound()
    _make(c, "worker.canary", step.plan_canary(site, percent, soak), message)


@task
def promote(c: Context) -> None:
    """Give the canary all of the traffic, once it is verified again."""
    from deployment.steps import worker as step

    _make(c, "worker.promote", step.plan_promotion(session.open_site(c)))


@task
def abort(c: Context) -> None:
    """Take the canary's share of the traffic away."""
    from deployment.steps import worker as step

    _make(c, "worker.abort", step.plan_abortion(session.open_site(c)))


def _make(c: Context, kind: str, changes: list[Change], message: str = "") -> None:
    """Make planned changes inside a release, or print them when ``--dry`` was given."""
    from deployment.console import Console
    from deployment.release import preview

    if session.dry(c):
        preview.show(Console(), changes)
        return
    with (
        session.release(c, kind, message, (kind,)) as running,
        running.console.step("worker") as line,
    ):
        running.make(changes)
        line.detail = session.summary(changes)
    session.tell(running)


ns = Collection("worker")
ns.add_task(worker, default=True)
for _task in (status, canary, promote, abort):
    ns.add_task(_task)
