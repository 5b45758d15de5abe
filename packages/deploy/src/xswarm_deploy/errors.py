"""The errors a person is meant to read, and the exit codes they carry."""

from __future__ import annotations

import errno
import re
import sys
from enum import IntEnum
from pathlib import Path
from typing import Final

from xswarm_deploy.invoking import Exit
from xswarm_deploy.output import inert
from xswarm_deploy.secret import redact


class ExitCode(IntEnum):
    """How a command ended, for scripts; each is explained in :data:`EXIT_CODES`."""

    OK = 0
    CHECK_FAILED = 1
    REFUSED = 2
    ROLLED_BACK = 3
    NOT_ROLLED_BACK = 4
    LOCKED = 5
    UNAVAILABLE = 6
    NOTHING_TO_DO = 7
    INTERRUPTED = 130


EXIT_CODES: Final = {
    ExitCode.OK: "done",
    ExitCode.CHECK_FAILED: (
        "a check failed: DEPLOYMENT BLOCKED, or what is deployed is not good; nothing was changed"
    ),
    ExitCode.REFUSED: "refused: bad input, or not confirmed; nothing was changed",
    ExitCode.ROLLED_BACK: "failed, and everything was brought back to before",
    ExitCode.NOT_ROLLED_BACK: (
        "failed, and something could not be undone; it is named, with the command that would"
    ),
    ExitCode.LOCKED: "another release is under way; nothing was changed",
    ExitCode.UNAVAILABLE: "something needed is missing or does not answer",
    ExitCode.NOTHING_TO_DO: (
        "nothing was to be done (`--if-changed`), or to be tested (`webhooks.test`)"
    ),
    ExitCode.INTERRUPTED: "interrupted; everything was brought back to before",
}
"""What each exit code means, for the reference."""

_COMMAND = re.compile(r"(?<![\w./-])(?:\./)?inv (?P<task>[a-z][\w.-]*)")
_NAMING_ITS_OWN = ("production", "staging", "local", "deploy.prod", "deploy.staging")
_EVERYWHERE_THE_SAME = (
    *("sandbox", "tools", "test", "config.examples", "deploy.local"),
    *("init", "doctor", "update"),
)
VERSION: Final = "2.0.0"
"""Of this tool, as its package has it."""
LATER: Final = f"a later version of this tool wrote it; this is {VERSION}"
UPDATE: Final = (
    "pipx upgrade xswarm-deploy, or pip install -U xswarm-deploy (in a checkout of the tool: git"
    " pull), then repeat the command"
)
"""The remedy where a later version of this tool wrote what is to be read."""
OWN_NAME: Final = "xswarm"
"""The program that the wheel installs."""
_INSTALLED: Final = (OWN_NAME, "inv", "invoke")
"""Programs on PATH that run the tasks; a checkout of the tool has its wrapper, ./inv."""
_acting_on = ""


def act_on(environment: str) -> None:
    """Let the commands of all remedies name the environment that is acted on; empty: none."""
    global _acting_on
    _acting_on = environment


def typed_program() -> str:
    """Return the program that was typed: ``./inv``, ``xswarm``, or Invoke's own."""
    name = Path(sys.argv[0]).stem
    return name if name in _INSTALLED else "./inv"


def typed(remedy: str) -> str:
    """Return a remedy with its commands as they are typed: the program, and the environment.

    ``inv rollback`` becomes ``./inv production rollback`` while production is acted on.
    """
    return _COMMAND.sub(lambda found: f"{typed_program()} {_environment_of(found['task'])}", remedy)


def _environment_of(task: str) -> str:
    """Return a task's name behind the environment it is to act on."""
    without = (*_NAMING_ITS_OWN, *_EVERYWHERE_THE_SAME)
    named = not _acting_on or task in without or task.partition(".")[0] in _EVERYWHERE_THE_SAME
    return task if named else f"{_acting_on} {task}"


class DeployError(Exit):
    """An error with what failed, why, and what to type next.

    A subclass of Invoke's ``Exit``, so that any task ends with the message and
    the exit code, and without a traceback. Invoke prints it itself, so all of it is redacted
    here, where it is made.

    Args:
        what: what failed, a sentence without the final stop.
        why: the reason, as evidence (a status, a name, a value that is no secret).
        remedy: the next command to type, or the thing to change.
    """

    exit_code: ExitCode = ExitCode.REFUSED

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        self.what, self.why, self.remedy = redact(what), redact(why), redact(remedy)
        super().__init__(self.render(), int(self.exit_code))
        self.args = (self.what, self.why, self.remedy)

    def render(self) -> str:
        """Return the message as printed: what, why, remedy, a line each."""
        lines = [f"✗ {_indented(self.what)}"]
        if self.why:
            lines.append(f"  why:  {_indented(self.why)}")
        if self.remedy:
            lines.append(f"  next: {_indented(typed(self.remedy))}")
        return inert("\n".join(lines))

    def __str__(self) -> str:
        return ": ".join(part for part in (self.what, self.why) if part)


def _indented(text: str) -> str:
    """Indent what follows the first line, so that no text of another's looks like a new one."""
    return text.replace("\n", "\n        ")


class Refused(DeployError):
    """Bad input or a missing confirmation; nothing was changed."""

    exit_code = ExitCode.REFUSED


class CheckFailed(DeployError):
    """A gate said no: DEPLOYMENT BLOCKED; nothing was changed."""

    exit_code = ExitCode.CHECK_FAILED


class Unavailable(DeployError):
    """Something that is needed did not answer, or a needed part is missing."""

    exit_code = ExitCode.UNAVAILABLE


class StepFailed(DeployError):
    """A step of a release failed; the release undoes what it did."""

    exit_code = ExitCode.ROLLED_BACK


class MovedForGood(StepFailed):
    """Traffic cannot go back to the version that had it; the next release goes on from here."""


class NotRolledBack(DeployError):
    """A release failed and something could not be undone; it is named."""

    exit_code = ExitCode.NOT_ROLLED_BACK


class Locked(DeployError):
    """Another release holds the lock; this one changed nothing."""

    exit_code = ExitCode.LOCKED


class Interrupted(DeployError):
    """A person or the system stopped the release; what it had done was undone."""

    exit_code = ExitCode.INTERRUPTED


_OF_THE_DISK: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EIO", "EFBIG"),
        *("ENOTDIR", "EEXIST", "EISDIR", "ELOOP", "ENAMETOOLONG"),  # a file where a folder is meant
    )
)
_UNNAMED: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
"""What a write says of an open file, whose name Python does not know then."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_ERRNO: Final = re.compile(r"\[Errno (\d+)\] ([^:]+)")
_OF_SQLITE: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")
_MANY_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})
_NO_THREAD: Final = "can't start new thread"  # CPython's words, of a RuntimeError


def disk_refusal(error: BaseException) -> Refused | None:
    """Return the error of what this machine does not let us use; None: it is another.

    Mostly it is a file; or there are too many files, too many threads, or too little memory.

    Args:
        error: as Python raised it, e.g. in a checkout that cannot be written; SQLite's, too.
    """
    if str(getattr(error, "sqlite_errorname", "")).startswith(_OF_SQLITE):
        full = error.sqlite_errorname == "SQLITE_FULL"  # type: ignore[attr-defined]
        return _refusal("", str(error), full=full)
    if limited := _of_limits(error):
        return limited
    if not isinstance(error, OSError):
        return None
    number, why, name = _of_copying(error) or (error.errno, error.strerror, error.filename)
    if number not in _OF_THE_DISK or not (name or number in _UNNAMED):
        return None
    return _refusal(str(name or ""), why or "", full=number in _FULL)


def _of_limits(error: BaseException) -> Refused | None:
    """Return the error of a limit that this process has reached; None: it is another."""
    if isinstance(error, OSError) and error.errno in _MANY_FILES:
        remedy = "ulimit -n 4096, then repeat the command"
        return Refused("no more files can be opened", error.strerror or "", remedy)
    no_thread = isinstance(error, RuntimeError) and _NO_THREAD in str(error)
    if not (no_thread or isinstance(error, MemoryError)):
        return None
    remedy = "raise the limit (ulimit -u; of a container: pids, memory), then repeat the command"
    what = "this machine gives no more threads or memory"
    return Refused(what, str(error) or "out of memory", remedy)


def _of_copying(error: OSError) -> tuple[int, str, str] | None:
    """Return the number, reason and file of the first that a copied folder's error names.

    shutil.Error holds a list of (from, to, what was raised, as text).
    """
    if not (error.args and isinstance(error.args[0], list) and error.args[0]):
        return None
    _from, to, said = error.args[0][0]
    found = _ERRNO.search(str(said))
    return (int(found[1]), found[2], str(to)) if found else None


def _refusal(name: str, why: str, *, full: bool) -> Refused:
    what = f"{name or 'a file on this machine'} cannot be used"
    make_room = "make room (df -h shows where there is none)"
    return Refused(what, why, f"{make_room if full else 'correct it'}, then repeat the command")
