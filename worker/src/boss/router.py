"""Which handler answers which method and path."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boss.problem import Problem, not_found

if TYPE_CHECKING:
    from boss.context import Context
    from boss.response import Response

    Handler = Callable[[Context], Awaitable[Response]]


@dataclass(frozen=True)
class Route:
    """Bind a method and a path to a handler.

    Args:
        method: the HTTP method.
        template: the path; ``{name}`` stands for one segment.
        handler: what answers.
        limited: whether the caller's rate limit counts here. Webhooks are not limited: a
            provider calls from few addresses, and its signature is the guard.
    """

    method: str
    template: str
    handler: Handler
    limited: bool = True


@dataclass(frozen=True)
class Match:
    """Name the route that answers, and what its path's parameters are."""

    route: Route
    parameters: dict[str, str]


class Router:
    """Find the route of a request.

    Args:
        routes: all routes; the first that fits answers.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(_pattern(route.template), route) for route in routes]

    def match(self, method: str, path: str) -> Match:
        """Find the route.

        Args:
            method: the request's method; HEAD is answered by GET's route.
            path: the request's path.

        Raises:
            Problem: no route has this path (404), or none has it with this method (405).
        """
        found = [(match, route) for pattern, route in self._routes if (match := pattern(path))]
        wanted = "GET" if method == "HEAD" else method
        for match, route in found:
            if route.method == wanted:
                return Match(route, match.groupdict())
        raise self._unmatched({route.method for _, route in found})

    def template(self, path: str) -> str:
        """Return the template of a path, whatever the method; empty when no route has it."""
        return next((route.template for pattern, route in self._routes if pattern(path)), "")

    @staticmethod
    def _unmatched(allowed: set[str]) -> Problem:
        if not allowed:
            return not_found()
        if "GET" in allowed:
            allowed.add("HEAD")
        names = ", ".join(sorted({*allowed, "OPTIONS"}))
        message = f"This path answers {names}."
        return Problem(405, "method_not_allowed", message, headers={"allow": names})


def _pattern(template: str) -> Callable[[str], re.Match[str] | None]:
    literal = re.split(r"\{(\w+)\}", template)
    parts = [
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(literal)
    ]
    return re.compile("".join(parts)).fullmatch
