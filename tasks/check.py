"""Look before you leap: ``inv check``."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.cli import building, context, github, steps
from xswarm_deploy.cli.graph import Step, require_executor
from xswarm_deploy.console import Console
from xswarm_deploy.errors import CheckFailed
from xswarm_deploy.model import junit as suite
from xswarm_deploy.preflight import check as step
from xswarm_deploy.release.current import current


@task(
    klass=Step,
    pre=[require_executor],
    auto_shortflags=False,
    help={
        "only": "check these alone: groups or names, by comma",
        "skip": "leave these out: groups or names, by comma",
        "json": "print the report as JSON",
        "junit": "write the report as JUnit XML to this file",
    },
)
def check(c: Context, only: str = "", skip: str = "", json: bool = False, junit: str = "") -> None:
    """Check everything a deployment needs, all at once; exit 1 when it is blocked."""
    if steps.skipped("check"):
        return
    site = context.open_site(c, quiet=json)
    if site.settings.project.worker.build and not only:
        building.prepare(site.settings)  # what is looked at is what a release would upload
    console = Console(quiet=json)
    with console.step("check") as line:
        report = step.run_or_begun(site, only=_names(only), skip=_names(skip))
        line.detail = report.summary
        line.mark, line.colour = ("✓", "green") if report.ok else ("✗", "red")
    if junit:
        suite.write(Path(junit), report)
    if json:
        console.json(report.as_json())
    elif current() is None or not report.ok:
        with github.group(f"check: {report.summary}"):
            for text, colour in report.lines(verbose=current() is None):
                console.line(text, colour)
    if not json:
        github.report(report, site.settings.root, site.settings.environment)
    if not report.ok:
        raise CheckFailed(
            "DEPLOYMENT BLOCKED",
            f"{len(report.failures)} critical failure(s)",
            f"fix them, then: inv {site.settings.environment} check",
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
