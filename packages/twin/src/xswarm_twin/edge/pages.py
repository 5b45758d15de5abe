"""The Pages projects that are served: which deployment is at which host."""

from __future__ import annotations

from collections.abc import Collection

from xswarm_twin.edge.assets import Site, pages_site
from xswarm_twin.edge.routing import branch_alias
from xswarm_twin.model import PagesDeployment

_SHORT = 8


class Pages:
    """Know the sites of each project: production, each deployment, each branch's latest."""

    def __init__(self) -> None:
        self._production: dict[str, Site] = {}
        self._parts: dict[str, dict[str, Site]] = {}

    def projects(self) -> Collection[str]:
        """Return the names of the projects."""
        return self._parts.keys()

    def publish(self, deployment: PagesDeployment, *, production: bool) -> None:
        """Serve a deployment at its hosts."""
        own = pages_site(deployment, production=False)
        parts = self._parts.setdefault(deployment.project, {})
        parts[deployment.id[:_SHORT]] = parts[branch_alias(deployment.branch)] = own
        if production:
            self._production[deployment.project] = pages_site(deployment, production=True)

    def unpublish(self, project: str) -> None:
        """Serve a project no longer."""
        self._production.pop(project, None)
        self._parts.pop(project, None)

    def find(self, project: str, part: str | None) -> Site | None:
        """Return the site of a project's host, or of a deployment or branch of it."""
        if part is None:
            return self._production.get(project)
        return self._parts.get(project, {}).get(part)
