"""The Pages projects that are served: which deployment is at which host."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from xswarm_twin.edge.assets import Site, pages_site
from xswarm_twin.edge.routing import branch_alias
from xswarm_twin.model import PagesDeployment, PagesRoutes, WorkerVersion

_SHORT = 8


class Page(NamedTuple):
    """What is at a host: static files, and the Functions that some paths invoke."""

    site: Site
    functions: WorkerVersion | None
    routes: PagesRoutes

    def invokes(self, path: str) -> bool:
        """Return whether a path invokes the Functions; what is excluded does not."""
        excluded = any(_rule(one).fullmatch(path) for one in self.routes.exclude)
        return not excluded and any(_rule(one).fullmatch(path) for one in self.routes.include)


class Pages:
    """Know the sites of each project: production, each deployment, each branch's latest."""

    def __init__(self) -> None:
        self._production: dict[str, Page] = {}
        self._parts: dict[str, dict[str, Page]] = {}

    def projects(self) -> Collection[str]:
        """Return the names of the projects."""
        return self._parts.keys()

    def publish(self, deployment: PagesDeployment, *, production: bool) -> None:
        """Serve a deployment at its hosts."""
        parts = self._parts.setdefault(deployment.project, {})
        own = _page(deployment, production=False)
        parts[deployment.id[:_SHORT]] = parts[branch_alias(deployment.branch)] = own
        if production:
            self._production[deployment.project] = _page(deployment, production=True)

    def unpublish(self, project: str) -> None:
        """Serve a project no longer."""
        self._production.pop(project, None)
        self._parts.pop(project, None)

    def find(self, project: str, part: str | None) -> Page | None:
        """Return what is at a project's host, or at that of a deployment or branch of it."""
        if part is None:
            return self._production.get(project)
        return self._parts.get(project, {}).get(part)


def _page(deployment: PagesDeployment, *, production: bool) -> Page:
    site = pages_site(deployment, production=production)
    return Page(site, deployment.functions, deployment.routes)


@lru_cache(maxsize=1024)
def _rule(rule: str) -> re.Pattern[str]:
    """Return a rule of ``_routes.json`` as it is matched: wrangler's ``isRoutingRuleMatch``."""
    if rule in ("/", "/*") or (rule.endswith("*") and not rule.endswith("/*")):
        spelled = rule
    elif rule.endswith("/*"):
        return re.compile(f"{_escaped(rule[:-2])}(/.*)?", re.DOTALL)
    else:
        return re.compile(f"{_escaped(rule.removesuffix('/'))}/?", re.DOTALL)
    return re.compile(_escaped(spelled), re.DOTALL)


def _escaped(rule: str) -> str:
    return ".*".join(re.escape(part) for part in rule.split("*"))
