"""The edge of the local twin: what was deployed, served on the real runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from deployment.sandbox.model import PagesDeployment, WorkerVersion
from deployment.sandbox.objects.store import Objects


class Edge:
    """Serve Workers and Pages sites on loopback ports, as Cloudflare's edge does.

    Everything runs in the event loop that calls it.

    Args:
        state: the twin's folder (``.sandbox``); logs go to ``logs/``, prepared code to ``edge/``.
        objects: the store behind R2 bindings.
        workerd: the workerd binary; by default the one of the project's ``node_modules``.
        drain: seconds that requests in flight are given when their version is replaced.
    """

    def __init__(
        self,
        state: Path,
        objects: Objects,
        *,
        workerd: Path | None = None,
        drain: float = 5.0,
    ) -> None:
        raise NotImplementedError

    async def listen(self, kind: Literal["worker", "pages"], name: str, port: int) -> int:
        """Open a port of 127.0.0.1 whose "/" is a Worker or a Pages project.

        Args:
            kind: what the name names.
            name: the Worker or project; it need not exist yet (404 until it does).
            port: the port, or 0 for a free one.

        Returns:
            the port.

        Raises:
            OSError: the port is taken.
        """
        raise NotImplementedError

    async def validate(self, version: WorkerVersion) -> int:
        """Start a version's runtime and give its start-up time in milliseconds.

        The process is kept for serving. Raises ScriptInvalid when it does not start.
        """
        raise NotImplementedError

    async def deploy(
        self,
        worker: str,
        split: Mapping[WorkerVersion, float],
        *,
        enabled: bool,
        previews: bool,
    ) -> None:
        """Serve a Worker by these versions from now on.

        All their processes run before the routes are swapped; requests in flight end on the
        versions that took them.

        Args:
            worker: the Worker's name.
            split: the percentage of each version, 0 to 100, together 100.
            enabled: whether the Worker's own host answers (its subdomain is enabled).
            previews: whether the hosts of single versions answer.

        Raises:
            ScriptInvalid: a version does not start; the routes are as before.
        """
        raise NotImplementedError

    async def remove(self, worker: str) -> None:
        """Serve a Worker no longer; all its versions are forgotten."""
        raise NotImplementedError

    async def preview(self, version: WorkerVersion) -> None:
        """Make a version known to its preview host; it is started on the first request."""
        raise NotImplementedError

    async def publish(self, deployment: PagesDeployment, *, production: bool) -> None:
        """Serve a Pages deployment at its own host; in production at the project's too."""
        raise NotImplementedError

    async def unpublish(self, project: str) -> None:
        """Serve a Pages project no longer."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop listening, and end every process."""
        raise NotImplementedError
