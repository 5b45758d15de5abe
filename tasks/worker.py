"""Deploy the Worker alone, at once or as a canary: ``inv worker``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import building, context, steps
from xswarm_deploy.cli.graph import Step
from xswarm_deploy.model.step import Change
from xswarm_deploy.release.transaction import report_success, transaction
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic
from xswarm_deploy.steps import worker as step
from xswarm_deploy.tasks import ns


@task(klass=Step, pre=[ns["secrets"]])
def worker(c: Context) -> None:
    """Upload a version, verify it at 0 % of the traffic, then move the traffic to it."""
    building.prepare(context.open_site(c).settings)
    steps.perform(c, "worker")


@task(auto_shortflags=False, help={"json": "print the status as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show which versions have how much of the traffic."""
    site = context.open_site(c, quiet=json)
    split = traffic.live_split(site)
    table = console.Table(("version", "traffic"), [(v, f"{p:g} %") for v, p in split.items()])
    console.show({"worker": site.worker, "split": split}, table, json=json)


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
    site = context.open_site(c)
    building.prepare(site.settings)
    if not context.dry(c):
        site.settings.require_sound()
    _make(c, site, "worker.canary", step.plan_canary(site, percent, soak), message)


@task
def promote(c: Context) -> None:
    """Move all of the traffic to the canary, once it is verified again."""
    site = context.open_site(c)
    _make(c, site, "worker.promote", step.plan_promotion(site))


@task
def abort(c: Context) -> None:
    """Take the canary's share of the traffic away."""
    site = context.open_site(c)
    _make(c, site, "worker.abort", step.plan_abortion(site))


def _make(c: Context, site: Site, kind: str, changes: list[Change], message: str = "") -> None:
    """Make planned changes inside a release, or print them where that is all to do."""
    if steps.show_only(c, changes):
        return
    with transaction(site, kind, message, (kind,)) as running:
        steps.make(running, "worker", changes)
    report_success(running)
