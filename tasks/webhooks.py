"""Point the providers' webhooks at the Worker: ``inv webhooks``."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from deployment.release import session


@task
def webhooks(c: Context) -> None:
    """Create or update the webhooks of Stripe, Twilio and SendGrid."""
    from deployment.steps import webhooks as step

    if session.current() is None:
        step.require_minted(session.open_site(c))
    session.perform(c, "webhooks")


@task(name="list", auto_shortflags=False, help={"json": "print as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """Show every webhook as it is, beside what is wanted."""
    from deployment.console import Console
    from deployment.steps import webhooks as step

    hooks = [hook.as_json() for hook in step.listed(session.open_site(c, quiet=json))]
    console = Console()
    if json:
        console.json(hooks)
        return
    columns = list(hooks[0]) if hooks else []
    console.table(columns, [[hook[column] for column in columns] for hook in hooks])


@task(auto_shortflags=False, help={"json": "print the report as JSON"})
def test(c: Context, json: bool = False) -> None:
    """Send probes to the Worker: signed ones must get in, all others must be refused."""
    from deployment.console import Console
    from deployment.errors import CheckFailed
    from deployment.steps import webhooks as step

    report = step.probe(session.open_site(c, quiet=json))
    console = Console(quiet=json)
    if json:
        console.json(report.as_json())
    for text, colour in report.lines(verbose=True):
        console.line(text, colour)
    if not report.ok:
        why = "; ".join(f"{finding.name}: {finding.evidence}" for finding in report.failures)
        raise CheckFailed("the webhooks are not good", why, "inv webhooks.list")


ns = Collection("webhooks")
ns.add_task(webhooks, default=True)
ns.add_task(list_)
ns.add_task(test)
