"""What to do when a reply was lost: look, and only then do it again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from xswarm_deploy.services.errors import ServiceError

Made = TypeVar("Made")


def settled(make: Callable[[], Made], look: Callable[[], Made | None]) -> Made:
    """Make one thing, once, although the reply may get lost.

    Args:
        make: the call; an error that is not in doubt goes through.
        look: finds what a lost call has made; None: nothing.
    """
    try:
        return make()
    except ServiceError as error:
        if not error.in_doubt:
            raise
    found = look()
    return make() if found is None else found


def unless_missing(call: Callable[[], Made], codes: Collection[str]) -> Made | None:
    """Call; return None where the service says, by its own code, that the thing is not there.

    A bare 404 goes through as an error: a proxy or a wrong address says that too.
    """
    try:
        return call()
    except ServiceError as error:
        if error.status in (400, 404) and set(codes) & set(error.codes):
            return None
        raise
