"""Take an environment from one good state to the next, wholly or not at all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import building, context, github, pull_request
from xswarm_deploy.cli.catalogue import loaded
from xswarm_deploy.cli.graph import Agreed, Release, order
from xswarm_deploy.console import Console
from xswarm_deploy.errors import ExitCode, typed
from xswarm_deploy.model import duration
from xswarm_deploy.model.record import noted
from xswarm_deploy.release import history, manual_lock, preview, rehearsal, takeover
from xswarm_deploy.release.preview import Plan
from xswarm_deploy.release.steps import STEPS
from xswarm_deploy.settings import dev_vars, project
from xswarm_deploy.settings.variables import LOCAL, PRODUCTION, STAGING
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup as backups
from xswarm_deploy.steps import traffic
from xswarm_deploy.tasks import ns

_FLAGS = {
    "message": "what this release is for; shown in deploy.list",
    "yes": context.YES,
    "skip_checks": "leave the check out",
    "skip_backup": "leave the backup out",
    "fast": "for an emergency: no soaks; everything else as ever",
    "wait": "how long to wait while another release is under way, e.g. 15m",
    "if_changed": "when all is live already, make no second version of it, and exit with 7",
}


@task(klass=Release, pre=[ns["verify"]], auto_shortflags=False, help=_FLAGS)
def local(
    c: Context,
    message: str = "",
    yes: bool = False,
    skip_checks: bool = False,
    skip_backup: bool = False,
    fast: bool = False,
    if_changed: bool = False,
    wait: str = "",
) -> Agreed | None:
    """Deploy to the local twin of production; it is started when it is not up."""
    context.select_environment(c, LOCAL)
    loaded(ns["sandbox.up"])(c)
    skip = _skipped(skip_checks, skip_backup)
    said = _without_soaks(c, message) if fast else message
    return _agree(c, said, skip, yes=yes, if_changed=if_changed, wait=wait)


@task(klass=Release, pre=[ns["verify"]], auto_shortflags=False, help=_FLAGS)
def staging(
    c: Context,
    message: str = "",
    yes: bool = False,
    skip_checks: bool = False,
    skip_backup: bool = False,
    fast: bool = False,
    if_changed: bool = False,
    wait: str = "",
) -> Agreed | None:
    """Deploy to staging."""
    context.select_environment(c, STAGING)
    skip = _skipped(skip_checks, skip_backup)
    said = _without_soaks(c, message) if fast else message
    return _agree(c, said, skip, yes=yes, if_changed=if_changed, wait=wait)


@task(klass=Release, pre=[ns["verify"]], auto_shortflags=False, help=_FLAGS)
def prod(
    c: Context,
    message: str = "",
    yes: bool = False,
    skip_checks: bool = False,
    skip_backup: bool = False,
    fast: bool = False,
    if_changed: bool = False,
    wait: str = "",
) -> Agreed | None:
    """Deploy to production; its name must be typed."""
    context.select_environment(c, PRODUCTION)
    skip = _skipped(skip_checks, skip_backup)
    said = _without_soaks(c, message) if fast else message
    return _agree(c, said, skip, yes=yes, if_changed=if_changed, wait=wait)


@task(
    auto_shortflags=False,
    help={
        "fast": "the plan of a release with --fast: no soaks",
        "json": "print as JSON",
        "comment": "write it into the pull request, in one comment (GitHub Actions)",
    },
)
def plan(c: Context, fast: bool = False, json: bool = False, comment: bool = False) -> None:
    """Show the whole release before it starts: what changes, what is so, what is for good."""
    if fast:
        _without_soaks(c, "")
    site = context.open_site(c, quiet=json)
    building.prepare(site.settings)
    found = _planned(site)
    console.show(found.as_json(), lambda out: preview.show_plan(out, found), json=json)
    text = github.plan_text(found, site.settings.environment, site.worker)
    github.summarise(text)
    if comment:
        key = f"plan {site.settings.environment} {site.worker}"
        Console(sys.stderr).line(f"✓ commented: {pull_request.comment(text, key)}")


@task(
    auto_shortflags=False,
    help={
        "file": "the backup: a file, its name in the folder, or 'latest'",
        "base": "the commit that is live now; by default the one that the live release noted",
    },
)
def rehearse(c: Context, file: str = "latest", base: str = "") -> None:
    """Run production's next release on a twin of its own, on its last backup, and go back."""
    if not context.named(c):
        context.select_environment(c, PRODUCTION)
    site, out = context.open_site(c), Console()
    wanted = _to_rehearse(c, site, file, base)
    found = rehearsal.rehearse(context.ROOT, wanted, lambda line: out.line(line, "dim"))
    out.line(
        f"✓ rehearsed: released in {found.release:.1f} s, back in {found.rollback:.1f} s", "bold"
    )
    if found.different:
        out.warn(f"going back leaves other rows in: {', '.join(found.different)}")


@task(
    name="list",
    auto_shortflags=False,
    help={"all": "every release, not only the newest 50", "json": "print as JSON"},
)
def list_(c: Context, all: bool = False, json: bool = False) -> None:
    """List the newest 50 releases of the environment, or all of them."""
    site = context.open_site(c, quiet=json)
    found = history.listed(site, None if all else history.NEWEST)
    rows = [
        (
            r["release"],
            str(r["version"])[:8],
            r["status"],
            "live" if r["live"] else "",
            r["message"],
        )
        for r in found
    ]
    header = ("release", "version", "status", "live", "message")
    console.show(found, console.Table(header, rows), json=json)
    if found and not json and not any(r["live"] for r in found):
        _tell_stranger(site)


def _tell_stranger(site: Site) -> None:
    """Name the version that is live, where none of the releases that are listed made it."""
    split = traffic.live_split(site)
    if version := max(split, key=lambda name: split[name], default=""):
        made = "wrangler or the dashboard made it, or an older release (inv deploy.list --all)"
        Console().warn(f"live is {version[:8]}, none of these: {made}")


@task(auto_shortflags=False, help={"json": "print as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show what is live, and who holds the lock."""
    found = history.status(context.open_site(c, quiet=json))
    rows = [(name, _written(value)) for name, value in found.items()]
    console.show(found, console.Table(("", ""), rows), json=json)


@task(
    auto_shortflags=False,
    help={"release": "its id, as deploy.list shows it", "json": "print as JSON"},
)
def show(c: Context, release: str, json: bool = False) -> None:
    """Show one release: its changes, and what came of each."""
    found = history.shown(context.open_site(c, quiet=json), release)
    rows = [
        (
            e["number"],
            e["change"]["step"],
            e["change"]["action"],
            e["change"]["resource"],
            e["state"],
            f"{e['seconds']:.2f}",
        )
        for e in found["changes"]
    ]
    header = ("#", "step", "action", "resource", "state", "seconds")

    def printed(out: Console) -> None:
        out.line(f"{found['release']}  {found['kind']}  {found['status']}  {found['message']}")
        out.table(header, rows)

    console.show(found, printed, json=json)


@task(auto_shortflags=False, help={"release": "which one; by default the one that was interrupted"})
def resume(c: Context, release: str = "") -> None:
    """Finish a release whose deployer died; from any machine with the same files."""
    takeover.resume(context.open_site(c), release)


@task(auto_shortflags=False, help={"release": "which one; by default the one that was interrupted"})
def abort(c: Context, release: str = "") -> None:
    """Undo a release whose deployer died, or which could not be undone; from any machine."""
    takeover.abort(context.open_site(c), release)


@task(auto_shortflags=False, help={"message": "why; shown to whoever is kept waiting"})
def lock(c: Context, message: str) -> None:
    """Keep everybody from releasing, until deploy.unlock."""
    manual_lock.put_on(context.open_site(c), message)
    Console().line(f"✓ locked; {typed('inv deploy.unlock')} takes the lock off")


@task(auto_shortflags=False, help={"yes": context.YES})
def unlock(c: Context, yes: bool = False) -> None:
    """Take the lock off, whoever holds it; a release under way stops at its next change."""
    held = manual_lock.take_off(context.open_site(c), yes=yes)
    Console().line(f"✓ taken off: {held}" if held else "nothing to do: the lock is free")


def _without_soaks(c: Context, message: str) -> str:
    """Let canaries be judged without a soak, and return the message that says so."""
    c.config.deploy["fast"] = True
    return f"{message} (--fast: nothing is soaked)".strip()


def _agree(
    c: Context, message: str, skip: frozenset[str], *, yes: bool, if_changed: bool, wait: str
) -> Agreed | None:
    """Return what is to be released, once a person has agreed; None: nothing, as for ``--dry``."""
    waiting = duration.seconds(wait, "--wait")
    building.prepare(context.open_site(c).settings)
    if context.dry(c):
        Console().line(" → ".join(step.name for step in order(prod) if step.name not in skip))
        preview.show_plan(Console(), _planned(context.open_site(c), skip))
        return None
    site = context.open_site(c)
    if if_changed:
        _require_news(context.open_site(c), skip)
    _confirm(c, site, skip, yes=yes)
    return Agreed(site, message, skip, waiting)


def _confirm(c: Context, site: Site, skip: frozenset[str], *, yes: bool) -> None:
    site.settings.require_sound()
    environment, agreed = site.settings.environment, context.agreed(c, yes)
    if console.interactive() and not agreed:
        preview.show_plan(Console(), _planned(context.open_site(c), skip))
    name = site.worker if environment == PRODUCTION else None
    console.confirm(f"Deploy {site.worker} to {environment}?", yes=agreed, type_name=name)


def _planned(site: Site, skip: frozenset[str] = frozenset()) -> Plan:
    site.settings.require_sound()
    uploading = site.holding(replace(site.state, uploads=True))
    return preview.of_release(uploading, _phases(skip))


def _require_news(site: Site, skip: frozenset[str]) -> None:
    """End here, with an exit code of its own, when all is live already."""
    if preview.nothing_new(site, _planned(site, skip)):
        raise Exit("nothing to do: all of it is live already", int(ExitCode.NOTHING_TO_DO))


def _phases(skip: frozenset[str]) -> Sequence[str]:
    """Return the steps of a release that change anything, in their order."""
    return [s.name for s in order(prod) if s.name in STEPS and s.name not in skip]


def _to_rehearse(c: Context, site: Site, file: str, base: str) -> rehearsal.RehearsalRequest:
    split = traffic.live_split(site)
    live = max(split, key=lambda version: split[version], default="")
    environment = site.settings.environment
    target = PRODUCTION if environment == LOCAL else environment
    there = project.read(context.project_values(c), target)  # the local Worker has another name
    return rehearsal.RehearsalRequest(
        target,
        there.worker.name,
        there.pages.project,
        backups.chosen(site, file).path.absolute(),
        site.settings.secret("BACKUP_AGE_IDENTITY").reveal(),
        base or str(noted(site.history(), live).get("commit", "")),
        _rehearsed_secrets(site),
    )


def _rehearsed_secrets(site: Site) -> dict[str, str]:
    """Return values for the Worker's own secrets that are none of the environment's."""
    worker = site.settings.project.worker
    there = dev_vars.read(site.settings.path(worker.config).parent, worker.environment)
    own = site.settings.own_secrets()
    named = [each for each in site.settings.variables if each.name in own]
    environment = site.settings.environment
    target = PRODUCTION if environment == LOCAL else environment
    return {v.file_name(target): there.get(v.name) or "only-rehearsed" for v in named}


def _written(value: object) -> str:
    """Return a value of the status as a person reads it."""
    if isinstance(value, dict):
        return ", ".join(f"{version} {percent:g} %" for version, percent in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _skipped(checks: bool, backups: bool) -> frozenset[str]:
    return frozenset(n for n, given in (("check", checks), ("backup", backups)) if given)
