"""The errors a person is meant to read: what failed, why, and what to type next."""

from __future__ import annotations


class TwinError(Exception):
    """Something about the twin that a person can put right.

    Args:
        what: what failed, a sentence without the final stop.
        why: the reason, as evidence; never a secret.
        remedy: the next command to type, or the thing to change.
    """

    def __init__(self, what: str, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why, remedy)
        self.what, self.why, self.remedy = what, why, remedy

    def render(self) -> str:
        """Return the message as printed: what, why, remedy, a line each."""
        lines = [f"✗ {self.what}"]
        lines += [f"  why:  {self.why}"] if self.why else []
        lines += [f"  next: {self.remedy}"] if self.remedy else []
        return "\n".join(lines)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.what, self.why) if part)


class Refused(TwinError):
    """What was asked cannot be done as asked; nothing was changed."""


class Unavailable(TwinError):
    """A part of the twin is missing, did not start, or did not answer."""


class Locked(TwinError):
    """Another command is at work on the same twin; this one changed nothing."""
