"""The twin's folder: where everything lies.

It imports nothing heavy: the supervisor and every part import it when they start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = ".sandbox"


@dataclass(frozen=True)
class Folder:
    """Name the files of one twin.

    Args:
        path: the folder itself, absolute.
    """

    path: Path

    @property
    def state(self) -> Path:
        """What runs: written by the supervisor only while it runs."""
        return self.path / "state.json"

    @property
    def endpoints(self) -> Path:
        """Addresses and keys for the local environment, dotenv."""
        return self.path / "endpoints.env"

    @property
    def credentials(self) -> Path:
        """The keys of this twin's services, made once."""
        return self.path / "credentials.json"

    @property
    def providers(self) -> Path:
        """What the provider stand-ins keep."""
        return self.path / "providers"

    @property
    def database(self) -> Path:
        """What sqld keeps."""
        return self.path / "sqld"

    @property
    def logs(self) -> Path:
        """The processes' logs."""
        return self.path / "logs"

    @property
    def calls(self) -> Path:
        """The log of calls to the Cloudflare API."""
        return self.path / "calls.jsonl"

    @property
    def lock(self) -> Path:
        """The lock of whoever starts, ends or deletes the twin."""
        return self.path / "lock"

    def log(self, process: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{process}.log"


def of(root: Path) -> Folder:
    """Return the folder of a project's twin."""
    return Folder(root.resolve() / NAME)
