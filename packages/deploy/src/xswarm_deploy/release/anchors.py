"""The end of the audit trail, left where who can write the database cannot take it back: in R2.

Where the trail is keyed and the project has a bucket, each release leaves the event that the
trail ended with under a name of its own. ``audit.verify`` looks whether the trail still holds the
newest of them: one that was cut off behind it, or made anew, does not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import DeployError, Unavailable
from xswarm_deploy.release.audit import Event, event_of
from xswarm_deploy.release.seal import NAME, is_keyed

if TYPE_CHECKING:
    from xswarm_deploy.release.release import Release

FOLDER: Final = ".deployment/audit/"
_DIGITS: Final = 12  # of an event's number, so that names sort by it


def leave(release: Release) -> None:
    """Leave the trail's last event in R2, where it is keyed; what fails is only told."""
    last = release.ledger.trail.latest
    if last is None or not is_keyed(last.hash) or not _is_used(release.site):
        return
    name = f"{_folder(release.site)}{last.number:0{_DIGITS}}.json"
    try:
        release.site.objects.put(name, json.dumps(last._asdict(), ensure_ascii=False).encode())
    except DeployError as error:
        release.console.warn(f"the audit trail's end was not anchored in R2: {error}")


def newest(environment: Environment) -> Event | None:
    """Return the newest event that a release has left in R2; None: none did.

    Raises:
        Unavailable: R2 does not answer, or what stands there is no event.
        DeployError: as R2's client has it.
    """
    if not environment.settings.secret(NAME) or not _is_used(environment):
        return None
    names = [one.key for one in environment.objects.objects(_folder(environment))]
    content = environment.objects.get(max(names)) if names else None
    if content is None:
        return None
    try:
        return event_of(json.loads(content))
    except (ValueError, RecursionError) as error:
        what = f"the audit trail's anchor {max(names)} cannot be read"
        remedy = "look at it in R2, and who wrote it; delete it where no release did"
        raise Unavailable(what, str(error), remedy) from None


def _is_used(environment: Environment) -> bool:
    return "r2" in environment.settings.project.parts


def _folder(environment: Environment) -> str:
    return f"{FOLDER}{environment.settings.environment}/"
