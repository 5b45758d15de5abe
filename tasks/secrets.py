"""Keep the Worker's secrets as the environment file has them: ``inv secrets``."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from deployment.release import session


@task
def secrets(c: Context) -> None:
    """Send new and changed secrets, as one verified version of the Worker."""
    session.perform(c, "secrets")


@task(auto_shortflags=False, help={"json": "print the difference as JSON"})
def diff(c: Context, json: bool = False) -> None:
    """Show which secrets were added, changed or are unchanged; by fingerprint, never by value."""
    from deployment.console import Console
    from deployment.steps import secrets as step

    found = step.difference(session.open_site(c, quiet=json)).as_json()
    console = Console()
    if json:
        console.json(found)
        return
    console.table(("secret", "state"), [(n, kind) for kind, names in found.items() for n in names])


@task(name="list", auto_shortflags=False, help={"json": "print the names as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """List the names of the Worker's secrets."""
    from deployment.console import Console

    site = session.open_site(c, quiet=json)
    names = site.cloudflare.secrets(site.worker)
    console = Console()
    if json:
        console.json(names)
        return
    for name in names:
        console.line(f"  {name}")


ns = Collection("secrets")
ns.add_task(secrets, default=True)
ns.add_task(diff)
ns.add_task(list_)
