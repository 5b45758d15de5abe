"""A person's own change during a release: it is seen, left as it is, and told."""

from __future__ import annotations

from xswarm_deploy.errors import StepFailed


def left(seen: object) -> str:
    """Return what undoing says of a resource that is not as the release made it any more.

    Args:
        seen: how it is now.
    """
    return f"left as somebody else has set it meanwhile ({seen})"


def stopped(resource: str, seen: object) -> StepFailed:
    """Return the error of a change that would undo what somebody else has just done.

    Args:
        resource: what was to be changed.
        seen: how it is now.
    """
    return StepFailed(
        f"{resource} was changed by somebody else during the release",
        f"it is {seen}, which is neither what it was nor what it was to become",
        "agree who releases, then repeat the command",
    )
