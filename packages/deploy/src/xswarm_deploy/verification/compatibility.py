"""Whether the live version works on a schema that just became another one.

Between the migrations and the move of the traffic the code of before serves the schema of after.
So the live version is asked right before and right after: what worked and works no more ends the
release, and the schema goes back before anything else happens. What did not work before says
nothing of the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from xswarm_deploy.errors import StepFailed
from xswarm_deploy.model.split import met
from xswarm_deploy.site import Site


@contextmanager
def held(site: Site) -> Iterator[None]:
    """Ask the live version before and after what is done inside; nothing where none is live.

    Args:
        site: the environment.

    Raises:
        StepFailed: something that it answered well before, it does not any more.
    """
    before = failing(site)
    yield
    if before is None:
        return
    after = failing(site) or {}
    broken = {name: why for name, why in after.items() if name not in before}
    if broken:
        raise StepFailed(
            "the live version does not work on the new schema",
            "; ".join(f"{name}: {why}" for name, why in broken.items()),
            "add first, deploy, and remove with a later release; or, where users may meet errors"
            " until the new version is live, mark the file `-- compatible: no`",
        )


def failing(site: Site) -> Mapping[str, str] | None:
    """Return what the live version answers wrongly: a finding's name → its evidence.

    None where none is live.

    Args:
        site: the environment.
    """
    deployments = site.cloudflare.deployments(site.worker)
    split = met(deployments[0].split) if deployments else {}
    if not split:
        return None
    version = next(iter(split)) if len(split) == 1 else ""
    from xswarm_deploy.verification import verify  # where nothing is live, nothing is verified

    report = verify.run(site, verify.live(site, version), quick=True, reading=True)
    return {finding.name: finding.evidence for finding in report.failures}
