"""What the steps act upon: one environment, and the state of the release that acts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xswarm_deploy.environment import Environment
from xswarm_deploy.model.state import ReleaseState

if TYPE_CHECKING:
    from concurrent.futures import Future

    from xswarm_deploy.bundling.bundle import Bundle
    from xswarm_deploy.console import Progress
    from xswarm_deploy.model.record import Record
    from xswarm_deploy.secret import Secret


@dataclass(frozen=True)
class Site(Environment):
    """An environment as one release sees it.

    Args:
        state: of the release that acts, which alone changes it; or of one that is planned.
    """

    state: ReleaseState = field(default_factory=ReleaseState)

    def holding(self, state: ReleaseState) -> Site:
        """Return the same environment, clients and all, as another release sees it."""
        made = copy.copy(self)
        object.__setattr__(made, "state", state)
        return made

    @property
    def database_url(self) -> str:
        """Return where the database is; for a binding of wrangler's file, D1's id of it."""
        url = super().database_url
        if not url.startswith("d1:"):
            return url
        from xswarm_deploy.bundling import d1

        return f"d1:{d1.database_of(self.settings, url.removeprefix('d1:'))}"

    @property
    def facts(self) -> dict[str, Any]:
        """Return the facts of the release."""
        return self.state.facts

    @property
    def staged(self) -> dict[str, Secret]:
        """Return the secrets that exist only in memory."""
        return self.state.staged

    @property
    def progress(self) -> Progress:
        """Return what is told how far a long step is."""
        return self.state.progress

    @property
    def history(self) -> Callable[[], Sequence[Record]]:
        """Return what gives the earlier releases, newest first."""
        return self.state.history

    @property
    def uploads(self) -> bool:
        """Return whether the release uploads a Worker version, which carries the secrets."""
        return self.state.uploads

    @cached_property
    def bundling(self) -> Future[Bundle]:
        """Bundle the Worker in the background, once; started by whoever asks first."""
        from xswarm_deploy.background import started
        from xswarm_deploy.bundling.bundle import bundle

        return started(lambda: bundle(self.settings), "bundle")
