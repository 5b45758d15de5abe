"""Which of a Worker's routes verification asks: the router's own list against invoke.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from xswarm_deploy.services.monitor import Monitor
from xswarm_deploy.settings.project import Project

Named = tuple[str, str]
"""A method and the template of a path."""

_PARAMETER: Final = re.compile(r"\{[^{}/]*\}|:\w+(?:\{[^{}]*\})?\??|<[^<>/]*>|\*+")
"""One variable part, as FastAPI, Hono, Express, Flask and the masked labels write it."""
_OURS: Final = ("/health*", "/api/metrics*", "/status")
"""What the monitor itself answers, or asks the application for."""


class Listed(NamedTuple):
    """The routes of a live Worker, and who tells them."""

    routes: Sequence[Named]
    by: str


def told(monitor: Monitor) -> Listed | None:
    """Return the routes that the live Worker itself tells; None: it tells none.

    Args:
        monitor: asks the Worker.

    Raises:
        ServiceError: it does not answer.
    """
    routes = monitor.routes()
    if routes:
        return Listed(routes, "the router's routes")
    described = monitor.described()
    return None if described is None else Listed(described, "the paths of /openapi.json")


def missing(routes: Iterable[Named], project: Project) -> list[Named]:
    """Return the routes that nobody asks, and that are not said to need nobody.

    Args:
        routes: of the Worker.
        project: says what is asked.
    """
    asked = list(asks(project))
    return [
        (method, path)
        for method, path in routes
        if not any(_fits(method, path, *ask) for ask in asked)
        and not _left_out(method, path, project.verify.not_asked)
    ]


def asks(project: Project) -> Iterator[Named]:
    """Yield method and path of all that a verification and the tests of webhooks ask."""
    verify, hooks = project.verify, project.webhooks
    yield from ((route.method, route.path) for route in verify.routes if not route.site)
    own = (verify.version_path, verify.headers_path, verify.cors_path, verify.limit_path)
    yield from (("GET", path) for path in (*own, verify.performance_path) if path)
    accounts = verify.authentication
    yield from (("POST", path) for path in (accounts.signup_path, accounts.login_path) if path)
    if accounts.account_path:
        yield from ((method, accounts.account_path) for method in ("GET", "DELETE"))
    delivered = (hooks.stripe_path, hooks.voice_path, hooks.sms_path, hooks.status_path)
    yield from (("POST", path) for path in (*delivered, hooks.email_path) if path)


def pattern(template: str) -> re.Pattern[str]:
    """Return what fits the paths of a template; a variable part is one segment, ``*`` any text.

    Args:
        template: such as ``/api/teams/{id}``, ``/api/teams/:id`` or ``/files/*``.
    """
    parts, end = [], 0
    for found in _PARAMETER.finditer(template):
        parts.append(re.escape(template[end : found.start()]))
        anything = found[0].startswith("*") or ":path" in found[0]
        parts.append(".*" if anything else "[^/]+")
        end = found.end()
    return re.compile("".join(parts) + re.escape(template[end:]) + "/?")


def has_parameters(template: str) -> bool:
    """Return whether a path has a part that varies."""
    return bool(_PARAMETER.search(template))


def _fits(method: str, template: str, asked: str, path: str) -> bool:
    same = asked == method or (asked, method) == ("HEAD", "GET") or method in ("*", "ALL")
    return same and bool(pattern(template).fullmatch(path.partition("?")[0]))


def _left_out(method: str, path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, one) for one in _OURS) or any(
        fnmatchcase(path, one) or fnmatchcase(f"{method} {path}", one) for one in patterns
    )
