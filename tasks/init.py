"""Bring the tool into somebody's repository: ``inv init``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import yaml
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from xswarm_deploy.adoption import answers as answering
from xswarm_deploy.adoption import built, changes, choosing, hints, invoke_file, trial, writing
from xswarm_deploy.adoption.answers import Answers, Flags
from xswarm_deploy.adoption.changes import FileChange
from xswarm_deploy.adoption.found import Found, look
from xswarm_deploy.adoption.places import Configuration
from xswarm_deploy.cli import building, context
from xswarm_deploy.console import Console, confirm
from xswarm_deploy.errors import ExitCode, Refused, typed


@task(
    auto_shortflags=False,
    help={
        "config": "the wrangler configuration, where there are several",
        "name": "the Worker's name, where the configuration has none",
        "main": "the file that the Worker begins with, where there is no configuration",
        "database": "of the releases: d1:BINDING, d1:NAME, or turso",
        "migrations": "the folder of SQL files that releases apply, or 'none'",
        "uses": "services that releases check and set up, by comma: stripe, twilio and others",
        "ci": "whose pipeline is written: github, gitlab or none; by default the remote's",
        "tasks_py": "write a tasks.py of two lines, for plain Invoke",
        "diff": "show long files that are new, too, before they are written",
        "deploy": "end with a first release, to the twin on this machine",
        "yes": "write without asking (without a terminal the answer is NO)",
    },
)
def init(
    c: Context,
    config: str = "",
    name: str = "",
    main: str = "",
    database: str = "",
    migrations: str = "",
    uses: str = "",
    ci: str = "",
    tasks_py: bool = False,
    diff: bool = False,
    deploy: bool = True,
    yes: bool = False,
) -> None:
    """Set up releases in this repository: find, ask, show, write; then release to the twin."""
    flags = Flags(config, name, main, database, migrations, uses, ci, tasks_py)
    console, start = Console(), Path.cwd()
    chosen = choosing.chosen(start, flags)
    if chosen is None and not flags.main:
        chosen = _built(start, yes=yes, dry=context.dry(c))
    found = look(start, chosen)
    _require_new(found)
    _tell(console, found)
    answered = answering.answered(found, flags)
    wanted = writing.files(answered)
    console.line("Files:", "bold")
    changes.show(console, wanted, found.folder, whole=diff)
    if context.dry(c):
        return
    confirm(f"Write these {len(wanted)} files?", yes=yes)
    _save(wanted)
    console.line(f"✓ written: {len(wanted)} files", "green")
    released = deploy and trial.POSSIBLE and not found.missing
    try:
        if released:
            _release(console, answered)
    except Exit:
        _tell_hints(console, answered)  # one may say why
        raise
    _tell_hints(console, answered)
    _tell_next(console, found, released=released)


def _built(folder: Path, *, yes: bool, dry: bool) -> Configuration | None:
    """Return the configuration that a framework's build makes, built here where it is not yet.

    Raises:
        Refused: it was built, and there is none.
    """
    build = built.needed(folder)
    there = built.found(folder) if build else None
    if there or build is None:
        return there
    asked = (
        f"No wrangler configuration is here; {build.framework} may make one. Run {build.command}?"
    )
    if dry:
        raise Refused(asked, "a dry run builds nothing", f"{build.command}, then: inv init")
    confirm(asked, yes=yes)
    building.build(build.command, folder, "", folder)
    return built.required(folder, build)


def _require_new(found: Found) -> None:
    """Refuse where the Worker is set up, in its own folder or in one above it, up to the start."""
    here = found.config.parent
    for folder in dict.fromkeys((found.folder, here, *here.parents)):
        if folder.is_relative_to(found.folder):
            _require_none(folder / invoke_file.NAME)


def _require_none(file: Path) -> None:
    content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    below = content.get("deploy") if isinstance(content, dict) else None
    worker = below.get("worker") if isinstance(below, dict) else None
    if worker:
        name = worker.get("name") if isinstance(worker, dict) else worker
        raise Refused(
            f"{file} is set up already",
            f"it names the Worker {name}",
            "inv update shows what a newer version of the tool would change",
        )


def _tell(console: Console, found: Found) -> None:
    """Print what was found, a line each."""
    folder = found.folder
    rows = [
        ("Worker", _configured(found)),
        ("build", found.build),
        ("packages", found.manager if found.package else ""),
        ("secrets", ", ".join(found.secrets)),
        ("variables", ", ".join(found.variables)),
        ("D1", ", ".join(one.binding for one in found.d1)),
        ("branch", found.branch),
        ("pipeline", found.hosting),
    ]
    rows += [
        ("migrations", f"{changes.relative(each.path, folder)} ({each.kind}, {each.files} files)")
        for each in found.migrations
    ]
    console.line(f"In {folder}:", "bold")
    for label, told in rows:
        if told:
            console.line(f"  {label:<11}{told}")


def _configured(found: Found) -> str:
    """Return where the configuration is; one that a build makes is in no file of the repository."""
    if found.config.is_file():
        return changes.relative(found.config, found.folder)
    return f"{found.name}, as the build makes it" if found.content else ""


def _save(wanted: list[FileChange]) -> None:
    for change in wanted:
        change.write()


def _release(console: Console, answered: Answers) -> None:
    """Release to the twin; what the routes of its code answered there, is verified from then on.

    Raises:
        Exit: the release failed; it said why.
    """
    root = answered.found.folder
    code = trial.run(root, "deploy.local", "--message", "first")
    if code:
        raise Exit(code=code)
    asked = trial.answers(root, answered.found.routes)
    routes = {path: status for path, status in asked.items() if status < trial.BROKEN}
    _tell_broken(console, asked.keys() - routes.keys())
    if not routes:
        return
    home = {path: s for path, s in trial.answers(root, ["/"]).items() if s < trial.BROKEN}
    root_too = replace(answered, routes={**home, **routes})
    _save([FileChange(root / invoke_file.NAME, invoke_file.text(root_too))])
    told = ", ".join(f"{path} {status}" for path, status in root_too.routes.items())
    console.line(f"✓ verified from now on, as they answered: {told}", "green")
    code = trial.run(root, "verify")
    if code:
        raise Exit(code=int(ExitCode.CHECK_FAILED))


def _tell_broken(console: Console, paths: Collection[str]) -> None:
    """Name the routes that do not work on the twin: nobody would verify them, and never know."""
    if paths:
        logs = typed("inv sandbox.logs")
        console.warn(
            f"answered with an error, so not verified: {', '.join(sorted(paths))} ({logs})"
        )


def _tell_hints(console: Console, answered: Answers) -> None:
    console.line()
    for line in hints.hints(answered):
        console.line(f"· {line}")


def _tell_next(console: Console, found: Found, *, released: bool) -> None:
    if found.folder != Path.cwd():
        console.line(f"next: cd {changes.relative(found.folder, Path.cwd())}", "bold")
    if found.missing:
        installs = found.installs(found.folder)
        console.line(f"next: {installs}  ({found.missing[0]} is not there)", "bold")
    if not released:
        where = "" if trial.POSSIBLE else "  (on Linux, macOS or WSL: the twin does not run here)"
        console.line(typed(f"next: inv deploy.local{where}"), "bold")
    console.line(
        typed("then: fill in deployment/config/production.env, and inv production check"), "bold"
    )
