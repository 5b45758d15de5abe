"""What users met of both versions of a canary: the best that can be had of three sources.

1. The Worker's own metrics, where it mounts xswarm_monitoring: at once, and every answer.
2. Cloudflare's analytics, where the token may read it (Account Analytics: Read): exceptions and
   exceeded limits, of any Worker; minutes late, and sampled where there is much.
3. A tail of all requests: exceptions, limits and 5xx, and how long each took; at once, of very
   many a sample.

The first that told of enough users of both versions is judged, and named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from xswarm_deploy.model.split import Pair
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.services.http import new_session
from xswarm_deploy.services.tails import Overheard
from xswarm_deploy.verification.asker import Ask, Asker
from xswarm_deploy.verification.judge import Figures
from xswarm_deploy.verification.target import live

if TYPE_CHECKING:
    from xswarm_deploy.services.analytics import Invocations
    from xswarm_deploy.site import Site

METRICS: Final = "/api/metrics"
Both = tuple[Figures, Figures]


class Met(NamedTuple):
    """What users met of the old and of the new version, and who says so."""

    source: str
    figures: Both


@dataclass
class Users:
    """Looks at what users met, again and again.

    Args:
        site: the environment.
        pair: the versions.
        heard: the tail; None: there is none.
        began: when they began to share the traffic, seconds since 1970.
        quiet: since when nobody of ours asks; analytics cannot leave our questions out.
    """

    site: Site
    pair: Pair
    heard: Overheard | None = None
    began: float = field(default_factory=time.time)
    quiet: float = field(default_factory=time.time)
    _strata: tuple[list[list[float]], list[list[float]]] = field(default_factory=lambda: ([], []))
    _mounted: bool = True
    _readable: bool = True

    def met(self, fewest: int) -> Met | None:
        """Return what users met until now; None: nobody tells of enough of them.

        Args:
            fewest: answers of each version, below which a source tells nothing.
        """
        sources: Mapping[str, Callable[[], Both | None]] = {
            "by the Worker's metrics": self._own,
            "by Cloudflare's analytics": self._analytics,
            "by a tail": self._tail,
        }
        for name, look in sources.items():
            found = look()
            if found is not None and min(one.answers for one in found) >= fewest:
                return Met(name, found)
        return None

    def _own(self) -> Both | None:
        if not self._mounted:
            return None
        window = max(1, int(time.time() - self.began) + 1)
        old, new = (metrics(self.site, version, window) for version in self.pair)
        self._mounted = old is not None
        return (old, new) if old is not None and new is not None else None

    def _analytics(self) -> Both | None:
        if not self._readable:
            return None
        try:
            found = self.site.cloudflare.invocations(self.site.worker, self.quiet, time.time())
        except ServiceError:  # it is no reason to end a canary; there is another source
            found = None
        self._readable = found is not None
        if found is None:
            return None
        return _counted(found, self.pair.old), _counted(found, self.pair.new)

    def _tail(self) -> Both | None:
        if self.heard is None:
            return None
        both = [self.heard.version(version) for version in self.pair]
        for strata, one in zip(self._strata, both, strict=True):
            known = sum(map(len, strata))
            strata.append(one.seconds[known:])
        timed = all(any(strata) for strata in self._strata)
        old, new = (
            Figures(one.answers, one.errors, tuple(map(tuple, strata)) if timed else None)
            for one, strata in zip(both, self._strata, strict=True)
        )
        return old, new


@contextmanager
def opened(site: Site, pair: Pair) -> Iterator[Users]:
    """Begin to look; listens to a tail where the token may.

    Args:
        site: the environment.
        pair: the versions that share the traffic from now on.
    """
    with ExitStack() as stack:
        heard = None
        with suppress(ServiceError):
            heard = stack.enter_context(site.cloudflare.overhear(site.worker))
        yield Users(site, pair, heard)


def metrics(site: Site, version: str, window: int) -> Figures | None:
    """Read what the Worker measured of a version; None where it measures nothing.

    Args:
        site: the environment.
        version: whose requests.
        window: seconds back from now.
    """
    token = site.settings.secret("ADMIN_TOKEN")
    path = f"{METRICS}?format=json&window={window}s&version={version}"
    headers = {"Authorization": Secret(f"Bearer {token.reveal()}", token.name)}
    with new_session() as session:
        answer = Asker(site, live(site), session).once(Ask(path, headers=headers))
    if answer.status != 200:
        return None
    counted = answer.fields.get("requests")
    if not isinstance(counted, Mapping) or not {"total", "errors"} <= set(counted):
        return None  # another Worker's /api/metrics, of another form
    return Figures(int(counted["total"]), int(counted["errors"]))


def _counted(found: Mapping[str, Invocations], version: str) -> Figures:
    one = found.get(version)
    return Figures(one.requests, one.errors) if one else Figures(0, 0)
