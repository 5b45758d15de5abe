"""Point the providers' webhooks at the Worker: ``inv webhooks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session

if TYPE_CHECKING:
    from xswarm_deploy.webhooks.hook import Hook


@task
def webhooks(c: Context) -> None:
    """Create or update the webhooks of Stripe, Twilio and SendGrid."""
    from xswarm_deploy.steps import webhooks as step

    if session.current() is None:
        step.require_minted(session.open_site(c))
    session.perform(c, "webhooks")


@task(name="list", auto_shortflags=False, help={"json": "print as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """Show every webhook as it is, beside what is wanted."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.steps import webhooks as step

    hooks = step.listed(session.open_site(c, quiet=json))
    console = Console()
    if json:
        console.json([hook.as_json() for hook in hooks])
        return
    rows = [(hook.provider, hook.name, hook.state, hook.found.get("url", "")) for hook in hooks]
    console.table(("provider", "webhook", "state", "url"), rows)
    for hook in hooks:
        for text in _remarks(hook):
            console.line(f"  {hook.provider} {hook.name}: {text}", "yellow")


@task(auto_shortflags=False, help={"json": "print the report as JSON"})
def test(c: Context, json: bool = False) -> None:  # noqa: PT028 - a task, not a test
    """Send probes to the Worker: signed ones must get in, all others must be refused."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.errors import CheckFailed
    from xswarm_deploy.steps import webhooks as step

    report = step.probe(session.open_site(c, quiet=json))
    console = Console(quiet=json)
    if json:
        console.json(report.as_json())
    for text, colour in report.lines(verbose=True):
        console.line(text, colour)
    if not report.ok:
        why = "; ".join(f"{finding.name}: {finding.evidence}" for finding in report.failures)
        raise CheckFailed("the webhooks are not good", why, "inv webhooks.list")


def _remarks(hook: Hook) -> list[str]:
    """Return what is not as wanted, setting by setting, and what a person must know."""
    wanted = hook.wanted if hook.found else {"url": hook.wanted.get("url", "")}
    differing = {key: value for key, value in wanted.items() if hook.found.get(key) != value}
    remarks = [f"{key} should be {_words(value)}" for key, value in differing.items()]
    return [*remarks, hook.note] if hook.note else remarks


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


ns = Collection("webhooks")
ns.add_task(webhooks, default=True)
ns.add_task(list_)
ns.add_task(test)
