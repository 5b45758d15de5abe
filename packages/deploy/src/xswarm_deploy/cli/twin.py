"""The twin's errors, as the tool's own: with its exit codes, and its commands as remedies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from xswarm_deploy.errors import DeployError, Locked, Refused, Unavailable
from xswarm_twin import errors

_KINDS: Final[dict[type[errors.TwinError], type[DeployError]]] = {
    errors.Refused: Refused,
    errors.Unavailable: Unavailable,
    errors.Locked: Locked,
}


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise what the twin raises as an error that a task ends with; also a decorator."""
    try:
        yield
    except errors.TwinError as error:
        remedy = error.remedy.replace("xswarm-twin ", "inv sandbox.")
        raise _KINDS[type(error)](error.what, error.why, remedy) from error
