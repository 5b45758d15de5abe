"""Locking by hand: a person keeps everybody from releasing, and lets them again."""

from __future__ import annotations

from xswarm_deploy import console
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused
from xswarm_deploy.release import lock, records
from xswarm_deploy.release.records import now
from xswarm_deploy.release.release import trail_of


def put_on(environment: Environment, message: str) -> None:
    """Lock the environment.

    Args:
        environment: the environment.
        message: why, for whoever is kept waiting.

    Raises:
        Refused: no reason is given.
        Locked: somebody holds the lock already.
    """
    if not message.strip() or message.startswith("--"):
        raise Refused("a lock needs a reason", "", 'inv deploy.lock --message "why"')
    records.prepare(environment.database)
    lock.lock_by_hand(environment.database, message.strip())
    trail_of(environment).add("", "lock", now(), {"message": message.strip()})


def take_off(environment: Environment, *, yes: bool) -> str:
    """Take the lock off after a confirmation; say whose it was, or nothing when it was free.

    Raises:
        Refused: not confirmed, or the lock has changed hands meanwhile.
    """
    held = lock.holder(environment.database) if records.exists(environment.database) else None
    if held is None:
        return ""
    stops = "" if held.by_hand else " A release stops at its next change, half done!"
    console.confirm(f"Take the lock from {held}?{stops}", yes=yes)
    if not lock.take_off(environment.database, held):
        raise Refused("the lock has changed hands meanwhile", "", "inv deploy.status")
    trail_of(environment).add("", "unlock", now(), {"holder": str(held)})
    return str(held)
