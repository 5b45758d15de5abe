"""Note in the audit trail what changes or deletes something without being a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xswarm_deploy.environment import Environment
from xswarm_deploy.release import records
from xswarm_deploy.release.records import now
from xswarm_deploy.release.release import trail_of


def note(environment: Environment, event: str, details: Mapping[str, Any]) -> None:
    """Add an event to the trail; before what it tells is done, so that nothing is done unseen.

    Where the environment has no database there is no trail, and nothing is noted.

    Args:
        environment: where it is done.
        event: the task's name, e.g. ``backup.prune``.
        details: what is changed; ``message`` is what the list shows.

    Raises:
        Unavailable: the trail cannot be written.
    """
    if not environment.database_url:
        return
    records.prepare(environment.database)
    trail_of(environment).add("", event, now(), details)
