"""Prometheus, Alertmanager and Grafana: ``inv monitor.files``, ``install``, ``uninstall``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.observability import files as stack_files
from xswarm_deploy.observability import install as installer
from xswarm_deploy.observability import stack
from xswarm_deploy.observability.host import connected
from xswarm_deploy.release.noted import note
from xswarm_deploy.services.monitor import status_page
from xswarm_deploy.settings.settings import alerting_rules


@task(
    auto_shortflags=False,
    help={"to": "the folder"},
)
def files(c: Context, to: str = "monitoring") -> None:
    """Write Prometheus' rules, Alertmanager's routes and Grafana's dashboard; no secret."""
    for path in stack_files.write(_stack(c), Path(to)):
        Console().line(f"✓ {path}")


@task(
    auto_shortflags=False,
    help={
        "host": "as for ssh: user@host:port; its key must be known",
        "prefix": "a folder of the host that stands for its root: files only, nothing runs",
        "yes": "do not ask (without a terminal the answer is NO)",
    },
)
def install(
    c: Context,
    host: str,
    prefix: str = "",
    yes: bool = False,
) -> None:
    """Put Prometheus and Alertmanager on a host over SSH, checked there; again: only changes."""
    wanted, out = _stack(c, prefix), Console()
    with connected(host) as there:
        planned = installer.plan(there, wanted)
        for file in planned:
            out.line(f"  {file.path}")
        if context.dry(c):
            out.line(f"{len(planned)} files would be written")
            return
        if planned:
            question = f"Write these {len(planned)} files on {host}?"
            console.confirm(question, yes=yes)
            note(context.open_site(c), "monitor.install", {"message": host, "files": len(planned)})
        for line in installer.install(there, wanted).lines():
            out.line(line)


@task(
    auto_shortflags=False,
    help={
        "host": "as for ssh: user@host:port; its key must be known",
        "prefix": "as it was installed with",
        "yes": "do not ask (without a terminal the answer is NO)",
    },
)
def uninstall(c: Context, host: str, prefix: str = "", yes: bool = False) -> None:
    """Stop what was installed on a host and remove its files; what was measured stays there."""
    found, out = stack.places(context.settings(c).project.worker.name, prefix), Console()
    with connected(host) as there:
        installed = installer.installed(there, found)
        for path in installed:
            out.line(f"  {path}")
        if not installed or context.dry(c):
            out.line(f"{len(installed)} files would be removed" if installed else "nothing to do")
            return
        question = f"Remove these {len(installed)} files from {host}?"
        console.confirm(question, yes=yes)
        note(context.open_site(c), "monitor.uninstall", {"message": host})
        done = installer.uninstall(there, found)
        for path in done.kept:
            out.warn(f"kept, since somebody changed it: {path}")
        out.line(f"✓ removed {len(done.changed)} files; what was measured is in {found.data}")


def _stack(c: Context, prefix: str = "") -> stack.Stack:
    """Return the stack that judges as ``watch`` does."""
    rules = alerting_rules(context.settings(c).monitor)
    watching = stack.watching(rules.window, rules.policy)
    settings = context.settings(c)
    made = stack.of(settings, rules.thresholds, watching, prefix=prefix)
    figures = rules.dashboard or status_page(settings)
    return replace(made, runbook=rules.runbook, dashboard=figures, slo=rules.slo)
