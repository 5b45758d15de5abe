"""Locking by hand: a person keeps everybody from releasing, and lets them again."""

from __future__ import annotations

from deployment.cli import console
from deployment.errors import Refused
from deployment.release import ledger, lock
from deployment.release.ledger import now
from deployment.release.release import trail_of
from deployment.steps.site import Site


def put_on(site: Site, message: str) -> None:
    """Lock the environment.

    Args:
        site: the environment.
        message: why, for whoever is kept waiting.

    Raises:
        Refused: no reason is given.
        Locked: somebody holds the lock already.
    """
    if not message.strip() or message.startswith("--"):
        raise Refused("a lock needs a reason", "", 'inv deploy.lock --message "why"')
    ledger.prepare(site.database)
    lock.lock_by_hand(site.database, message.strip())
    trail_of(site).add("", "lock", now(), {"message": message.strip()})


def take_off(site: Site, *, yes: bool) -> str:
    """Take the lock off after a confirmation; say whose it was, or nothing when it was free.

    Raises:
        Refused: not confirmed, or the lock has changed hands meanwhile.
    """
    held = lock.holder(site.database) if ledger.exists(site.database) else None
    if held is None:
        return ""
    stops = "" if held.by_hand else " A release stops at its next change, half done!"
    console.confirm(f"Take the lock from {held}?{stops}", yes=yes)
    if not lock.take_off(site.database, held):
        raise Refused("the lock has changed hands meanwhile", "", "inv deploy.status")
    trail_of(site).add("", "unlock", now(), {"holder": str(held)})
    return str(held)
