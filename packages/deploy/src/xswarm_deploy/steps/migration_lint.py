"""What is dangerous in an environment's pending migrations, or in the files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xswarm_deploy.database import downs, migrations, schema
from xswarm_deploy.database import lint as linting
from xswarm_deploy.database.lint import Finding
from xswarm_deploy.steps import migrate, pending

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings
    from xswarm_deploy.site import Site


def lint(site: Site) -> list[Finding]:
    """Return what is dangerous in the pending migrations, on the schema and rows as they are."""
    found = pending.state(site)
    if not found.pending:
        return []
    rows = schema.rows_by_table(site.database)
    return linting.lint(site.database.query(schema.SELECT.sql), found.pending, rows)


def lint_files(settings: Settings, since: str = "") -> list[Finding]:
    """Return what is dangerous in the files, from an empty schema on; no database is asked.

    Args:
        settings: of any environment.
        since: the last file that is out of question; empty: all are looked at.

    Raises:
        Refused: there is no such file.
    """
    found = migrations.read(settings.path(settings.project.migrations.directory))
    if pending.generates_downs(settings):
        found = downs.complete(found, {item.name for item in found})
    passed = {item.filename for item in migrate.up_to(found, since)} if since else set()
    return [each for each in linting.lint([], found, {}) if each.filename not in passed]
