"""Where a Worker answers, as far as its configuration tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from xswarm_deploy.adoption.answers import Answers
from xswarm_deploy.settings import settings

_WHOLE: Final = re.compile(r"(?:https?://)?(?P<host>[^/*]+)(?:/\*)")
NOWHERE: Final = "https://none.invalid"
"""WORKER_URL of a Worker that has no address."""


def of(answers: Answers, environment: str) -> str:
    """Return where the Worker answers: its custom domain, else under workers.dev, or nowhere.

    Args:
        answers: what the repository is released as.
        environment: production or staging.
    """
    name, _ = answers.environment(environment)
    content = answers.content(environment)
    shared = answers.shares(environment)
    routes = [] if shared else [*(content.get("routes") or ()), content.get("route")]
    domains = [r for r in routes if isinstance(r, Mapping) and r.get("custom_domain")]
    if domains:
        return f"https://{domains[0].get('pattern')}"
    whole = next((host for one in routes if (host := _whole_host(one))), "")
    if content.get("workers_dev") is not True and whole:
        return f"https://{whole}"
    if content.get("workers_dev") is False and not any(routes):
        return NOWHERE
    return f"https://{name}.your_subdomain.workers.dev"


def _whole_host(route: object) -> str:
    """Return the host of a route that takes all of its paths, such as ``api.example.com/*``."""
    pattern = route.get("pattern") if isinstance(route, Mapping) else route
    found = _WHOLE.fullmatch(str(pattern or ""))
    return found["host"] if found else ""


def is_unknown(answers: Answers, environment: str) -> bool:
    """Return whether a person has to write a part of it: the account's name under workers.dev."""
    return any(mark in of(answers, environment) for mark in settings.PLACEHOLDERS)
