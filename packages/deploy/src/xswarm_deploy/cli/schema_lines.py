"""What a person is shown of a schema: what a migration made of it, and how many rows it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xswarm_deploy.console import Console
from xswarm_deploy.database import schema

if TYPE_CHECKING:
    from xswarm_deploy.release.release import Release


def print_made(running: Release) -> None:
    """Print what a release's migrations made and removed, how long each took, and all rows."""
    facts, out = running.site.facts, running.console
    for label in ("made", "gone"):
        for line in by_kind(facts.get(label, ())):
            out.line(f"  {label} {line}", "dim")
    for filename, milliseconds in facts.get("milliseconds", {}).items():
        out.line(f"  {milliseconds:8.1f} ms  {filename}", "dim")
    if facts.get("made"):
        print_rows(out, schema.rows_by_table(running.site.database))


def print_rows(out: Console, counts: dict[str, int]) -> None:
    """Print how many rows each table has; those without any as a number alone."""
    empty = [table for table, count in counts.items() if not count]
    for table, count in counts.items():
        if count:
            out.line(f"  {count:>8} rows  {table}", "dim")
    if empty:
        out.line(f"  {len(empty):>8} tables without rows", "dim")


def by_kind(labels: Sequence[str]) -> list[str]:
    """Gather labels such as ``table users`` into a line for each kind."""
    kinds: dict[str, list[str]] = {}
    for label in labels:
        kind, _, name = label.partition(" ")
        kinds.setdefault(kind, []).append(name)
    return [f"{kind}: {', '.join(names)}" for kind, names in kinds.items()]
