"""Ask what is deployed whether it is good, and what could be asked: ``inv verify``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import context, github
from xswarm_deploy.cli.graph import Step
from xswarm_deploy.console import Console, show
from xswarm_deploy.errors import CheckFailed, Refused, Unavailable
from xswarm_deploy.model import junit as suite
from xswarm_deploy.model.report import UNPROVEN, UNTOLD, Report
from xswarm_deploy.monitor import logs as tail
from xswarm_deploy.release.current import current
from xswarm_deploy.services import access
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import ns
from xswarm_deploy.verification import verify as step
from xswarm_deploy.verification.suggest import suggestions

_LIMITED = "the Worker limits its callers"
_AGAIN = "wait, then: inv verify"


@task(
    klass=Step,
    pre=[ns["worker"], ns["pages"], ns["webhooks"]],
    auto_shortflags=False,
    help={
        "quick": "only the routes marked quick in invoke.yaml, no measuring",
        "json": "print the report as JSON",
        "report": "write the report as JSON to this file",
        "junit": "write the report as JUnit XML to this file",
    },
)
def verify(
    c: Context, quick: bool = False, json: bool = False, report: str = "", junit: str = ""
) -> None:
    """Verify what is deployed by all that invoke.yaml expects of it, and its speed."""
    site = context.open_site(c, quiet=json)
    console = Console(quiet=json)
    with console.step("verify") as line:
        target = step.live(site, str(site.facts.get("version", "")))
        found = step.run(site, target, quick=quick)
        line.detail = found.summary
        line.mark, line.colour = ("✓", "green") if found.ok else ("✗", "red")
    if report:
        _write(Path(report), found)
    if junit:
        suite.write(Path(junit), found)
    if json:
        console.json(found.as_json())
    elif current() is None or not found.ok or found.untold:
        with github.group(f"verify: {found.summary}"):
            for text, colour in found.lines(verbose=current() is None):
                console.line(text, colour)
    if found.untold and current() is not None:
        site.facts[UNTOLD] = "; ".join(f"{one.name}: {one.evidence}" for one in found.untold)
    if not json:
        github.report(found, site.settings.root, site.settings.environment)
    if not found.ok:
        why = "; ".join(f"{finding.name}: {finding.evidence}" for finding in found.failures)
        # Within a release all of it is undone now: to go back, too, would go one release too far.
        remedy = _fix(site) if current() else "inv rollback"
        raise CheckFailed("the deployment is not good", why, remedy)
    if found.untold and current() is None:
        why = "; ".join(f"{finding.name}: {finding.evidence}" for finding in found.untold)
        unproven = [f.remedy for f in found.untold if f.evidence.startswith(UNPROVEN)]
        if unproven:
            raise Unavailable("nothing proves which version answers", why, unproven[0])
        walled = any(finding.remedy == access.REMEDY for finding in found.untold)
        by, remedy = (access.WALLED, access.REMEDY) if walled else (_LIMITED, _AGAIN)
        raise Unavailable(f"not all could be verified: {by}", why, remedy)


@task(
    auto_shortflags=False,
    help={
        "listen": "seconds to listen to what users ask just now (a tail); 0: not at all",
        "json": "print them as JSON",
    },
)
def suggest(c: Context, listen: float = 0.0, json: bool = False) -> None:
    """Suggest the routes that nobody asks yet, as lines for invoke.yaml."""
    site = context.open_site(c, quiet=json)
    found = suggestions(site, _heard(site, listen) if listen else ())

    def printed(out: Console) -> None:
        if not found:
            out.line("nothing to suggest: all that was found is asked")
            return
        for text in ("deploy:", "  verify:", "    routes:"):
            out.line(text)
        for one in found:
            out.line(f"      {one.line()}")

    show([one.as_json() for one in found], printed, json=json)


def _fix(site: Site) -> str:
    version = str(site.facts.get("version", ""))[:8]
    logged = f"inv logs --since 10m --errors{f' --version {version}' if version else ''}"
    return f"fix it and deploy again; what it logged: {logged}"


def _heard(site: Site, seconds: float) -> Iterator[str]:
    """Yield method and URL of what users ask just now."""
    beside = Console(sys.stderr)
    beside.line(f"listening to {site.worker} for {seconds:.0f} s", "dim")
    told = tail.messages(lambda: site.cloudflare.listen(site.worker, []), seconds, beside.warn)
    yield from (event.title for event in map(tail.parsed, told) if event)


def _write(path: Path, found: Report) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            Console(file).json(found.as_json())
    except OSError as error:
        raise Refused(f"the report cannot be written to {path}", str(error.strerror)) from None
