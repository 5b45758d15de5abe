"""What is heard and counted of a Worker: tails and analytics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from xswarm_deploy.services.cloudflare.client import (
    Client,
)
from xswarm_deploy.services.errors import Forbidden, NotFound, Unauthorised

if TYPE_CHECKING:
    from xswarm_deploy.services.analytics import Invocations
    from xswarm_deploy.services.tails import Listener, Overheard, Tail
    from xswarm_deploy.services.telemetry import Event, Query


class Observed(Client):
    """Listen to Workers, and read their figures."""

    def tail(self, name: str) -> AbstractContextManager[Tail]:
        """Listen to the requests of ours that a Worker is invoked by; see :mod:`.tails`.

        Raises:
            ServiceError: on entering, where the token may not, or nobody answers.
        """
        from xswarm_deploy.services import tails

        return tails.tail(self.http, f"{self._script(name)}/tails")

    def overhear(self, name: str) -> AbstractContextManager[Overheard]:
        """Listen to all requests that a Worker is invoked by; see :mod:`.tails`.

        Raises:
            ServiceError: on entering, where the token may not, or nobody answers.
        """
        from xswarm_deploy.services import tails

        return tails.overheard(self.http, f"{self._script(name)}/tails")

    def invocations(
        self, name: str, since: float, until: float
    ) -> Mapping[str, Invocations] | None:
        """Return what each version of a Worker did; see :mod:`.analytics`."""
        from xswarm_deploy.services import analytics

        return analytics.invocations(self.http, self.account_id, name, since, until)

    def listen(
        self, name: str, filters: Sequence[Mapping[str, object]]
    ) -> AbstractContextManager[Listener]:
        """Listen to all of a Worker's invocations that filters let through; see :mod:`.tails`.

        Raises:
            ServiceError: on entering, where the token may not, or nobody answers.
        """
        from xswarm_deploy.services import tails

        return tails.listening(self.http, f"{self._script(name)}/tails", filters)

    def logged(self, query: Query, most: int) -> Iterator[Event]:
        """Yield what Workers logged in the past, the newest first; see :mod:`.telemetry`.

        Raises:
            ServiceError: the token may not, or nobody answers.
        """
        from xswarm_deploy.services import telemetry

        return telemetry.events(self.http, self._account, query, most)

    def may_tail(self, name: str) -> bool:
        """Return whether the token may listen to a Worker, be it there yet or not."""
        try:
            self._get(f"{self._script(name)}/tails", object)
        except (Unauthorised, Forbidden):
            return False
        except NotFound:
            return True
        return True
