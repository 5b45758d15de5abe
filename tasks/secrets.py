"""Keep the Worker's secrets as the environment file has them: ``inv secrets``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session

if TYPE_CHECKING:
    from xswarm_deploy.model.step import Change


@task
def secrets(c: Context) -> None:
    """Send new and changed secrets, as one verified version of the Worker."""
    session.perform(c, "secrets")


@task(auto_shortflags=False, help={"json": "print the difference as JSON"})
def diff(c: Context, json: bool = False) -> None:
    """Show which secrets were added, changed or are unchanged; by fingerprint, never by value."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.steps import secrets as step

    found = step.difference(session.open_site(c, quiet=json)).as_json()
    console = Console()
    if json:
        console.json(found)
        return
    console.table(("secret", "state"), [(n, kind) for kind, names in found.items() for n in names])


@task(name="list", auto_shortflags=False, help={"json": "print the names as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """List the names of the Worker's secrets."""
    from xswarm_deploy.console import Console

    site = session.open_site(c, quiet=json)
    names = site.cloudflare.secrets(site.worker)
    console = Console()
    if json:
        console.json(names)
        return
    for name in names:
        console.line(f"  {name}")


@task(auto_shortflags=False, help={"yes": "remove them without asking"})
def prune(c: Context, yes: bool = False) -> None:
    """Remove the Worker's secrets that the environment does not have, as a verified version."""
    from xswarm_deploy.steps import secrets as step

    _confirmed(c, step.plan_prune(session.open_site(c)), "Remove", yes)


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
    from xswarm_deploy.steps import secrets as step

    site = session.open_site(c)
    plan = step.plan_finish(site, name) if finish else step.plan_rotation(site, name)
    _confirmed(c, plan, "Finish rotating" if finish else "Rotate", yes)
    if not finish and not session.dry(c):
        _tell(c, name)


def _confirmed(c: Context, changes: Sequence[Change], verb: str, yes: bool) -> None:
    """Show what would change, ask, then change it in a release of its own."""
    from xswarm_deploy.console import Console, confirm
    from xswarm_deploy.release import preview

    if session.dry(c) or not changes:
        preview.show(Console(), changes)
        return
    named = next(change for change in changes if change.step == "secrets")
    confirm(f"{verb}: {named.resource}?", yes=session.agreed(c, yes))
    with session.release(c, "secrets") as running, running.console.step("secrets") as line:
        running.make(changes)
        line.detail = session.summary(changes)


def _tell(c: Context, name: str) -> None:
    """Report what is left to do after a rotation."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.steps import rotation

    if name in rotation.OWN:
        Console().line(f"to forget the old value: inv secrets.rotate {name} --finish")
        return
    removed = rotation.remove_replaced(session.open_site(c, quiet=True))
    Console().line(f"{removed} replaced endpoint(s) deleted")


ns = Collection("secrets")
for _task in (diff, list_, prune, rotate):
    ns.add_task(_task)
ns.add_task(secrets, default=True)
