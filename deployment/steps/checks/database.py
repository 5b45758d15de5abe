"""The database: whether it answers, what its schema has, what the release would migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deployment.database.lint import ADVICE
from deployment.steps.checks.looking import Seen, probe

if TYPE_CHECKING:
    from deployment.steps.report import Probe
    from deployment.steps.site import Site

GROUP: Final = "database"
NEEDS: Final = ("TURSO_DATABASE_URL", "TURSO_AUTH_TOKEN")


def probes(site: Site) -> list[Probe]:
    """Look at the database; each look is one query."""
    looks = {
        "database": lambda: _reachable(site),
        "migrations": lambda: _migrations(site),
        "tables": lambda: _tables(site),
    }
    size = probe("size", GROUP, lambda: _size(site), needs=NEEDS, critical=False)
    return [
        *(probe(name, GROUP, look, needs=NEEDS, needed=True) for name, look in looks.items()),
        size,
    ]


def _reachable(site: Site) -> str:
    version = str(site.database.query("SELECT sqlite_version() AS version")[0]["version"])
    return f"answers (SQLite {version})"


def _migrations(site: Site) -> Seen | str:
    from deployment.steps import migrate

    pending = _pending(site)
    if not pending:
        return "all applied"
    found = [each for each in migrate.lint(site) if each.rule not in ADVICE]
    if not found:
        return f"{pending} to apply"
    first = f"{found[0].place} {found[0].what}"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Seen("warn", f"{pending} to apply; {first}{more}", "inv migrate.lint")


def _tables(site: Site) -> Seen | str:
    rows = site.database.query("SELECT name FROM sqlite_schema WHERE type = 'table'")
    there = {str(row["name"]) for row in rows}
    required = site.settings.project.check.required_tables
    missing = [name for name in required if name not in there]
    if not missing:
        return f"{len(required)} required tables"
    if _pending(site):
        return f"{', '.join(missing)}: made by the pending migrations"
    remedy = "inv migrate.status; a migration that made them was undone by hand"
    return Seen("fail", f"missing: {', '.join(missing)}", remedy)


def _size(site: Site) -> str:
    sql = "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()"
    return f"{int(str(site.database.query(sql)[0]['bytes'])) / 1e6:.1f} MB"


def _pending(site: Site) -> int:
    """Count the migrations to apply; a ledger that does not fit the files is refused."""
    from deployment.steps import migrate

    migrate.plan(site)
    return len(migrate.state(site).pending)
