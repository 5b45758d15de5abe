"""Show what a Worker logs: ``inv logs --follow`` as it happens, ``inv logs --since 1h`` before."""

from __future__ import annotations

import json as encoder
import sys
import time
from contextlib import closing, suppress

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.monitor import logs as tail
from xswarm_deploy.monitor import past_logs
from xswarm_deploy.monitor.watch import window_seconds
from xswarm_deploy.output import inert_json
from xswarm_deploy.release.interruption import stoppable
from xswarm_deploy.secret import redact


@task(
    auto_shortflags=False,
    help={
        "follow": "go on until Ctrl-C",
        "seconds": "without --follow, how long to listen",
        "since": "what was kept since then: 15m, 1h, 3d; with --follow, then what comes",
        "limit": "with --since, how many requests at most, the newest",
        "version": "only of this version; the beginning of its id is enough",
        "status": "only answers with it, e.g. 404 or 404,5xx",
        "method": "only requests with it, e.g. POST",
        "route": "only requests for this path, or its template: /users/{id}, /api/*",
        "search": "only what has this text in URL, log lines or exceptions",
        "errors": "only what failed: 5xx, exceptions, console.error, limits",
        "json": "print each as JSON, one a line",
    },
)
def logs(
    c: Context,
    follow: bool = False,
    seconds: float = 10.0,
    since: str = "",
    limit: int = 200,
    version: str = "",
    status: str = "",
    method: str = "",
    route: str = "",
    search: str = "",
    errors: bool = False,
    json: bool = False,
) -> None:
    """Show what the Worker logs, live or since when, with the version that answered; masked."""
    site = context.open_site(c, quiet=json)
    known = [one.id for one in site.cloudflare.versions(site.worker)] if version else []
    chosen = tail.wanted(version, known, method, status, search, errors=errors, route=route)
    beside, out = Console(sys.stderr), Console()
    if since:
        until = time.time()
        found = past_logs.past(site, chosen, until - window_seconds(since), until, max(limit, 1))
        _show_past(out, beside, found, json=json)
        if not follow:
            return
    how_long = "until Ctrl-C" if follow else f"for {seconds:.0f} s"
    beside.line(f"listening to {site.worker} {how_long}; a tail has no past", "dim")
    shown = 0
    heard = tail.messages(
        lambda: site.cloudflare.listen(site.worker, chosen.filters),
        None if follow else seconds,
        beside.warn,
    )
    with stoppable(), suppress(KeyboardInterrupt), closing(heard):
        for message in heard:
            event = tail.parsed(message)
            if event is None:
                beside.warn("an event that cannot be read was left out")
            elif chosen.wants(event):
                shown += 1
                _show(out, event, json=json)
    beside.line(f"{shown} shown", "dim")


def _show_past(out: Console, beside: Console, found: past_logs.Past, *, json: bool) -> None:
    if found.more:
        beside.warn("there are more: only the newest are shown; ask for less, or --limit more")
    if found.sampled < 1:
        beside.warn(f"only {found.sampled:.0%} of all requests are kept (head_sampling_rate)")
    if found.unread:
        beside.warn(f"{found.unread} lines that cannot be read were left out")
    for event in found.events:
        _show(out, event, json=json)
    beside.line(f"{len(found.events)} shown; what was logged just now may be missing yet", "dim")


def _show(out: Console, event: tail.Event, *, json: bool) -> None:
    if json:
        said = redact(encoder.dumps(event.as_json(), ensure_ascii=False))
        sys.stdout.write(inert_json(said) + "\n")
        sys.stdout.flush()
        return
    for text, colour in event.shown():
        out.line(text, colour)
