"""Bring the database's schema forward and back: ``inv migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from deployment.release import session

if TYPE_CHECKING:
    from deployment.console import Console
    from deployment.database.lint import Finding
    from deployment.release.release import Release
    from deployment.steps.step import Change


@task
def migrate(c: Context) -> None:
    """Apply all pending migrations: one transaction, wholly or not at all."""
    if session.dry(c):
        session.perform(c, "migrate")
        return
    alone = session.current() is None
    if alone and _nothing_is_pending(c):
        return
    with session.release(c, "migrate") as running:
        session.perform(c, "migrate")
        if alone:
            _tell_what_was_made(running)


@task(auto_shortflags=False, help={"json": "print the table as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show which migrations are applied, pending, edited or gone."""
    from deployment.console import Console
    from deployment.steps import migrate as step

    rows = step.overview(session.open_site(c, quiet=json))
    console = Console()
    if json:
        console.json(rows)
        return
    columns = ("filename", "status", "applied_at", "milliseconds", "name")
    console.table(columns, [[row[column] or "" for column in columns] for row in rows])


@task(auto_shortflags=False, help={"sql": "show the statements, each with the time it took"})
def plan(c: Context, sql: bool = True) -> None:
    """Rehearse pending migrations on the real data, and roll them back."""
    from deployment.console import Console
    from deployment.database import migrate as runner
    from deployment.steps import migrate as step

    site, console = session.open_site(c), Console()
    groups = step.pending_groups(site)
    if not groups:
        console.line("nothing to do")
    _tell_findings(console, step.lint(site) if groups else [])
    for group in groups:
        for note in runner.notes(site.database, group):
            console.warn(note)
        if not group.transactional:
            continue  # what runs outside a transaction cannot be rolled back
        rehearsed = runner.rehearse(site.database, group)
        for origin, text, seconds in rehearsed if sql else ():
            console.line(f"-- {origin}  {seconds * 1000:.1f} ms", "dim")
            console.line(f"{text};")
        total = sum(seconds for _, _, seconds in rehearsed)
        console.line(f"✓ rehearsed and rolled back: {len(rehearsed)} statements, {total:.3f} s")
        slow = runner.slow(total, _by_file(rehearsed))
        if slow:
            console.warn(slow)


@task(
    auto_shortflags=False,
    help={
        "steps": "how many, the last applied first",
        "to": "the migration that becomes the last one",
        "yes": "do not ask (without a terminal the answer is NO)",
    },
)
def down(c: Context, steps: int = 1, to: str = "", yes: bool = False) -> None:
    """Take applied migrations back by their down parts, after a fresh backup."""
    from deployment import console
    from deployment.steps import migrate as step

    site = session.open_site(c)
    changes = step.plan_down(site, steps=steps, to=to)
    if _shown(c, changes):
        return
    lost = ", ".join(name for name in changes[0].before if name not in changes[0].after)
    console.confirm(
        f"Take {lost} back in {site.settings.environment}? What only they hold is lost.",
        yes=session.agreed(c, yes),
        type_name=_name_to_type(c),
    )
    with session.release(c, "migrate.down") as running:
        session.perform(c, "backup")
        _make(running, changes)


@task(
    auto_shortflags=False,
    help={
        "files": "all files, from an empty schema on; asks no database (for CI)",
        "since": "with --files: only those after this one",
        "json": "print the findings as JSON",
    },
)
def lint(c: Context, files: bool = False, since: str = "", json: bool = False) -> None:
    """Find what is dangerous in pending migrations, each with its safe form; exit code 1 if any."""
    from deployment.console import Console
    from deployment.database.lint import ADVICE
    from deployment.errors import CheckFailed
    from deployment.steps import migrate as step

    if files or since:
        found = step.lint_files(session.settings(c), since)
    else:
        found = step.lint(session.open_site(c, quiet=json))
    console = Console()
    if json:
        console.json([finding.as_json() for finding in found])
    else:
        _tell_findings(console, found)
    dangers = [finding for finding in found if finding.rule not in ADVICE]
    if dangers:
        raise CheckFailed(
            f"{len(dangers)} of the migrations' statements are dangerous",
            remedy="use the safe form; where it is meant: -- accepts: RULE among the first lines",
        )
    if not json:
        console.line("✓ nothing dangerous found")


@task(
    auto_shortflags=False,
    help={
        "depends": "what must come before; by default the last file",
        "expand": "TABLE.OLD:NEW: another name for a column, in two files for two releases",
    },
)
def new(c: Context, name: str, depends: str = "", expand: str = "") -> None:
    """Write an empty migration file, or the two of a column that gets another name."""
    from deployment.console import Console
    from deployment.steps import migrate as step

    console = Console()
    if not expand:
        console.line(f"wrote {step.write_new(session.settings(c), name, depends)}")
        return
    first, later = step.write_expansion(session.settings(c), name, expand)
    console.line(f"wrote {first}, for this release")
    console.line(f"wrote {later}: remove .later when no live code uses the old column")


@task
def verify(c: Context) -> None:
    """Compare the schema with what the files give; check integrity and foreign keys."""
    from deployment.console import Console
    from deployment.steps import migrate as step

    site = session.open_site(c)
    step.require_sound(site)
    console = Console()
    console.line("✓ the schema is what the applied files give; integrity and foreign keys hold")
    _tell_rows(console, step.rows_by_table(site))


@task(
    auto_shortflags=False,
    help={
        "to": "the last file whose schema is there already; by default all",
        "yes": "do not ask (without a terminal the answer is NO)",
    },
)
def baseline(c: Context, to: str = "", yes: bool = False) -> None:
    """Enter files as applied without running them, for a database that is there already."""
    from deployment import console
    from deployment.steps import migrate as step

    site = session.open_site(c)
    changes = step.plan_baseline(site, to)
    if _shown(c, changes):
        return
    console.confirm(
        f"Enter {changes[0].resource} as applied without running them?", yes=session.agreed(c, yes)
    )
    with session.release(c, "migrate.baseline") as running:
        _make(running, changes)
    for line in step.drift(site):
        console.Console().line(line)


@task(auto_shortflags=False, help={"yes": "do not ask (without a terminal the answer is NO)"})
def restamp(c: Context, name: str, yes: bool = False) -> None:
    """Accept an edited file as what was applied; nothing is run."""
    from deployment import console
    from deployment.steps import migrate as step

    changes = step.plan_restamp(session.open_site(c), name)
    if _shown(c, changes):
        return
    console.confirm(f"Accept the edit of {name} without running it?", yes=session.agreed(c, yes))
    with session.release(c, "migrate.restamp") as running:
        _make(running, changes)


def _nothing_is_pending(c: Context) -> bool:
    """Say so where there is nothing to do: that takes no lock and no release."""
    from deployment.console import Console
    from deployment.steps import migrate as step

    if step.plan(session.open_site(c)):
        return False
    Console().line("✓ migrate: nothing to do")
    return True


def _shown(c: Context, changes: list[Change]) -> bool:
    """Print the plan where that is all to do: nothing to change, or ``--dry``."""
    from deployment.release import preview

    if changes and not session.dry(c):
        return False
    preview.show(changes)
    return True


def _make(running: Release, changes: list[Change]) -> None:
    with running.console.step("migrate") as line:
        running.make(changes)
        line.detail = session.summary(changes)


def _name_to_type(c: Context) -> str | None:
    from deployment.variables import PRODUCTION

    return PRODUCTION if session.environment(c) == PRODUCTION else None


def _tell_what_was_made(running: Release) -> None:
    from deployment.steps import migrate as step

    facts, console = running.site.facts, running.console
    for label in ("made", "gone"):
        for line in step.by_kind(facts.get(label, ())):
            console.line(f"  {label} {line}", "dim")
    for filename, milliseconds in facts.get("milliseconds", {}).items():
        console.line(f"  {milliseconds:8.1f} ms  {filename}", "dim")
    if facts.get("made"):
        _tell_rows(console, step.rows_by_table(running.site))


def _by_file(rehearsed: list[tuple[str, str, float]]) -> dict[str, float]:
    times: dict[str, float] = {}
    for origin, _, seconds in rehearsed:
        filename = origin.partition(":")[0]
        times[filename] = times.get(filename, 0.0) + seconds
    return times


def _tell_findings(console: Console, found: list[Finding]) -> None:
    for finding in found:
        console.warn(f"{finding.place} {finding.what} [{finding.rule}]")
        console.line(f"  safe: {finding.safe}", "dim")


def _tell_rows(console: Console, counts: dict[str, int]) -> None:
    empty = [table for table, count in counts.items() if not count]
    for table, count in counts.items():
        if count:
            console.line(f"  {count:>8} rows  {table}", "dim")
    if empty:
        console.line(f"  {len(empty):>8} tables without rows", "dim")


ns = Collection("migrate")
ns.add_task(migrate, default=True)
for each in (status, plan, lint, down, new, verify, baseline, restamp):
    ns.add_task(each)
