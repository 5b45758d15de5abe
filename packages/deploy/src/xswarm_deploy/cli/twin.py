"""The twin, as tasks use it: an extra that need not be installed, with errors of its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from xswarm_deploy.errors import DeployError, Locked, Refused, Unavailable


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the twin's errors as errors that a task ends with; also usable as a decorator.

    Raises:
        Unavailable: the extra ``twin`` is not installed.
    """
    try:
        errors = importlib.import_module("xswarm_twin.errors")
    except ModuleNotFoundError:
        raise Unavailable(
            "the local twin is not installed", "", "pip install 'xswarm-deploy[twin]'"
        ) from None
    kinds: dict[type[Exception], type[DeployError]] = {
        errors.Refused: Refused,
        errors.Unavailable: Unavailable,
        errors.Locked: Locked,
    }
    try:
        yield
    except errors.TwinError as error:
        remedy = error.remedy.replace("xswarm-twin ", "inv sandbox.")
        raise kinds[type(error)](error.what, error.why, remedy) from error
