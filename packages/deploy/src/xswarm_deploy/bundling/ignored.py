"""What lies in a Worker's folder and is no part of the Worker."""

from __future__ import annotations

from typing import Final

IGNORED: Final = (
    *("__pycache__", ".wrangler", "node_modules", "python_modules", ".venv"),
    *(".git", ".sandbox", ".deployments", ".backups"),  # of a Worker at the project's root
)
