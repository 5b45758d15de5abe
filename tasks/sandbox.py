"""The local twin of production: ``inv sandbox.up``, ``status``, ``logs``, ``down``, ``reset``."""

from __future__ import annotations

import json as encoder
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.adoption import siblings
from xswarm_deploy.bundling import programs
from xswarm_deploy.cli import context
from xswarm_deploy.cli.twin import translated_errors
from xswarm_deploy.console import Console, Progress, confirm
from xswarm_deploy.errors import typed
from xswarm_deploy.release import audit
from xswarm_deploy.release.release import FOLDER
from xswarm_deploy.settings import project
from xswarm_deploy.settings.settings import load
from xswarm_deploy.site import Site
from xswarm_deploy.steps.unversioned import twin
from xswarm_twin import code, fault_injection, supervisor
from xswarm_twin.errors import Unavailable
from xswarm_twin.faults import Fault
from xswarm_twin.programs import find_workerd
from xswarm_twin.state import State


@task
@translated_errors()
def up(c: Context) -> None:
    """Start the twin, or find it running; installs what it needs the first time."""
    console, values = Console(), context.project_values(c)
    wanted = project.read(values, "local")
    others = [project.read(values, environment) for environment in project.ENVIRONMENTS]
    with console.step("sandbox") as line:
        state = supervisor.up(
            context.ROOT,
            _names(each.worker.name for each in (wanted, *others)),
            _names(each.pages.project for each in (wanted, *others)),
            pinned=wanted.sandbox.ports,
            progress=_said(console),
        )
        line.detail = f"up: {state.endpoints.get('WORKER_URL', '')}"
    _ensure_workerd(console)
    _provide(values, console)


def _ensure_workerd(console: Console) -> None:
    """Install what this tool is made for where a repository has no workerd, or an old one."""
    try:
        find_workerd(context.ROOT)
    except Unavailable as missing:
        with console.step("wrangler") as line:
            installed = programs.version(programs.install(context.ROOT))
            line.detail = f"{installed} for the twin: {missing.what}"


def _provide(values: Mapping[str, Any], console: Console) -> None:
    """Make what wrangler's file takes for granted: zones, queues, and Workers it is bound to."""
    site = Site(load("local", values, context.ROOT, os.environ))
    twin.provide(site)
    siblings.deploy(site, console)


@task(auto_shortflags=False, help={"json": "print as JSON"})
@translated_errors()
def status(_c: Context, json: bool = False) -> None:
    """Show what of the twin runs, and where it answers."""
    if json:
        # Written as it is: scripts need the twin's own token, which redaction would take out.
        sys.stdout.write(encoder.dumps(supervisor.summary(context.ROOT), indent=2) + "\n")
        return
    _show(Console(), supervisor.status(context.ROOT))


@task(
    auto_shortflags=False,
    help={
        "name": "whose log; without it every process's",
        "follow": "go on with what is written from now on",
        "lines": "how many lines of each log to begin with",
    },
)
@translated_errors()
def logs(_c: Context, name: str = "", follow: bool = False, lines: int = 40) -> None:
    """Show what the twin's processes logged."""
    console = Console()
    for process, text in supervisor.logs(context.ROOT, name, lines=lines, follow=follow):
        console.line(text if name else f"{process:<10} {text}")


@task
@translated_errors()
def down(_c: Context) -> None:
    """End every process of the twin; its data and its addresses stay."""
    console = Console()
    with console.step("sandbox") as line:
        ended = supervisor.down(context.ROOT, progress=_said(console))
        line.detail = f"down: {ended} process(es) ended" if ended else "was not up"


@task(auto_shortflags=False, help={"yes": "delete without asking"})
@translated_errors()
def reset(_c: Context, yes: bool = False) -> None:
    """End the twin and delete all it holds: database, deployments, objects, keys."""
    confirm("Delete the local twin with its database, deployments and objects?", yes=yes)
    console = Console()
    with console.step("sandbox") as line:
        deleted = supervisor.reset(context.ROOT, progress=_said(console))
        audit.forget_kept(context.ROOT / FOLDER, "local")
        line.detail = "deleted" if deleted else "there was none"


@task(
    positional=["provider", "kind"],
    auto_shortflags=False,
    help={
        "provider": "stripe, sendgrid, anthropic, openai, twilio, slack or cloudflare",
        "kind": "429 or another status, reset, reset_after, slow:SECONDS, revoked, bad_json, "
        "certificate (expired); cloudflare: 403 (no permission), 200 (refused all the same), "
        "elsewhere (no use from here), page:521 or page:200 (HTML of the edge, or a proxy), "
        "spread:SECONDS, block:SECONDS, degraded (all that goes wrong on a bad day); off",
        "times": "how many requests meet it",
        "method": "cloudflare only: the HTTP method that meets it, or ANY",
        "path": "cloudflare only: a regular expression for the paths that meet it",
        "after": "cloudflare only: how many such requests are let pass before",
    },
)
@translated_errors()
def fault(
    _c: Context,
    provider: str,
    kind: str,
    times: int = 1,
    method: str = "GET",
    path: str = "",
    after: int = 0,
) -> None:
    """Let the next requests to a provider fail, to see what a release makes of it."""
    console = Console()
    if kind == "off":
        fault_injection.clear(context.ROOT, provider)
        console.line(f"✓ {provider}: no fault", "green")
        return
    wanted = Fault(kind, times, method, path, after)
    fault_injection.put(context.ROOT, provider, wanted)
    console.line(f"✓ {provider}: {kind}, {times} time(s)", "green")


def _names(names: Iterable[str]) -> list[str]:
    """Return each name once; the first is the local environment's own."""
    return list(dict.fromkeys(names))


def _said(console: Console) -> Progress:
    """Print what takes its time before it begins; parts that become ready are a bar."""

    def progress(label: str, done: int, total: int | None, unit: str) -> None:
        if total is None:
            console.line(f"· {label}", "dim")
        else:
            console.progress(label, done, total, unit)

    return progress


def _show(console: Console, state: State) -> None:
    if not state.processes:
        console.line(f"the sandbox is down; {typed('inv sandbox.up')} starts it")
        return
    console.table(
        ("process", "status", "pid", "url"),
        [(item.name, item.status, item.pid or "", item.url) for item in state.processes],
    )
    if state.code != code.stamp():
        console.warn(typed("it runs other code than is installed; inv sandbox.up starts it anew"))
    console.line()
    addresses = [(name, url) for name, url in state.endpoints.items() if url.startswith("http")]
    console.table(("address", ""), sorted(addresses))
