"""What was released, what is live, who holds the lock."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from itertools import islice
from typing import Any, Final, NamedTuple

from xswarm_deploy.background import started
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.split import Split
from xswarm_deploy.release import anchors, audit, audit_tags, lock, records, seal
from xswarm_deploy.release.release import FOLDER
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic

_READS: Final = 3  # questions that a status asks the database at the same time
NEWEST: Final = 50  # releases that are listed unless all are asked for


def listed(site: Site, most: int | None = None) -> list[dict[str, Any]]:
    """Return the releases that put a version live or tried to, newest first; at most one is live.

    Args:
        site: the environment.
        most: how many; None: all.
    """
    split = _beside(site)
    put_live = (r for r in site.history() if r.version or r.kind in ("deploy", "rollback"))
    releases = list(islice(put_live, most))
    live = _live(split.result(), releases)
    return [
        {
            "release": record.release,
            "version": record.version,
            "created": record.created,
            "status": record.status,
            "message": record.message,
            "live": record is live,
        }
        for record in releases
    ]


def live_record(environment: Environment, releases: Iterable[Record]) -> Record | None:
    """Return the successful release whose version has most of the traffic now."""
    return _succeeded(_of_live_version(traffic.live_split(environment), releases))


def _beside(site: Site) -> Future[dict[str, float]]:
    """Begin to read how the traffic goes."""
    _ = site.connections  # imports requests, of which two threads at once get half
    return started(lambda: traffic.live_split(site), "traffic")


def _live(split: Split, releases: Iterable[Record]) -> Record | None:
    """Return the release that is live, even one that failed where nothing could bring it back."""
    made = _of_live_version(split, releases)
    return _succeeded(made) or next(iter(made), None)


def _of_live_version(split: Split, releases: Iterable[Record]) -> list[Record]:
    version = max(split, key=lambda name: split[name], default="")
    return [record for record in releases if version and record.version == version]


def _succeeded(releases: Iterable[Record]) -> Record | None:
    return next((record for record in releases if record.status == records.SUCCEEDED), None)


def status(site: Site) -> dict[str, Any]:
    """Return what is live, and who holds the lock."""
    split, environment = _beside(site), site.settings.environment
    site.database.open_ahead(_READS)
    reading = started(lambda: list(_unended(site)), "unended")
    holding = started(lambda: _holder(site), "holder")
    releases, unended, held = site.history(), reading.result(), holding.result()
    live = _live(split.result(), releases)
    return {
        "environment": environment,
        "worker": site.worker,
        "url": site.settings.text("WORKER_URL"),
        "live_release": live.release if live else "",
        "traffic": split.result(),
        "last_release": releases[0].release if releases else "",
        "last_status": releases[0].status if releases else "",
        "lock": str(held) if held else "free",
        "locked_by": f"{held.holder}@{held.host}" if held else "",
        "locked_since": held.since if held else "",
        "locked_for": held.reason if held else "",
        "doing": held.doing if held else "",
        "lock_is_stale": held.dead if held else False,
        "interrupted": [r.release for r in unended if _is_interrupted(r, held)],
    }


def _unended(site: Site) -> Iterable[Record]:
    environment = site.settings.environment
    return records.read(site.database, environment, site.worker, unended=True)


def _holder(site: Site) -> lock.Holder | None:
    """Return who holds the lock; None: nobody does, or there never was a release."""
    try:
        return lock.holder(site.database)
    except DatabaseError as error:
        if error.kind != "syntax":
            raise
        return None


def _is_interrupted(unended: Record, held: lock.Holder | None) -> bool:
    """Return whether nobody is at a release any more that has not ended."""
    return held is None or held.dead or unended.release not in held.reason


class Audited(NamedTuple):
    """What verifying the audit trail found.

    Args:
        events: how many there are.
        keyed: how many of them only who has the key could make.
        head: the hash of the last one.
        anchor: the number of the event that R2 vouches for; 0: none.
        tag: the number of the event that the newest tag in git vouches for; 0: none.
        faults: where it was touched.
    """

    events: int
    keyed: int
    head: str
    anchor: int
    tag: int
    faults: tuple[str, ...]


def audited(environment: Environment, head: str = "") -> Audited:
    """Verify the audit trail: by itself, by what this machine, R2 and git keep, by a noted hash.

    Args:
        environment: the environment; the trail is the whole database's.
        head: a hash that somebody noted; empty: none.

    Raises:
        DeployError: R2 or git has an anchor of it, and does not tell.
    """
    events = audit.walk(environment.database) if audit.exists(environment.database) else iter(())
    kept = (
        event
        for event in audit.kept(environment.settings.path(FOLDER))
        if event.environment == environment.settings.environment
    )
    anchor, tagged = anchors.newest(environment), audit_tags.newest(environment)
    elsewhere = {"R2": anchor, "git": tagged}
    keys = environment.settings.secret(seal.NAME)
    examined = audit.examine(events, kept, head, keys, elsewhere)
    found = examined.faults
    if head and not examined.head_found:
        found = [*found, f"no event has the hash {head}"]
    return Audited(
        examined.events,
        examined.keyed,
        examined.last,
        anchor.number if anchor else 0,
        tagged.number if tagged else 0,
        tuple(dict.fromkeys(found)),
    )


def shown(site: Environment, release: str) -> dict[str, Any]:
    """Return one release with its changes.

    Raises:
        Refused: there is none of that id.
    """
    environment = site.settings.environment
    if not release:
        raise Refused("no release is named", "", "inv deploy.list")
    named = records.read(site.database, environment, site.worker, named=release)
    found = [r for r in named if r.release.startswith(release)]
    if len(found) != 1:
        raise Refused(
            f"there is no release {release}" if not found else f"{release} names several releases",
            f"{len(found) or 'no'} release ids of {environment} start with it",
            "inv deploy.list",
        )
    record = found[0]
    changes = records.recorded(site.database, record.release)
    return {**record._asdict(), "facts": dict(record.facts), "changes": changes}
