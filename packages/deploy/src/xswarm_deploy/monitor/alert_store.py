"""Keep the state of the alerts: in the database, and in a file while the database is away."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.private import sync_file
from xswarm_monitoring.storage import Execute

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database, Row


PATIENCE: Final = 8.0  # seconds; a migration may take minutes, a monitor's statement may not


def execute(database: Database) -> Execute:
    """Return what the monitoring runs its statements by."""

    async def run(sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        rows = _in_time(lambda: database.execute(sql, parameters).rows)
        return [row.values_in_order for row in rows]

    return run


def _in_time(read: Callable[[], list[Row]]) -> list[Row]:
    """Wait for the database for a while only: one that hangs must not keep a watch from telling.

    Raises:
        DatabaseError: what it raised, or that it gave no answer in time.
    """
    answer: Future[list[Row]] = Future()
    # A daemon, since nobody waits for it when the process ends.
    threading.Thread(target=_settle, args=(answer, read), daemon=True).start()
    try:
        return answer.result(PATIENCE)
    except TimeoutError:
        why = f"no answer within {PATIENCE:.0f} s"
        raise DatabaseError("unavailable", why, in_doubt=True) from None


def _settle(answer: Future[list[Row]], read: Callable[[], list[Row]]) -> None:
    try:
        answer.set_result(read())
    except Exception as error:  # raised again where the answer is awaited
        answer.set_exception(error)


@dataclass(frozen=True)
class FileAlertStore:
    """Keep the state in a file; of two rounds at the same instant both may tell.

    Args:
        path: the file; it and its folder are made when first needed.
    """

    path: Path

    async def load(self) -> tuple[int, str]:
        """Return the state's revision and text; 0 and an empty text where there is none.

        Raises:
            ValueError: it cannot be read; it is kept beside, for whoever wants to know why.
        """
        if not self.path.exists():
            return 0, ""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return int(kept["revision"]), str(kept["book"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            aside = self.path.with_suffix(".unreadable")
            self.path.replace(aside)
            raise ValueError(f"{self.path.name} is now {aside.name}: {error}") from None

    async def save(self, revision: int, text: str) -> bool:
        """Save the state where it is still of a revision; tells whether it was."""
        if (await self.load())[0] != revision:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"revision": revision + 1, "book": text}), encoding="utf-8")
        written.chmod(0o600)
        sync_file(written)
        written.replace(self.path)
        return True

    async def forget(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)
