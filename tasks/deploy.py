"""Take an environment from one good state to the next, wholly or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.executor import Executor
from invoke.tasks import Task, task

from deployment.release import session
from tasks import backup, check, migrate, pages, rollback, secrets, verify, webhooks, worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deployment.release.preview import Plan
    from deployment.steps.site import Site

_FLAGS = {
    "message": "what this release is for; shown in deploy.list",
    "yes": "do not ask (without a terminal the answer is NO)",
    "skip_checks": "leave the check out",
    "skip_backup": "leave the backup out",
    "if_changed": "when all is live already, make no second version of it, and exit with 7",
}


@task(
    pre=[
        check.check,
        backup.backup,
        migrate.migrate,
        secrets.secrets,
        worker.worker,
        pages.pages,
        webhooks.webhooks,
        verify.verify,
    ]
)
def steps(_c: Context) -> None:
    """Run all steps in their order; deploy.* runs them as one release."""


def _deploying(name: str, environment: str, words: str) -> Task[Any]:
    """Make the task that deploys to an environment; all have the same flags."""

    def deploy(
        c: Context,
        message: str = "",
        yes: bool = False,
        skip_checks: bool = False,
        skip_backup: bool = False,
        if_changed: bool = False,
    ) -> None:
        skip = _skipped(skip_checks, skip_backup)
        _deploy(c, environment, message, yes=yes, skip=skip, if_changed=if_changed)

    deploy.__doc__ = words
    made: Task[Any] = task(name=name, auto_shortflags=False, help=_FLAGS)(deploy)
    return made


local = _deploying(
    "local", "local", "Deploy to the local twin of production; it is started when it is not up."
)
staging = _deploying("staging", "staging", "Deploy to staging.")
prod = _deploying("prod", "production", "Deploy to production; its name must be typed.")


@task(auto_shortflags=False, help={"json": "print as JSON"})
def plan(c: Context, json: bool = False) -> None:
    """Show the whole release before it starts: what changes, what is so, what is for good."""
    from deployment.console import Console
    from deployment.release import preview

    found = _planned(c, session.DEPLOY_STEPS, quiet=json)
    if json:
        Console().json(found.as_json())
        return
    preview.show_plan(found)


@task(
    auto_shortflags=False,
    help={
        "file": "the backup: a file, its name in the folder, or 'latest'",
        "base": "the commit that is live now; by default the one that the live release noted",
    },
)
def rehearse(c: Context, file: str = "latest", base: str = "") -> None:
    """Run production's next release on a twin of its own, on its last backup, and go back."""
    from deployment.console import Console
    from deployment.sandbox import rehearsal
    from deployment.steps import backup as step
    from deployment.steps import traffic
    from deployment.steps.record import noted

    if not session.values(c).get("env"):
        session.act_on(c, "production")
    site, console = session.open_site(c), Console()
    split = traffic.live_split(site)
    live = max(split, key=lambda version: split[version], default="")
    environment = site.settings.environment
    wanted = rehearsal.Wanted(
        "production" if environment == "local" else environment,
        site.worker,
        site.settings.project.pages.project,
        step.chosen(site, file).path.absolute(),
        site.settings.secret("BACKUP_AGE_IDENTITY").reveal(),
        base or str(noted(site.history(), live).get("commit", "")),
    )
    found = rehearsal.rehearse(session.ROOT, wanted, lambda line: console.line(line, "dim"))
    console.line(
        f"✓ rehearsed: released in {found.release:.1f} s, back in {found.rollback:.1f} s", "bold"
    )
    if found.different:
        console.warn(f"going back leaves other rows in: {', '.join(found.different)}")


@task(
    name="list",
    auto_shortflags=False,
    help={"all": "every release, not only the newest 50", "json": "print as JSON"},
)
def list_(c: Context, all: bool = False, json: bool = False) -> None:
    """List the newest 50 releases of the environment, or all of them."""
    from deployment.console import Console
    from deployment.release import history

    most = None if all else history.NEWEST
    rows = history.listed(session.open_site(c, quiet=json), most)
    console = Console()
    if json:
        console.json(rows)
        return
    header = ("release", "version", "status", "live", "message")
    console.table(
        header,
        [
            (
                r["release"],
                str(r["version"])[:8],
                r["status"],
                "live" if r["live"] else "",
                r["message"],
            )
            for r in rows
        ],
    )


@task(auto_shortflags=False, help={"json": "print as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show what is live, and who holds the lock."""
    from deployment.console import Console
    from deployment.release import history

    found = history.status(session.open_site(c, quiet=json))
    console = Console()
    if json:
        console.json(found)
        return
    console.table(("", ""), [(name, _told(value)) for name, value in found.items()])


@task(auto_shortflags=False, help={"json": "print as JSON"})
def show(c: Context, release: str, json: bool = False) -> None:
    """Show one release: its changes, and what came of each."""
    from deployment.console import Console
    from deployment.release import history

    found = history.shown(session.open_site(c, quiet=json), release)
    console = Console()
    if json:
        console.json(found)
        return
    console.line(f"{found['release']}  {found['kind']}  {found['status']}  {found['message']}")
    console.table(
        ("#", "step", "action", "resource", "state", "seconds"),
        [
            (
                e["number"],
                e["change"]["step"],
                e["change"]["action"],
                e["change"]["resource"],
                e["state"],
                f"{e['seconds']:.2f}",
            )
            for e in found["changes"]
        ],
    )


@task(auto_shortflags=False, help={"release": "which one; by default the one that was interrupted"})
def resume(c: Context, release: str = "") -> None:
    """Finish a release whose deployer died; from any machine with the same files."""
    session.resume(c, release)


@task(auto_shortflags=False, help={"release": "which one; by default the one that was interrupted"})
def abort(c: Context, release: str = "") -> None:
    """Undo a release whose deployer died, or which could not be undone; from any machine."""
    session.abort(c, release)


@task(auto_shortflags=False, help={"message": "why; shown to whoever is kept waiting"})
def lock(c: Context, message: str) -> None:
    """Keep everybody from releasing, until deploy.unlock."""
    from deployment.console import Console
    from deployment.release import locking

    locking.put_on(session.open_site(c), message)
    Console().line("✓ locked; inv deploy.unlock takes the lock off")


@task(auto_shortflags=False, help={"yes": "do not ask (without a terminal the answer is NO)"})
def unlock(c: Context, yes: bool = False) -> None:
    """Take the lock off, whoever holds it; a release under way stops at its next change."""
    from deployment.console import Console
    from deployment.release import locking

    held = locking.take_off(session.open_site(c), yes=yes)
    Console().line(f"✓ taken off: {held}" if held else "nothing to do: the lock is free")


def _deploy(
    c: Context,
    environment: str,
    message: str,
    *,
    yes: bool,
    skip: frozenset[str],
    if_changed: bool = False,
) -> None:
    """Confirm, then run the graph of steps inside one release."""
    if environment == "local":
        _bring_twin_up(c)
    c.config.deploy.env = environment
    phases = [name for name in session.DEPLOY_STEPS if name not in skip]
    if session.dry(c):
        _preview(c, phases)
        return
    if if_changed:
        _require_news(c, phases)
    site = session.open_site(c)
    _confirm(c, site, phases, yes=yes)
    with session.release(c, "deploy", message, phases, site) as release:
        release.skipped = skip
        release.site.uploads = True
        release.site.facts["message"] = message
        _ = release.site.bundling  # wrangler bundles while check, backup and migrations run
        Executor(Collection(steps), config=c.config).execute("steps")
    session.tell(release)


def _bring_twin_up(c: Context) -> None:
    from tasks import sandbox

    sandbox.up(c)


def _confirm(c: Context, site: Site, phases: Sequence[str], *, yes: bool) -> None:
    from deployment.console import confirm, interactive

    site.settings.require_sound()
    environment, agreed = site.settings.environment, session.agreed(c, yes)
    if interactive() and not agreed:
        _preview(c, phases)
    name = site.worker if environment == "production" else None
    confirm(f"Deploy {site.worker} to {environment}?", yes=agreed, type_name=name)


def _preview(c: Context, phases: Sequence[str]) -> None:
    from deployment.release import preview

    preview.show_plan(_planned(c, phases))


def _planned(c: Context, phases: Sequence[str], *, quiet: bool = False) -> Plan:
    from deployment.release import preview

    site = session.open_site(c, quiet=quiet)
    site.settings.require_sound()
    site.uploads = True
    return preview.of_release(site, phases)


def _require_news(c: Context, phases: Sequence[str]) -> None:
    """End here, with an exit code of its own, when all is live already."""
    from deployment.errors import ExitCode
    from deployment.release import preview

    site = session.open_site(c)
    site.uploads = True
    if preview.nothing_new(site, preview.of_release(site, phases)):
        raise Exit("nothing to do: all of it is live already", int(ExitCode.NOTHING_TO_DO))


def _told(value: object) -> str:
    """Write a value of the status for a person."""
    if isinstance(value, dict):
        return ", ".join(f"{version} {percent:g} %" for version, percent in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _skipped(checks: bool, backups: bool) -> frozenset[str]:
    return frozenset(n for n, given in (("check", checks), ("backup", backups)) if given)


ns = Collection("deploy")
for _task in (
    local,
    staging,
    prod,
    plan,
    rehearse,
    list_,
    status,
    show,
    resume,
    abort,
    lock,
    unlock,
):
    ns.add_task(_task)
ns.add_task(check.check, name="check")
ns.add_task(migrate.migrate, name="migrate")
ns.add_task(verify.verify, name="verify")
ns.add_task(rollback.rollback, name="rollback")
