"""The write-ahead journal of one release: on disk before each change, fsynced."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.private import make_folder, open_file
from xswarm_deploy.secret import dumped
from xswarm_deploy.services import shape

Events = list[dict[str, Any]]
_OUTCOMES: Final = ("done", "undone", "not undone")


class _Outcome(shape.Wire):
    """What an event says that tells what became of a change."""

    number: int
    outcome: dict[str, object]


class _Word(shape.Wire):
    """What any event says; those that end a release say how, and what is to be known of it."""

    event: str
    status: str = ""
    facts: dict[str, object] = {}  # noqa: RUF012 - a shape: it is only read


class Damaged(DeployError):
    """A journal is not what was written into it."""


@dataclass(frozen=True)
class Journal:
    """Append events to ``.deployments/<release>/journal.jsonl``, each durable when written."""

    path: Path

    @classmethod
    def within(cls, folder: Path) -> Journal:
        """Return the journal of a release's folder; both are made by the first event."""
        return cls(folder / "journal.jsonl")

    @classmethod
    def of(cls, release: str, folder: Path) -> Journal:
        """Return a release's journal.

        Args:
            release: its id, as the database has it.
            folder: of all releases.

        Raises:
            Refused: the id would lead out of the folder; this tool never gave such a one.
        """
        if not re.fullmatch(r"\w[\w.-]*", release, re.ASCII):
            what = f"the release {release!r} has an id that this tool never gave"
            why = f"its journal would lie outside of {folder.name}"
            raise Refused(what, why, "find out who wrote that row of _releases, and delete it")
        return cls.within(folder / release)

    def append(self, *events: Mapping[str, Any]) -> None:
        """Write events, all or none, and wait until the disk has them.

        Args:
            events: JSON; secrets in it are redacted.

        Raises:
            OSError: the disk does not take them.
        """
        lines = [dumped(event) + "\n" for event in events]
        make_folder(self.path.parent)
        handle = open_file(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            _write_whole(handle, "".join(lines).encode())
        except OSError as error:
            error.filename = error.filename or str(self.path)  # Python names it at its opening only
            raise
        finally:
            os.close(handle)

    def read(self) -> Events:
        """Return the events; a last line that was torn by a crash is left out.

        Raises:
            Damaged: the file holds what was never written into it.
            OSError: it cannot be read.
        """
        if not self.path.exists():
            return []
        whole, _, _torn = self.path.read_bytes().rpartition(b"\n")
        try:
            return [_event(line) for line in whole.decode().split("\n") if line]
        except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, another shape
            raise Damaged(f"the journal {self.path} is damaged", str(error)) from None

    def set_aside(self) -> Path:
        """Move a damaged file away, so that a person can look at it; return where it is."""
        aside = self.path.with_suffix(".damaged")
        with suppress(OSError):  # it stays where it is, and is left out again the next time
            self.path.replace(aside)
        return aside if aside.exists() else self.path


def last_word(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the last event that says how the release was ending; empty: none did."""
    return next((e for e in reversed(events) if e["event"] in ("end", "undoing", "failed")), {})


def _write_whole(handle: int, data: bytes) -> None:
    """Write all of it behind the last whole line, or leave the file as it was."""
    end = os.fstat(handle).st_size
    whole = _end_of_lines(handle, end)
    if whole < end:
        os.ftruncate(handle, whole)  # torn by a crash: what follows would be torn with it
    try:
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, whole)
        raise


def _end_of_lines(handle: int, end: int) -> int:
    """Return where the last whole line ends."""
    while end and _byte(handle, end - 1) != b"\n":
        end -= 1
    return end


def _byte(handle: int, place: int) -> bytes:
    os.lseek(handle, place, os.SEEK_SET)
    return os.read(handle, 1)


def _event(line: str) -> dict[str, Any]:
    """Return an event, of whose parts at least those have their shape that are relied upon."""
    event: dict[str, Any] = json.loads(line)
    word: _Word = shape.read(event, _Word)
    if word.event in _OUTCOMES:
        shape.read(event, _Outcome)
    return event
