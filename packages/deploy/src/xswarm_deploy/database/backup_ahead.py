"""A backup that is begun before it is known whether it is wanted: then it is kept, or removed."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from xswarm_deploy.database import backup
from xswarm_deploy.database.backup import Backup, Prepared


class BackupAhead:
    """Make and prove a backup in a thread of its own, which removes what is not kept.

    Args:
        making: from :func:`backup.prepared`.
        folder: where it is kept.
    """

    def __init__(self, making: AbstractContextManager[Prepared], folder: Path) -> None:
        self._making, self._folder = making, folder
        self._decided, self._wanted = threading.Event(), False
        self._kept: Backup | None = None
        self._error: BaseException | None = None
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="backup", daemon=True)
        self._thread.start()

    @property
    def age(self) -> float:
        """Return how many seconds ago it was begun: it holds what was there then."""
        return time.monotonic() - self._began

    def keep(self) -> Backup:
        """Wait until it is proven, and return it under its name.

        Raises:
            DeployError: it could not be made.
        """
        self._decide(wanted=True)
        self._thread.join()
        if self._kept is None:
            raise self._error or AssertionError("it was removed")
        return self._kept

    def remove(self) -> None:
        """Let it be removed, unless it was kept."""
        self._decide(wanted=False)

    def _decide(self, *, wanted: bool) -> None:
        if not self._decided.is_set():
            self._wanted = wanted
            self._decided.set()

    def _run(self) -> None:
        try:
            with self._making as found:
                self._decided.wait()
                if self._wanted:
                    self._kept = backup.keep(found, self._folder)
        except BaseException as error:  # raised again where it is waited for
            self._error = error
