"""One deployer at a time: a lease in the database, with a fencing number and a heartbeat."""

from __future__ import annotations

import getpass
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from xswarm_deploy import texts
from xswarm_deploy.database.client import Statement
from xswarm_deploy.errors import DeployError, Locked
from xswarm_deploy.fence import lifted
from xswarm_deploy.release import process_identity as process

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database, Result, Row, Statement

LEASE_SECONDS: Final = 60.0
BY_HAND_SECONDS: Final = 10 * 365 * 86400.0
"""A person's lock has no heartbeat: it stays until a person takes it off."""
NOW: Final = "(julianday('now') - 2440587.5) * 86400.0"
"""The database's own clock, in Unix seconds: the one clock all deployers share."""

CREATE: Final = """
CREATE TABLE IF NOT EXISTS _release_lock (
  name TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, holder TEXT NOT NULL,
  process TEXT NOT NULL, reason TEXT NOT NULL, doing TEXT NOT NULL, fence INTEGER NOT NULL,
  by_hand INTEGER NOT NULL, acquired_at REAL NOT NULL, expires_at REAL NOT NULL)"""

HELD: Final = "EXISTS (SELECT 1 FROM _release_lock WHERE owner = ? AND fence = ?)"
"""The condition of every write of a release: whoever lost the lock writes nothing."""

# The second condition takes over from one owner who is known to be dead.
_TAKE: Final = f"""
INSERT INTO _release_lock (name, owner, host, holder, process, reason, doing, fence, by_hand,
  acquired_at, expires_at)
VALUES ('release', ?, ?, ?, ?, ?, '', 1, ?, {NOW}, {NOW} + ?)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, host = excluded.host,
  holder = excluded.holder, process = excluded.process, reason = excluded.reason, doing = '',
  fence = fence + 1, by_hand = excluded.by_hand, acquired_at = excluded.acquired_at,
  expires_at = excluded.expires_at
WHERE _release_lock.expires_at <= {NOW} OR _release_lock.owner = ?
RETURNING fence"""  # noqa: S608 - constants only

_BREAK: Final = (
    "UPDATE _release_lock SET owner = NULL WHERE name = 'release' AND NOT (owner = ? AND fence = ?)"
)
"""Breaks NOT NULL, and with it the transaction, unless the lock is held; else it does nothing."""

_RENEW: Final = f"""
UPDATE _release_lock SET expires_at = {NOW} + ? WHERE owner = ? AND fence = ?"""  # noqa: S608
_FREE: Final = f"UPDATE _release_lock SET expires_at = {NOW} WHERE owner = ? AND fence = ?"  # noqa: S608
_TAKE_OFF: Final = f"""
UPDATE _release_lock SET expires_at = {NOW}, fence = fence + 1 WHERE owner = ? AND fence = ?"""  # noqa: S608
_FREED: Final = f"""
SELECT CASE WHEN expires_at > 0 THEN {NOW} - expires_at ELSE 0 END AS free
FROM _release_lock WHERE name = 'release'"""  # noqa: S608
"""For how many seconds it has been free. Earlier versions of this tool wrote 0 as they freed it:
it is not known since when."""
_HELD: Final = f"""
SELECT owner, host, holder, process, reason, doing, fence, by_hand, acquired_at,
  {NOW} - acquired_at AS held, expires_at - {NOW} AS left, expires_at
FROM _release_lock WHERE expires_at > {NOW}"""  # noqa: S608


class Holder(NamedTuple):
    """Who holds the lock, and for what.

    Args:
        owner: unlike any other.
        host: the machine.
        holder: the person.
        process: which one, where known (:mod:`xswarm_deploy.release.process_identity`).
        reason: what it was taken for: a release, or a person's words.
        doing: the change being made at this moment.
        fence: the fencing number.
        by_hand: whether a person put it on, until a person takes it off.
        acquired_at: Unix seconds, by the database's clock.
        held: since how many seconds.
        left: for how many more, unless it is renewed.
        expires_at: Unix seconds; it rises while the holder lives.
    """

    owner: str
    host: str
    holder: str
    process: str
    reason: str
    doing: str
    fence: int
    by_hand: bool
    acquired_at: float
    held: float
    left: float
    expires_at: float

    @property
    def dead(self) -> bool:
        """Return whether the holder is known to have ended without giving the lock back."""
        return not self.by_hand and process.is_dead(self.process)

    @property
    def since(self) -> str:
        """Return when it was taken, in UTC."""
        return f"{datetime.fromtimestamp(self.acquired_at, UTC):%Y-%m-%d %H:%M:%S} UTC"

    def __str__(self) -> str:
        doing = f"; now: {self.doing}" if self.doing else ""
        return (
            f"{self.holder}@{self.host} since {self.since} ({self.held:.0f} s): "
            f"{self.reason}{doing}"
        )


def awake_or_not() -> float:
    """Return seconds that passed, those of a machine's sleep among them.

    Linux has a clock of its own for that (time(7)); elsewhere the monotonic one goes on.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass
class Lease:
    """Hold the lock until :meth:`release`; a heartbeat renews it meanwhile.

    Args:
        database: where the lease is.
        connect: opens a connection of its own for the heartbeat.
        owner: unlike any other; made by :func:`acquire`.
        fence: rises with every owner; whoever has an old one is refused.
        seconds: how long it lasts without a heartbeat.
        until: when it ends unless it is renewed, by this machine's clock that counts sleep, too.
        clock: that clock.
        found: what was read in the transaction that took the lock.
        free_since: nobody held it from then on until it was taken; on the monotonic clock.
        before: called before anything that changes something leaves: it makes intents durable.
    """

    database: Database
    connect: Callable[[], Database]
    owner: str
    fence: int
    seconds: float = LEASE_SECONDS
    until: float = 0.0
    clock: Callable[[], float] = field(default_factory=lambda: awake_or_not)
    found: Sequence[Result] = ()
    free_since: float = math.inf
    before: Callable[[], None] = field(default=lambda: None, repr=False)
    _lost: bool = False
    _renewing: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def keep(self) -> Lease:
        """Start the heartbeat."""
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()
        return self

    def release(self) -> None:
        """Release the lock."""
        freeing = self.freeing()
        self.database.execute(freeing.sql, freeing.parameters)

    def freeing(self) -> Statement:
        """End the heartbeat, which would take the lock anew, and return what gives it back."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        return Statement(_FREE, (self.owner, self.fence))

    @property
    def place(self) -> str:
        """Return the URL of the database that the lock is in."""
        return self.database.url

    @property
    def condition(self) -> tuple[str, tuple[str | int, ...]]:
        """Return a statement that breaks its transaction unless the lock is held."""
        return _BREAK, (self.owner, self.fence)

    def require_held(self) -> None:
        """Raise unless the lock is surely held at this moment, and what is intended is durable.

        One whose time is over, since nobody renewed it while this machine slept, is still held
        where nobody took it meanwhile: the database tells.

        Raises:
            Locked: it is another's now.
            DatabaseError: the lease is over, and the database does not tell whose the lock is; or
                it does not take an intent.
        """
        self.before()
        self.require_own()

    def require_own(self) -> None:
        """Raise unless the lock is surely held at this moment, whatever is durable.

        Raises:
            Locked: it is another's now.
            DatabaseError: the lease is over, and the database does not tell whose the lock is.
        """
        if self.clock() >= self.until and not self._lost:
            with self._renewing:
                if self.clock() >= self.until:
                    self._renew(self.database)
        if self._lost:
            raise self.lost()

    def lost(self) -> Locked:
        """Return the error of a lock that was lost."""
        return Locked(
            "this release lost its lock, and stopped",
            "its lease ran out or was taken off, and another deployer may have taken over",
            "inv deploy.list",
        )

    def _renew(self, database: Database) -> None:
        asked = self.clock()
        renewed = database.execute(_RENEW, (self.seconds, self.owner, self.fence)).rows_affected
        if renewed:
            self.until = asked + self.seconds
        else:
            self._lost = True

    def _beat(self) -> None:
        with self.connect() as database:
            while not self._lost and not self._ended.wait(self.seconds / 3):
                with suppress(DeployError):  # tried again in a third of the lease
                    self._renew(database)


def acquire(
    database: Database,
    connect: Callable[[], Database],
    reason: str,
    seconds: float = LEASE_SECONDS,
    also: Sequence[Statement] = (),
) -> Lease:
    """Take the lock, or say who has it.

    A holder that is known to be dead, since its process ran on this very system, is not
    waited for.

    Args:
        database: where the lease is kept.
        connect: opens a connection of its own for the heartbeat.
        reason: what the holder is doing, for whoever is refused.
        seconds: how long the lease lasts without a heartbeat.
        also: what is read in the same transaction, once the lock is held.

    Raises:
        Locked: somebody else holds it; nothing was changed.
    """
    owner = os.urandom(16).hex()
    asked = awake_or_not()
    taken = _take(database, owner, reason, seconds, also=also)
    if taken is None:
        by = holder(database)
        if by is None or by.dead:
            asked = awake_or_not()
            taken = _take(database, owner, reason, seconds, by.owner if by else "", also=also)
        if taken is None:
            raise _locked(by)
    lease = Lease(database, connect, owner, taken.fence, seconds, asked + seconds)
    lease.found, lease.free_since = taken.found, taken.free_since
    return lease.keep()


def acquire_patiently(
    database: Database,
    connect: Callable[[], Database],
    reason: str,
    waiting: Callable[[Holder], None],
    pause: float = 1.0,
) -> Lease:
    """Take the lock of a release that may have died on another machine: wait out its lease.

    Args:
        database: where the lease is kept.
        connect: opens a connection of its own for the heartbeat.
        reason: what for.
        waiting: told now and then who is waited for.
        pause: seconds between two tries.

    Raises:
        Locked: the holder renewed its lease meanwhile, so it lives; or a person locked.
    """
    first: Holder | None = None
    while True:
        try:
            return acquire(database, connect, reason)
        except Locked:
            by = holder(database)
            if by and (by.by_hand or (first and by.expires_at > first.expires_at)):
                raise
        if by:
            first = first or by
            waiting(by)
        time.sleep(pause)


def lock_by_hand(database: Database, message: str) -> None:
    """Keep everybody from releasing, until :func:`take_off`.

    Raises:
        Locked: somebody holds the lock already.
    """
    if _take(database, os.urandom(16).hex(), message, BY_HAND_SECONDS, by_hand=True) is None:
        raise _locked(holder(database))


def take_off(database: Database, by: Holder) -> bool:
    """Take the lock from its holder, whoever that is; a release of his stops at its next write.

    Returns:
        Whether it still was his.
    """
    return database.execute(_TAKE_OFF, (by.owner, by.fence)).rows_affected > 0


def holder(database: Database) -> Holder | None:
    """Return who holds the lock now, or None."""
    rows = database.query(_HELD)
    return _holder(rows[0]) if rows else None


class _Taken(NamedTuple):
    """A lock that was taken: its fencing number, what was read with it, since when it was free.

    The time is on the monotonic clock, and may be later than it was, by what the answer took.
    """

    fence: int
    found: Sequence[Result]
    free_since: float


def _take(
    database: Database,
    owner: str,
    reason: str,
    seconds: float,
    dead: str = "",
    *,
    by_hand: bool = False,
    also: Sequence[Statement] = (),
) -> _Taken | None:
    named = "" if by_hand else process.identity()
    parameters = (
        owner,
        socket.gethostname(),
        person(),
        named,
        reason,
        int(by_hand),
        seconds,
        dead,
    )
    with lifted():  # it is the lock that is taken here, not what it guards
        statements = [Statement(_FREED), Statement(_TAKE, parameters), *also]
        freed, taken, *found = database.transaction(statements)
    if not taken.rows:
        return None
    free = float(str(freed.rows[0]["free"])) if freed.rows else math.inf
    return _Taken(taken.rows[0].integer(0), found, time.monotonic() - free)


def _holder(row: Row) -> Holder:
    """Read the lock's row.

    Raises:
        DeployError: it is not as this tool writes it.
    """
    try:
        return _read(row)
    except (TypeError, ValueError) as error:
        what = "the row of _release_lock cannot be read: it was written by hand"
        remedy = "UPDATE _release_lock SET acquired_at = 0, expires_at = 0; then repeat it"
        raise DeployError(what, str(error), remedy) from None


def _read(row: Row) -> Holder:
    return Holder(
        owner=row.text("owner"),
        host=row.text("host"),
        holder=row.text("holder"),
        process=row.text("process"),
        reason=row.text("reason"),
        doing=row.text("doing"),
        fence=row.integer("fence"),
        by_hand=bool(row.integer("by_hand")),
        acquired_at=float(str(row["acquired_at"])),
        held=float(str(row["held"])),
        left=float(str(row["left"])),
        expires_at=float(str(row["expires_at"])),
    )


def _locked(by: Holder | None) -> Locked:
    what = "another release is under way; nothing was changed"
    if by is None:
        return Locked(what, "it was given back this very moment", "repeat the command")
    if by.by_hand:
        what = "releases are locked by a person; nothing was changed"
        return Locked(what, str(by), "ask them, or: inv deploy.unlock")
    remedy = "wait until it ends (inv deploy.status shows it), then repeat the command"
    return Locked(what, str(by), remedy)


def person() -> str:
    """Return the login name; of a user without one, what the system has in its place."""
    try:
        return texts.valid(getpass.getuser())
    except (ImportError, KeyError, OSError):
        if sys.platform == "win32":
            return "unknown"
        return str(os.getuid())
