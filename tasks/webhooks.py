"""Point the providers' webhooks at the Worker: ``inv webhooks``."""

from __future__ import annotations

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context, steps
from xswarm_deploy.cli.graph import Step
from xswarm_deploy.console import Console
from xswarm_deploy.errors import CheckFailed, ExitCode
from xswarm_deploy.model.report import Report
from xswarm_deploy.release.current import current
from xswarm_deploy.steps import webhooks as step
from xswarm_deploy.tasks import ns
from xswarm_deploy.webhooks.hook import Hook


@task(klass=Step, pre=[ns["worker"]])
def webhooks(c: Context) -> None:
    """Create or update the webhooks of Stripe, Twilio and SendGrid."""
    if current() is None:
        step.require_minted(context.open_site(c))
    steps.perform(c, "webhooks")


@task(name="list", auto_shortflags=False, help={"json": "print as JSON"})
def list_(c: Context, json: bool = False) -> None:
    """Show every webhook as it is, beside what is wanted."""
    hooks = step.listed(context.open_site(c, quiet=json))
    console.show([hook.as_json() for hook in hooks], lambda out: _print(out, hooks), json=json)


@task(auto_shortflags=False, help={"json": "print the report as JSON"})
def test(c: Context, json: bool = False) -> None:  # noqa: PT028 - a task, not a test
    """Send probes to the Worker: signed ones must get in, all others must be refused."""
    report = step.probe(context.open_site(c, quiet=json))
    console.show(report.as_json(), lambda out: _print_report(out, report), json=json)
    if not report.findings:
        why = "deploy.webhooks in invoke.yaml names no path on the Worker"
        raise Exit(f"nothing to test: {why}", int(ExitCode.NOTHING_TO_DO))
    if not report.ok:
        why = "; ".join(f"{finding.name}: {finding.evidence}" for finding in report.failures)
        raise CheckFailed("the webhooks are not good", why, "inv webhooks.list")


def _print(out: Console, hooks: list[Hook]) -> None:
    rows = [(hook.provider, hook.name, hook.state, hook.found.get("url", "")) for hook in hooks]
    out.table(("provider", "webhook", "state", "url"), rows)
    for hook in hooks:
        for text in _remarks(hook):
            out.line(f"  {hook.provider} {hook.name}: {text}", "yellow")


def _print_report(out: Console, report: Report) -> None:
    for text, colour in report.lines(verbose=True):
        out.line(text, colour)


def _remarks(hook: Hook) -> list[str]:
    """Return what is not as wanted, setting by setting, and what a person must know."""
    wanted = hook.wanted if hook.found else {"url": hook.wanted.get("url", "")}
    differing = {key: value for key, value in wanted.items() if hook.found.get(key) != value}
    remarks = [f"{key} should be {_words(value)}" for key, value in differing.items()]
    return [*remarks, hook.note] if hook.note else remarks


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
