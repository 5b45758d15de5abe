"""One deployer at a time: a lease in the database, with a fencing number and a heartbeat."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from deployment.errors import DeployError, Locked

if TYPE_CHECKING:
    from deployment.database.client import Database

LEASE_SECONDS: Final = 60.0
NOW: Final = "(julianday('now') - 2440587.5) * 86400.0"
"""The database's own clock, in Unix seconds: the one clock all deployers share."""

CREATE: Final = """
CREATE TABLE IF NOT EXISTS _release_lock (
  name TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, holder TEXT NOT NULL,
  reason TEXT NOT NULL, fence INTEGER NOT NULL, acquired_at REAL NOT NULL,
  expires_at REAL NOT NULL)"""

_TAKE: Final = f"""
INSERT INTO _release_lock (name, owner, host, holder, reason, fence, acquired_at, expires_at)
VALUES ('release', ?, ?, ?, ?, 1, {NOW}, {NOW} + ?)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, host = excluded.host,
  holder = excluded.holder, reason = excluded.reason, fence = fence + 1,
  acquired_at = excluded.acquired_at, expires_at = excluded.expires_at
WHERE _release_lock.expires_at <= {NOW}
RETURNING fence"""  # noqa: S608 - constants only

_RENEW: Final = f"""
UPDATE _release_lock SET expires_at = {NOW} + ? WHERE owner = ? AND fence = ?"""  # noqa: S608
_FREE: Final = "UPDATE _release_lock SET expires_at = 0 WHERE owner = ? AND fence = ?"
_HELD: Final = f"""
SELECT owner, host, holder, reason, fence, {NOW} - acquired_at AS held, expires_at - {NOW} AS left
FROM _release_lock WHERE expires_at > {NOW}"""  # noqa: S608


@dataclass(frozen=True)
class Holder:
    """Say who holds the lock: since how many seconds, and for how many more."""

    owner: str
    host: str
    holder: str
    reason: str
    fence: int
    held: float
    left: float

    def __str__(self) -> str:
        return f"{self.holder}@{self.host} since {self.held:.0f} s: {self.reason}"


@dataclass
class Lease:
    """Hold the lock until :meth:`release`; a heartbeat renews it meanwhile.

    Args:
        database: where the lease is.
        connect: opens a connection of its own for the heartbeat.
        owner: unlike any other; made by :func:`acquire`.
        fence: rises with every owner; whoever has an old one is refused.
        seconds: how long it lasts without a heartbeat.
    """

    database: Database
    connect: Callable[[], Database]
    owner: str
    fence: int
    seconds: float = LEASE_SECONDS
    lost: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def keep(self) -> Lease:
        """Start the heartbeat."""
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()
        return self

    def release(self) -> None:
        """Give the lock back."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        self.database.execute(_FREE, (self.owner, self.fence))

    def _beat(self) -> None:
        while not self._ended.wait(self.seconds / 3):
            try:
                result = self.connect().execute(_RENEW, (self.seconds, self.owner, self.fence))
            except DeployError:
                continue  # tried again in a third of the lease; the fence guards meanwhile
            if result.rows_affected == 0:
                self.lost = True
                return


def acquire(
    database: Database,
    connect: Callable[[], Database],
    reason: str,
    seconds: float = LEASE_SECONDS,
) -> Lease:
    """Take the lock, or say who has it.

    Args:
        database: where the lease is kept.
        connect: opens a connection of its own for the heartbeat.
        reason: what the holder is doing, for whoever is refused.
        seconds: how long the lease lasts without a heartbeat.

    Raises:
        Locked: somebody else holds it; nothing was changed.
    """
    owner = uuid.uuid4().hex
    parameters = (owner, socket.gethostname(), person(), reason, seconds)
    rows = database.execute(_TAKE, parameters).rows
    if not rows:
        raise _locked(holder(database))
    return Lease(database, connect, owner, int(str(rows[0][0])), seconds).keep()


def holder(database: Database) -> Holder | None:
    """Give who holds the lock now, or None."""
    rows = database.query(_HELD)
    if not rows:
        return None
    owner, host, person, reason, fence, held, left = (rows[0][index] for index in range(7))
    return Holder(
        str(owner),
        str(host),
        str(person),
        str(reason),
        int(str(fence)),
        float(str(held)),
        float(str(left)),
    )


def _locked(by: Holder | None) -> Locked:
    why = str(by) if by else "it was given back this very moment"
    remedy = "wait until it ends (inv deploy.status shows it), then repeat the command"
    return Locked("another release is under way; nothing was changed", why, remedy)


def person() -> str:
    """Give the login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
