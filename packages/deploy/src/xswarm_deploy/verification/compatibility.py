"""Whether the live version works on a schema that just became another one.

Between the migrations and the move of the traffic the code of before serves the schema of after.
So the live version is asked before, once all was checked, and right after: what worked and works
no more ends the release, and the schema goes back before anything else happens. What did not work
before says nothing of the schema.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from xswarm_deploy.errors import StepFailed
from xswarm_deploy.model.report import NO_ANSWER
from xswarm_deploy.model.split import met
from xswarm_deploy.site import Site

FRESH: Final = 60.0  # seconds for which an answer tells how the version answers now


@dataclass(frozen=True)
class Looked:
    """How a version answered.

    Args:
        version: which; empty: several share the traffic.
        failing: what it answered wrongly: a finding's name → its evidence.
        at: when it was asked, on the monotonic clock.
    """

    version: str
    failing: Mapping[str, str]
    at: float

    @property
    def fresh(self) -> bool:
        """Return whether that was moments ago."""
        return time.monotonic() - self.at <= FRESH


@contextmanager
def held(site: Site, before: Looked | None = None) -> Iterator[None]:
    """Ask the live version before and after what is done inside; nothing where none is live.

    Args:
        site: the environment.
        before: from :func:`looked`; one that is not fresh any more is asked for anew.

    Raises:
        StepFailed: something that it answered well before, it does not any more.
    """
    if before is None or not before.fresh:
        before = looked(site)
    yield
    if before is None:
        return
    after = _asked(site, before.version).failing
    broken = {name: why for name, why in after.items() if name not in before.failing}
    if broken:
        raise _failed(broken)


def _failed(broken: Mapping[str, str]) -> StepFailed:
    why = "; ".join(f"{name}: {told}" for name, told in broken.items())
    if all(told.startswith(NO_ANSWER) for told in broken.values()):
        return StepFailed(
            "the live version was asked in vain whether it works on the new schema",
            why,
            "look at the network and the Worker (inv verify), then deploy again",
        )
    return StepFailed(
        "the live version does not work on the new schema",
        why,
        "add first, deploy, and remove with a later release; or, where users may meet errors"
        " until the new version is live, mark the file `-- compatible: no`",
    )


def looked(site: Site) -> Looked | None:
    """Return how the live version answers; None: none is live.

    Args:
        site: the environment.
    """
    deployments = site.cloudflare.deployments(site.worker)
    split = met(deployments[0].split) if deployments else {}
    if not split:
        return None
    return _asked(site, next(iter(split)) if len(split) == 1 else "")


def _asked(site: Site, version: str) -> Looked:
    from xswarm_deploy.verification import verify  # where nothing is live, nothing is verified

    at = time.monotonic()
    report = verify.run(site, verify.live(site, version), quick=True, reading=True)
    return Looked(version, {finding.name: finding.evidence for finding in report.failures}, at)
