"""The errors a person is meant to read, and the exit codes they carry."""

from __future__ import annotations

import re
from enum import IntEnum

from invoke.exceptions import Exit

from deployment.secret import redact


class ExitCode(IntEnum):
    """Say how a command ended, for scripts; documented in deployment/README.md."""

    OK = 0
    CHECK_FAILED = 1
    REFUSED = 2
    ROLLED_BACK = 3
    NOT_ROLLED_BACK = 4
    LOCKED = 5
    UNAVAILABLE = 6
    NOTHING_TO_DO = 7
    INTERRUPTED = 130


_TASK = re.compile(r"(?<![\w./-])inv (?=[a-z])")


def typed(remedy: str) -> str:
    """Give a remedy with its commands as they are typed: by the wrapper beside tasks.py."""
    return _TASK.sub("./inv ", remedy)


class DeployError(Exit):
    """Tell a person what failed, why, and what to type next.

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
        """Give the message as printed: what, why, remedy, a line each."""
        lines = [f"✗ {_indented(self.what)}"]
        if self.why:
            lines.append(f"  why:  {_indented(self.why)}")
        if self.remedy:
            lines.append(f"  next: {_indented(typed(self.remedy))}")
        return "\n".join(lines)

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
