"""Show what a Worker logs, as it happens: ``inv logs``, ``inv production logs --follow``."""

from __future__ import annotations

import json as encoder
import sys
from contextlib import closing, suppress

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.monitor import logs as tail
from xswarm_deploy.release.interruption import stoppable
from xswarm_deploy.secret import redact


@task(
    auto_shortflags=False,
    help={
        "follow": "go on until Ctrl-C",
        "seconds": "without --follow, how long to listen",
        "version": "only of this version; the beginning of its id is enough",
        "status": "only answers with it, e.g. 404 or 404,5xx",
        "method": "only requests with it, e.g. POST",
        "search": "only what has this text in URL, log lines or exceptions",
        "errors": "only what failed: 5xx, exceptions, console.error, limits",
        "json": "print each as JSON, one a line",
    },
)
def logs(
    c: Context,
    follow: bool = False,
    seconds: float = 10.0,
    version: str = "",
    status: str = "",
    method: str = "",
    search: str = "",
    errors: bool = False,
    json: bool = False,
) -> None:
    """Show what the Worker logs from now on, with the version that answered; secrets masked."""
    site = context.open_site(c, quiet=json)
    known = [one.id for one in site.cloudflare.versions(site.worker)] if version else []
    chosen = tail.wanted(version, known, method, status, search, errors=errors)
    beside, out = Console(sys.stderr), Console()
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


def _show(out: Console, event: tail.Event, *, json: bool) -> None:
    if json:
        sys.stdout.write(redact(encoder.dumps(event.as_json(), ensure_ascii=False)) + "\n")
        sys.stdout.flush()
        return
    for text, colour in event.shown():
        out.line(text, colour)
