"""The routes that an application's own router has, so that a release can ask all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Listed = tuple[str, str]
"""A method and the template of a path."""

_LAYERS = 50  # of middleware; an app that is its own ends there
_UNLISTED = {"HEAD", "OPTIONS"}


def listed(app: Any) -> list[Listed]:
    """Return the routes of an application as Starlette's and FastAPI's routers keep them.

    Args:
        app: has ``routes``, each with ``path`` and ``methods`` or ``routes`` of its own, or is
            middleware whose ``app`` has them; one without them has none that are known.
            Recent FastAPIs keep a router that was included as one entry.
    """
    for _ in range(_LAYERS):
        if hasattr(app, "routes"):
            break
        app = getattr(app, "app", None)
    return sorted(set(_below(getattr(app, "routes", ()), "")))


def _below(routes: Any, prefix: str) -> Iterable[Listed]:
    for route in routes if isinstance(routes, list | tuple) else ():
        included = getattr(route, "original_router", route)
        within = getattr(getattr(route, "include_context", None), "prefix", "")
        path = prefix + str(getattr(route, "path", within))
        yield from _below(getattr(included, "routes", None) or (), path)
        for method in sorted(set(getattr(route, "methods", None) or ()) - _UNLISTED):
            yield method, path
