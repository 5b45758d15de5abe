"""Look after what runs: ``inv monitor.status``, ``metrics``, ``watch``, ``dashboard``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.errors import CheckFailed, DeployError, Refused, Unavailable
from xswarm_deploy.monitor import dashboard as page
from xswarm_deploy.monitor import notify, remembered, tables
from xswarm_deploy.monitor import push as pushing
from xswarm_deploy.monitor import watch as step
from xswarm_deploy.monitor.watch import Watched, window_seconds
from xswarm_deploy.release.noted import note
from xswarm_deploy.services.errors import NotFound, UnexpectedReply
from xswarm_deploy.services.monitor import Health, Monitor
from xswarm_deploy.settings.settings import alerting_rules
from xswarm_deploy.site import Site
from xswarm_deploy.verification import error_budget
from xswarm_monitoring.alert_state import Silence
from xswarm_monitoring.channels import NEEDED
from xswarm_monitoring.clock import iso
from xswarm_monitoring.fallback_store import Copy
from xswarm_monitoring.notifier import DELIVERED
from xswarm_monitoring.rules import Rules

_FROM_OUTSIDE: Final = (
    "inv monitor.watch --once judges it from outside, whatever its language; one in Python mounts"
    " a monitor: deployment/docs/guide/monitoring-an-application.md"
)


@task(auto_shortflags=False, help={"json": "print the reports as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Ask every health endpoint and show what it says and how long it took; exit 1: one failed."""
    answers = Monitor.of(context.open_site(c, quiet=json).settings).everything()
    if all(each.status and not each.reported for each in answers):
        raise _no_monitor(answers)

    def printed(out: Console) -> None:
        out.table(tables.ENDPOINTS, tables.endpoints(answers))
        _table(out, tables.CHECKS, tables.checks(answers[-1]))

    console.show([each.as_json() for each in answers], printed, json=json)
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
    asked = Monitor.of(context.open_site(c, quiet=json).settings)
    try:
        found = asked.metrics(window)
    except (NotFound, UnexpectedReply) as error:  # a single-page application answers with its page
        raise Refused("the Worker has no monitor", error.why, _FROM_OUTSIDE) from None
    limits = asdict(_rules(c).thresholds)
    console.show(found, lambda out: _print_metrics(out, found, limits), json=json)


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
    site, rules = context.open_site(c, quiet=json), _rules(c)
    if once:
        _require_well(_round(site, rules, Copy(), json=json))
        return
    watched, copy = False, Copy()
    while True:
        began = time.monotonic()
        try:
            _round(site, rules, copy, json=json)
            watched = True
        except DeployError as error:  # the next round may go well, and who watches goes on
            if isinstance(error, Refused) and not watched:
                raise  # what is not set up will not be in the next one either
            Console(sys.stderr).warn(f"this round broke off: {error}")
        time.sleep(max(interval - (time.monotonic() - began), 1.0))


@task(
    name="test-alert",
    auto_shortflags=False,
    help={"severity": "info, warning, error or critical: it decides who is told, and how"},
)
def alert(c: Context, severity: str = "warning") -> None:
    """Send a test alert for real, by every channel its severity is for; exit 1: one failed."""
    level, site = notify.severity(severity), context.open_site(c)
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
    found = remembered.summary(context.open_site(c, quiet=json))

    def printed(out: Console) -> None:
        out.line(f"{len(found['on'])} on, {len(found['silences'])} kept quiet", "bold")
        _table(out, tables.ON, tables.on(found["on"]))
        _table(out, tables.SILENCES, tables.silences(found["silences"]))
        _table(out, tables.HISTORY, tables.history(found["history"]))

    console.show(found, printed, json=json)


@task(auto_shortflags=False, help={"json": "print as JSON"})
def slo(c: Context, json: bool = False) -> None:
    """Show how much of each objective's error budget is left; exit 1: one is spent."""
    site, wanted = context.open_site(c, quiet=json), _rules(c).slo
    if not wanted.objectives:
        raise Refused(
            "there are no objectives",
            "invoke.yaml has no monitor.slo",
            "add `slo: {availability: 0.999}` under `monitor:`",
        )
    found = error_budget.budgets(site, wanted, time.time())

    def printed(out: Console) -> None:
        out.table(tables.BUDGETS, tables.budgets(found))

    console.show([each.as_json() for each in found], printed, json=json)
    spent = [each for each in found if each.spent > 1]
    if spent:
        why = "; ".join(map(error_budget.told, spent))
        raise CheckFailed("an error budget is spent", why, "inv monitor.metrics --window 7d")


@task(
    auto_shortflags=False,
    help={
        "pattern": "which alerts, by their names or keys, with * and ?, e.g. 'slow-*'",
        "window": "for how long: 30m, 2h, 1d",
        "why": "the reason, for those who wonder",
    },
)
def silence(c: Context, pattern: str, why: str, window: str = "1h") -> None:
    """Keep alerts from people for a while; the history still has them."""
    until, site = time.time() + window_seconds(window), context.open_site(c)
    wanted = Silence(pattern, until, why)
    note(site, "monitor.silence", {"message": f"{pattern} until {iso(until)}: {why}"})
    remembered.silence(site, wanted)
    Console().line(f"✓ {pattern} is kept quiet until {iso(until)}")
    if hint := remembered.unmatched(site, wanted):
        Console().warn(hint)


@task(auto_shortflags=False, help={"json": "print as JSON"})
def push(c: Context, json: bool = False) -> None:
    """Push what the store holds to each target of monitor.push, once; exit 6: one took nothing."""
    site = context.open_site(c, quiet=json)
    if not site.settings.push_targets():
        raise Refused(
            f"nobody receives what {site.settings.environment} measures",
            "invoke.yaml has no monitor.push that is for this environment",
            "deployment/docs/how-to/push-metrics.md shows a block for each receiver",
        )
    if context.dry(c):
        return
    went = pushing.go(site)
    rows = [(each.target, each.outcome) for each in went]
    console.show(
        [asdict(e) for e in went], lambda out: out.table(("to", "outcome"), rows), json=json
    )
    failed = [f"{each.target}: {each.outcome}" for each in went if each.failed]
    if failed:
        raise Unavailable("what is measured did not arrive", "; ".join(failed), "inv check")


@task(auto_shortflags=False, help={"port": "where it listens on this machine; 0: a free one"})
def dashboard(c: Context, port: int = 8787) -> None:
    """Serve the dashboard on this machine until Ctrl-C; the admin token stays in this process."""
    with page.server(context.open_site(c), port) as server:
        Console().line(f"http://{page.HOST}:{server.server_address[1]}/  (Ctrl-C ends it)")
        server.serve_forever()


def _round(site: Site, rules: Rules, copy: Copy, *, json: bool) -> Watched:
    now = time.time()
    watched = step.go(site, rules, now, copy)

    def printed(out: Console) -> None:
        for text, colour in tables.round_(watched, now):
            out.line(text, colour)

    console.show(watched.as_json(), printed, json=json)
    return watched


def _no_monitor(answers: Sequence[Health]) -> Refused:
    """Return the refusal of a Worker that answers, and reports nowhere on its health."""
    told = ", ".join(f"{each.path}: HTTP {each.status}" for each in answers)
    return Refused(
        "the Worker has no monitor",
        f"no health endpoint gave a report ({told})",
        _FROM_OUTSIDE,
    )


def _require_well(watched: Watched) -> None:
    """End with the exit code that a cron can act upon."""
    if not watched.delivered:
        why = "; ".join(each.alert.summary for each in watched.told)
        raise Unavailable("nobody could be told", why, "inv monitor.test-alert")
    if watched.due:
        why = "; ".join(each.summary for each in watched.due)
        raise CheckFailed("the service is unhealthy", why, watched.due[0].remedy)


def _rules(c: Context) -> Rules:
    return alerting_rules(context.settings(c).monitor)


def _print_metrics(out: Console, found: dict[str, Any], limits: dict[str, float]) -> None:
    if found["scope"] != "all":
        out.warn(f"one isolate's figures only: {found['incomplete'] or 'it has no database'}")
    out.line(tables.figures(found["requests"]), "bold")
    if own := found.get("probes", {}).get("total"):
        out.line(f"beside them {own} of the deployment's own, which count nowhere else", "dim")
    for header, rows in (
        (tables.ROUTES, tables.routes(found["requests"])),
        (tables.QUERIES, tables.queries(found["database"])),
        (tables.SLOW, tables.slow(found["database"])),
        (tables.BUSINESS, tables.business(found["business"])),
        (tables.ABUSE, tables.abuse(found.get("abuse", {}), limits)),
    ):
        _table(out, header, rows)


def _table(out: Console, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    if rows:
        out.line()
        out.table(header, rows)
