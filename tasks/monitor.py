"""Look after what runs: ``inv monitor.status``, ``metrics``, ``watch``, ``dashboard``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session

if TYPE_CHECKING:
    from xswarm_deploy.monitor.watch import Watched
    from xswarm_deploy.observability.stack import Stack
    from xswarm_deploy.site import Site
    from xswarm_monitoring.rules import Rules


@task(auto_shortflags=False, help={"json": "print the reports as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Ask every health endpoint and show what it says and how long it took; exit 1: one failed."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.errors import CheckFailed
    from xswarm_deploy.monitor import tables
    from xswarm_deploy.services.monitor import Monitor

    site, console = session.open_site(c, quiet=json), Console()
    answers = Monitor.of(site.settings).everything()
    if json:
        console.json([each.as_json() for each in answers])
    else:
        console.table(tables.ENDPOINTS, tables.endpoints(answers))
        _table(console, tables.CHECKS, tables.checks(answers[-1]))
    failed = [each for each in answers if each.verdict == "fail"]
    if failed:
        why = "; ".join(f"{each.path}: {each.error or f'HTTP {each.status}'}" for each in failed)
        raise CheckFailed("the service is unhealthy", why, "inv monitor.watch --once")


@task(
    auto_shortflags=False,
    help={
        "window": "how far back: 5m, 1h, 7d; up to 90d",
        "json": "print all that was measured as JSON",
    },
)
def metrics(c: Context, window: str = "1h", json: bool = False) -> None:
    """Show what all isolates measured: requests, queries, business."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.monitor import tables
    from xswarm_deploy.services.monitor import Monitor

    site, console = session.open_site(c, quiet=json), Console()
    found = Monitor.of(site.settings).metrics(window)
    if json:
        console.json(found)
        return
    if found["scope"] != "all":
        console.warn(f"one isolate's figures only: {found['incomplete'] or 'it has no database'}")
    console.line(tables.figures(found["requests"]), "bold")
    if own := found.get("probes", {}).get("total"):
        console.line(f"beside them {own} of the deployment's own, which count nowhere else", "dim")
    for header, rows in (
        (tables.ROUTES, tables.routes(found["requests"])),
        (tables.QUERIES, tables.queries(found["database"])),
        (tables.SLOW, tables.slow(found["database"])),
        (tables.BUSINESS, tables.business(found["business"])),
    ):
        _table(console, header, rows)


@task(
    auto_shortflags=False,
    help={
        "once": "one round, for a cron; exit 1: something is wrong, 6: people could not be told",
        "interval": "seconds between two rounds",
        "json": "print each round as JSON",
    },
)
def watch(c: Context, once: bool = False, interval: float = 30.0, json: bool = False) -> None:
    """Judge what is measured, round after round, and tell people of what is wrong."""
    site, rules = session.open_site(c, quiet=json), _rules(c)
    if once:
        _require_well(_round(site, rules, json=json))
        return
    while True:
        began = time.monotonic()
        _round(site, rules, json=json)
        time.sleep(max(interval - (time.monotonic() - began), 1.0))


@task(
    name="test-alert",
    auto_shortflags=False,
    help={"severity": "info, warning, error or critical: it decides who is told, and how"},
)
def alert(c: Context, severity: str = "warning") -> None:
    """Send a test alert for real, by every channel its severity is for; exit 1: one failed."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.errors import CheckFailed
    from xswarm_deploy.monitor import notify, tables
    from xswarm_monitoring.channels import NEEDED
    from xswarm_monitoring.notifier import DELIVERED

    level, site = notify.severity(severity), session.open_site(c)
    went = notify.test(site.settings, level, time.time())
    missing = [name for name, outcome in went.items() if outcome == notify.MISSING]
    Console().table(("channel", "outcome"), list(went.items()))
    for name in missing:
        Console().warn(f"{name} needs {', '.join(NEEDED[name])}")
    if DELIVERED not in went.values() or set(went.values()) - {DELIVERED, notify.MISSING}:
        raise CheckFailed("the alert did not arrive everywhere", tables.went(went), "inv check")


@task(auto_shortflags=False, help={"json": "print as JSON"})
def alerts(c: Context, json: bool = False) -> None:
    """Show the alerts that are on, what is kept quiet, and what people were told."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.monitor import remembered, tables

    found, console = remembered.summary(session.open_site(c, quiet=json)), Console()
    if json:
        console.json(found)
        return
    console.line(f"{len(found['on'])} on, {len(found['silences'])} kept quiet", "bold")
    _table(console, tables.ON, tables.on(found["on"]))
    _table(console, tables.SILENCES, tables.silences(found["silences"]))
    _table(console, tables.HISTORY, tables.history(found["history"]))


@task(
    auto_shortflags=False,
    help={
        "pattern": "which alerts, by their keys, with * and ?, e.g. 'slow-*'",
        "window": "for how long: 30m, 2h, 1d",
        "why": "the reason, for those who wonder",
    },
)
def silence(c: Context, pattern: str, why: str, window: str = "1h") -> None:
    """Keep alerts from people for a while; the history still has them."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.monitor import remembered
    from xswarm_deploy.monitor.watch import window_seconds
    from xswarm_monitoring.alert_state import Silence
    from xswarm_monitoring.clock import iso

    until = time.time() + window_seconds(window)
    remembered.silence(session.open_site(c), Silence(pattern, until, why))
    Console().line(f"✓ {pattern} is kept quiet until {iso(until)}")


@task(auto_shortflags=False, help={"port": "where it listens on this machine; 0: a free one"})
def dashboard(c: Context, port: int = 8787) -> None:
    """Serve the dashboard on this machine until Ctrl-C; the admin token stays in this process."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.monitor import dashboard as page

    with page.server(session.open_site(c), port) as server:
        Console().line(f"http://{page.HOST}:{server.server_address[1]}/  (Ctrl-C ends it)")
        server.serve_forever()


@task(
    auto_shortflags=False,
    help={"to": "the folder"},
)
def files(c: Context, to: str = "monitoring") -> None:
    """Write Prometheus' rules, Alertmanager's routes and Grafana's dashboard; no secret."""
    from pathlib import Path

    from xswarm_deploy.console import Console
    from xswarm_deploy.observability import files as stack_files

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
    from xswarm_deploy import console
    from xswarm_deploy.observability import install as step
    from xswarm_deploy.observability.host import connected

    stack, out = _stack(c, prefix), console.Console()
    with connected(host) as there:
        planned = step.plan(there, stack)
        for file in planned:
            out.line(f"  {file.path}")
        if session.dry(c):
            out.line(f"{len(planned)} files would be written")
            return
        if planned:
            question = f"Write these {len(planned)} files on {host}?"
            console.confirm(question, yes=yes)
        for line in step.install(there, stack).lines():
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
    from xswarm_deploy import console
    from xswarm_deploy.observability import install as step
    from xswarm_deploy.observability.host import connected
    from xswarm_deploy.observability.stack import places

    found, out = places(session.settings(c).project.worker.name, prefix), console.Console()
    with connected(host) as there:
        installed = step.installed(there, found)
        for path in installed:
            out.line(f"  {path}")
        if not installed or session.dry(c):
            out.line(f"{len(installed)} files would be removed" if installed else "nothing to do")
            return
        question = f"Remove these {len(installed)} files from {host}?"
        console.confirm(question, yes=yes)
        done = step.uninstall(there, found)
        for path in done.kept:
            out.warn(f"kept, since somebody changed it: {path}")
        out.line(f"✓ removed {len(done.changed)} files; what was measured is in {found.data}")


def _stack(c: Context, prefix: str = "") -> Stack:
    """Return the stack that judges as ``watch`` does."""
    from xswarm_deploy.observability import stack

    rules = _rules(c)
    watching = stack.watching(rules.window, rules.policy.hold)
    return stack.of(session.settings(c), rules.thresholds, watching, prefix=prefix)


def _round(site: Site, rules: Rules, *, json: bool) -> Watched:
    from xswarm_deploy.console import Console
    from xswarm_deploy.monitor import tables
    from xswarm_deploy.monitor import watch as step

    now, console = time.time(), Console()
    watched = step.go(site, rules, now)
    if json:
        console.json(watched.as_json())
    else:
        for text, colour in tables.round_(watched, now):
            console.line(text, colour)
    return watched


def _require_well(watched: Watched) -> None:
    """End with the exit code that a cron can act upon."""
    from xswarm_deploy.errors import CheckFailed, Unavailable

    if not watched.delivered:
        why = "; ".join(each.alert.summary for each in watched.told)
        raise Unavailable("nobody could be told", why, "inv monitor.test-alert")
    if watched.due:
        why = "; ".join(each.summary for each in watched.due)
        raise CheckFailed("the service is unhealthy", why, watched.due[0].remedy)


def _rules(c: Context) -> Rules:
    from xswarm_deploy.settings.settings import alerting_rules

    return alerting_rules(session.settings(c).monitor)


def _table(console: Any, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    if rows:
        console.line()
        console.table(header, rows)


ns = Collection("monitor")
for _task in (status, metrics, watch, alert, alerts, silence, dashboard, files, install, uninstall):
    ns.add_task(_task)
