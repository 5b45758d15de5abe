"""Keep the Worker's secrets as the environment file has them: ``inv secrets``."""

from __future__ import annotations

from collections.abc import Sequence

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context, steps
from xswarm_deploy.cli.graph import Step
from xswarm_deploy.console import Console
from xswarm_deploy.errors import typed
from xswarm_deploy.model.step import Change
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.site import Site
from xswarm_deploy.steps import rotation
from xswarm_deploy.steps import secrets as step
from xswarm_deploy.tasks import ns


@task(klass=Step, pre=[ns["migrate"]])
def secrets(c: Context) -> None:
    """Send new and changed secrets, as one verified version of the Worker."""
    for name in context.open_site(c, quiet=True).settings.unread:
        Console().warn(f"{name} is not sent: it is not named under deploy.worker.secrets")
    steps.perform(c, "secrets")


@task(auto_shortflags=False, help={"json": "print the difference as JSON"})
def diff(c: Context, json: bool = False) -> None:
    """Show which secrets were added, changed or are unchanged; by fingerprint, never by value."""
    found = step.difference(context.open_site(c, quiet=json)).as_json()
    rows = [(name, kind) for kind, names in found.items() for name in names]
    console.show(found, console.Table(("secret", "state"), rows), json=json)


@task(name="list", auto_shortflags=False, help={"json": "print the names as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """List the names of the Worker's secrets."""
    site = context.open_site(c, quiet=json)
    names = site.cloudflare.secrets(site.worker)
    console.show(names, lambda out: _print(out, names), json=json)


@task(auto_shortflags=False, help={"yes": "remove them without asking"})
def prune(c: Context, yes: bool = False) -> None:
    """Remove the Worker's secrets that the environment does not have, as a verified version."""
    site = context.open_site(c)
    _change(c, site, step.plan_prune(site), "Remove", yes)


@task(
    auto_shortflags=False,
    help={
        "name": "JWT_SECRET, ADMIN_TOKEN or STRIPE_WEBHOOK_SECRET",
        "finish": "no longer accept the old value of the last rotation",
        "yes": "do it without asking",
    },
)
def rotate(c: Context, name: str, finish: bool = False, yes: bool = False) -> None:
    """Set a secret's new value, as a verified version; the old one is accepted meanwhile."""
    site = context.open_site(c)
    plan = step.plan_finish(site, name) if finish else step.plan_rotation(site, name)
    _change(c, site, plan, "Finish rotating" if finish else "Rotate", yes)
    if not finish and not context.dry(c):
        _report_rest(c, name)


def _change(c: Context, site: Site, changes: Sequence[Change], verb: str, yes: bool) -> None:
    """Show what would change, ask, then change it in a release of its own."""
    if steps.show_only(c, changes):
        return
    named = next(change for change in changes if change.step == "secrets")
    console.confirm(f"{verb}: {named.resource}?", yes=context.agreed(c, yes))
    with transaction(site, "secrets") as running:
        steps.make(running, "secrets", changes)


def _report_rest(c: Context, name: str) -> None:
    """Print what is left to do after a rotation."""
    if name in rotation.OWN:
        command = typed(f"inv secrets.rotate {name} --finish")
        Console().line(f"to forget the old value: {command}")
        return
    removed = rotation.remove_replaced(context.open_site(c, quiet=True))
    Console().line(f"{removed} replaced endpoint(s) deleted")


def _print(out: Console, names: Sequence[str]) -> None:
    for name in names:
        out.line(f"  {name}")
