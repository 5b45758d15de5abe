"""Which D1 database a binding of wrangler's file means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings


def database_of(settings: Settings, named: str) -> str:
    """Return the id of the D1 database that is bound by a name; the name, where none is.

    Raises:
        Refused: wrangler's file cannot be read, or the binding has no ``database_id``.
    """
    listed = wrangler.read(settings).get("d1_databases") or ()
    for found in listed:
        if found.get("binding") == named:
            if not found.get("database_id"):
                raise Refused(
                    f"The binding {named} names no database",
                    "d1_databases in wrangler's file has no database_id for it",
                    f"wrangler d1 create {found.get('database_name') or 'NAME'}, and write its id",
                )
            return str(found["database_id"])
    return named
