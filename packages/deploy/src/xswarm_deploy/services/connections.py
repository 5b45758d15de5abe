"""The connections to what was deployed, kept from one round of asking to the next.

A new connection costs two or three round trips before it carries a request. A release asks its
Worker at 0 % of the traffic and once more when it is live, each time by many requests at once.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from xswarm_deploy import transport
from xswarm_deploy.requesting import requests
from xswarm_deploy.services.http import new_session

AT_ONCE: Final = 40  # connections to one host that are kept
IDLE: Final = 20.0  # seconds; what was silent for longer may have been cut off on the way


class Connections:
    """Lend a session to one round of asking after the other."""

    def __init__(self) -> None:
        self._session: requests.Session | None = None
        self._lent = 0.0
        self._lending = threading.Lock()

    def session(self) -> requests.Session:
        """Return the session, with the connections of the last round where they are fresh."""
        with self._lending:
            if self._session is None or time.monotonic() - self._lent > IDLE:
                self._session = new_session(AT_ONCE)
            self._lent = time.monotonic()
            return self._session

    def open_ahead(self, url: str, count: int) -> None:
        """Begin to open connections to a server that is about to be asked."""
        transport.open_ahead(self.session(), url, count)

    def returned(self) -> None:
        """Note that a round of asking has ended now."""
        self._lent = time.monotonic()
