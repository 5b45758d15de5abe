"""The tasks of this repository: those that the tool ships, as in any other repository."""

from __future__ import annotations

from xswarm_deploy.tasks import ns

__all__ = ["ns"]
