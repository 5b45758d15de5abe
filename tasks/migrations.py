"""See, try, write and take back migrations: ``inv migrate.*``; ``inv migrate`` is in migrate.py."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context, schema_lines
from xswarm_deploy.cli import steps as cli_steps
from xswarm_deploy.console import Console
from xswarm_deploy.database import forecast
from xswarm_deploy.database import migrate as runner
from xswarm_deploy.database.lint import ADVICE, Finding
from xswarm_deploy.errors import CheckFailed
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.settings.variables import PRODUCTION
from xswarm_deploy.steps import migrate as step
from xswarm_deploy.steps import migration_lint, new_migration, pending, schema_check

_COLUMNS = ("filename", "status", "applied_at", "milliseconds", "name")


@task(auto_shortflags=False, help={"json": "print the table as JSON"})
def status(c: Context, json: bool = False) -> None:
    """Show which migrations are applied, pending, edited or gone."""
    site = context.open_site(c, quiet=json)
    found = step.overview(site)
    if not (found or json):
        Console().line(pending.nothing(site))
    rows = [[row[column] or "" for column in _COLUMNS] for row in found]
    console.show(found, console.Table(_COLUMNS, rows), json=json)


@task(auto_shortflags=False, help={"sql": "show the statements, each with the time it took"})
def plan(c: Context, sql: bool = True) -> None:
    """Rehearse pending migrations on the real data, and roll them back."""
    site, out = context.open_site(c), Console()
    groups = step.pending_groups(site)
    if not groups:
        out.line(pending.nothing(site))
    _print_findings(out, migration_lint.lint(site) if groups else [])
    for group in groups:
        for note in forecast.notes(site.database, group):
            out.warn(note)
        if not group.transactional:
            continue  # what runs outside a transaction cannot be rolled back
        rehearsed = runner.rehearse(site.database, group)
        for origin, text, seconds in rehearsed if sql else ():
            out.line(f"-- {origin}  {seconds * 1000:.1f} ms", "dim")
            out.line(f"{text};")
        total = sum(seconds for _, _, seconds in rehearsed)
        out.line(f"✓ rehearsed and rolled back: {len(rehearsed)} statements, {total:.3f} s")
        slow = forecast.slow(total, _by_file(rehearsed))
        if slow:
            out.warn(slow)


@task(
    auto_shortflags=False,
    help={
        "steps": "how many, the last applied first",
        "to": "the migration that becomes the last one",
        "yes": context.YES,
    },
)
def down(c: Context, steps: int = 1, to: str = "", yes: bool = False) -> None:
    """Take applied migrations back by their down parts, after a fresh backup."""
    site = context.open_site(c)
    changes = step.plan_down(site, steps=steps, to=to)
    if cli_steps.show_only(c, changes):
        return
    lost = ", ".join(step.DOWN.undo_of(changes[0]).names)
    console.confirm(
        f"Take {lost} back in {site.settings.environment}? What only they hold is lost.",
        yes=context.agreed(c, yes),
        type_name=_name_to_type(c),
    )
    with transaction(site, "migrate.down") as running:
        cli_steps.perform(c, "backup")
        cli_steps.make(running, "migrate", changes)


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
    if files or since:
        found = migration_lint.lint_files(context.settings(c), since)
    else:
        found = migration_lint.lint(context.open_site(c, quiet=json))
    listed = [finding.as_json() for finding in found]
    console.show(listed, lambda out: _print_findings(out, found), json=json)
    dangers = [finding for finding in found if finding.rule not in ADVICE]
    if dangers:
        raise CheckFailed(
            f"{len(dangers)} of the migrations' statements are dangerous",
            remedy="use the safe form; where it is meant: -- accepts: RULE among the first lines",
        )
    if not json:
        Console().line("✓ nothing dangerous found")


@task(
    auto_shortflags=False,
    help={
        "name": "what it does, in words; the file's name is made of it",
        "depends": "what must come before; by default the last file",
        "expand": "TABLE.OLD:NEW: another name for a column, in two files for two releases",
    },
)
def new(c: Context, name: str, depends: str = "", expand: str = "") -> None:
    """Write an empty migration file, or the two of a column that gets another name."""
    out = Console()
    if not expand:
        out.line(f"wrote {new_migration.write_new(context.settings(c), name, depends)}")
        return
    first, later = new_migration.write_expansion(context.settings(c), name, expand)
    out.line(f"wrote {first}, for this release")
    out.line(f"wrote {later}: remove .later when no live code uses the old column")


@task
def verify(c: Context) -> None:
    """Compare the schema with what the files give; check integrity and foreign keys."""
    site, out = context.open_site(c), Console()
    schema_check.require_sound(site)
    out.line("✓ the schema is what the applied files give; integrity and foreign keys hold")
    schema_lines.print_rows(out, schema_check.rows_by_table(site))


@task(
    auto_shortflags=False,
    help={
        "to": "the last file whose schema is there already; by default all",
        "yes": context.YES,
    },
)
def baseline(c: Context, to: str = "", yes: bool = False) -> None:
    """Enter files as applied without running them, for a database that is there already."""
    site = context.open_site(c)
    changes = step.plan_baseline(site, to)
    if cli_steps.show_only(c, changes):
        return
    console.confirm(
        f"Enter {changes[0].resource} as applied without running them?", yes=context.agreed(c, yes)
    )
    with transaction(site, "migrate.baseline") as running:
        cli_steps.make(running, "migrate", changes)
    for line in schema_check.drift(site):
        Console().line(line)


@task(
    auto_shortflags=False,
    help={"name": "the file, with .sql or without", "yes": context.YES},
)
def restamp(c: Context, name: str, yes: bool = False) -> None:
    """Accept an edited file as what was applied; nothing is run."""
    site = context.open_site(c)
    changes = step.plan_restamp(site, name)
    if cli_steps.show_only(c, changes):
        return
    console.confirm(f"Accept the edit of {name} without running it?", yes=context.agreed(c, yes))
    with transaction(site, "migrate.restamp") as running:
        cli_steps.make(running, "migrate", changes)


def _name_to_type(c: Context) -> str | None:
    return PRODUCTION if context.environment(c) == PRODUCTION else None


def _by_file(rehearsed: list[tuple[str, str, float]]) -> dict[str, float]:
    times: dict[str, float] = {}
    for origin, _, seconds in rehearsed:
        filename = origin.partition(":")[0]
        times[filename] = times.get(filename, 0.0) + seconds
    return times


def _print_findings(out: Console, found: list[Finding]) -> None:
    for finding in found:
        out.warn(f"{finding.place} {finding.what} [{finding.rule}]")
        out.line(f"  safe: {finding.safe}", "dim")
