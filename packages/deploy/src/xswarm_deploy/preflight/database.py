"""The database: whether it answers, what its schema has, what the release would migrate."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING, Final

from xswarm_deploy.database import engine, limits
from xswarm_deploy.database.engine import Engine
from xswarm_deploy.database.lint import ADVICE
from xswarm_deploy.errors import DeployError
from xswarm_deploy.preflight.configuration import ACCOUNT
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.settings.settings import D1, DATABASE
from xswarm_deploy.steps import migrate, migration_lint, pending

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

GROUP: Final = "database"
UNANSWERED: Final = "skipped (the database does not answer)"
NEEDS: Final = ("TURSO_DATABASE_URL", "TURSO_AUTH_TOKEN")


def probes(site: Site) -> list[Probe]:
    """Look at the database; each look is one query.

    One that does not answer is one failure: what else would be asked of it is skipped.
    """
    version, needs = _Once(lambda: _engine(site)), _needs(site)

    def after(look: Callable[[], Seen | str]) -> Callable[[], Seen | str]:
        return lambda: look() if version.answered else Seen("skip", UNANSWERED)

    looks = {
        "database": lambda: _told(version.get()),
        "migrations": after(lambda: _migrations(site)),
        "tables": after(lambda: _tables(site)),
    }
    size = probe("size", GROUP, after(lambda: _size(site)), needs=needs, critical=False)
    return [
        *(probe(name, GROUP, look, needs=needs, needed=True) for name, look in looks.items()),
        size,
    ]


def _needs(site: Site) -> tuple[str, ...]:
    """Return the variables without which the database is not asked: D1 is behind the account."""
    return (*NEEDS, *ACCOUNT) if site.settings.text(DATABASE).startswith(D1) else NEEDS


class _Once:
    """Ask once, for all threads that want the answer."""

    def __init__(self, ask: Callable[[], Engine]) -> None:
        self._ask, self._lock = ask, Lock()
        self._answer: Future[Engine] | None = None

    def get(self) -> Engine:
        """Return the answer, or raise why there is none."""
        with self._lock:
            if self._answer is None:
                self._answer = Future()
                try:
                    self._answer.set_result(self._ask())
                except DeployError as error:
                    self._answer.set_exception(error)
        return self._answer.result()

    @property
    def answered(self) -> bool:
        """Return whether there is an answer."""
        try:
            self.get()
        except DeployError:
            return False
        return True


def _engine(site: Site) -> Engine:
    if site.database.limits is limits.D1:  # which tells neither its version nor its size
        site.database.query("SELECT 1")
        return Engine("of D1")
    return engine.of(site.database)


def _told(found: Engine) -> Seen | str:
    if found.turso:
        return Seen("fail", f"{found}: {engine.LACKS}", engine.INSTEAD)
    return f"answers ({found})"


def _migrations(site: Site) -> Seen | str:
    waiting = _pending(site)
    if not waiting:
        return "all applied" if pending.files(site) else pending.NO_FOLDER
    found = [each for each in migration_lint.lint(site) if each.rule not in ADVICE]
    if not found:
        return f"{waiting} to apply"
    first = f"{found[0].place} {found[0].what}"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Seen("warn", f"{waiting} to apply; {first}{more}", "inv migrate.lint")


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


def _size(site: Site) -> Seen | str:
    if site.database.limits is limits.D1:
        return Seen("skip", "D1 does not tell it by SQL: wrangler d1 info")
    sql = "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()"
    return f"{int(str(site.database.query(sql)[0]['bytes'])) / 1e6:.1f} MB"


def _pending(site: Site) -> int:
    """Count the migrations to apply; a ledger that does not fit the files is refused."""
    migrate.plan(site)
    return len(pending.state(site).pending)
