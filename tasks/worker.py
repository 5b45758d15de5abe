"""Deploy the Worker alone, at once or as a canary: ``inv worker``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session

if TYPE_CHECKING:
    from xswarm_deploy.model.step import Change


@task
def worker(c: Context) -> None:
    """Upload a version, verify it at 0 % of the traffic, then move the traffic to it."""
    session.perform(c, "worker")


@task(auto_shortflags=False, help={"json": "print the status as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show which versions have how much of the traffic."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.steps import traffic

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
    from xswarm_deploy.steps import worker as step

    site = session.open_site(c)
    if not session.dry(c):
        site.settings.require_sound()
    _make(c, "worker.canary", step.plan_canary(site, percent, soak), message)


@task
def promote(c: Context) -> None:
    """Move all of the traffic to the canary, once it is verified again."""
    from xswarm_deploy.steps import worker as step

    _make(c, "worker.promote", step.plan_promotion(session.open_site(c)))


@task
def abort(c: Context) -> None:
    """Take the canary's share of the traffic away."""
    from xswarm_deploy.steps import worker as step

    _make(c, "worker.abort", step.plan_abortion(session.open_site(c)))


def _make(c: Context, kind: str, changes: list[Change], message: str = "") -> None:
    """Make planned changes inside a release, or print them when ``--dry`` was given."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.release import preview

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
