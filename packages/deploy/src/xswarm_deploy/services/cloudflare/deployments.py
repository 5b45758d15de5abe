"""Deployments of a Worker: which versions get how much of its traffic."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from xswarm_deploy.services.cloudflare.client import (
    NO_VERSIONS,
    WORKER_MISSING,
    Client,
    Identified,
)
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.multipart import annotated
from xswarm_deploy.services.read_ahead import ReadAhead
from xswarm_deploy.services.settle import settled, unless_missing
from xswarm_deploy.services.shape import Wire


class _Share(Wire):
    version_id: str
    percentage: float


class _Deployment(Wire):
    id: str
    created_on: str = ""
    versions: tuple[_Share, ...] = ()
    annotations: dict[str, str] | None = None


class _Deployments(Wire):
    deployments: tuple[_Deployment, ...] = ()


class Deployment(NamedTuple):
    """Which versions of a Worker get how much of the traffic, since when."""

    id: str
    created_on: str
    split: Mapping[str, float]
    annotations: Mapping[str, str] = MappingProxyType({})

    @property
    def message(self) -> str:
        """Return the words it was deployed with."""
        return self.annotations.get("workers/message", "")


class Deployments(Client):
    """Read and move the traffic."""

    def __init__(self, http: Http, account_id: str) -> None:
        super().__init__(http, account_id)
        self._ahead: ReadAhead[Deployment | None] = ReadAhead()

    def look_ahead(self, name: str) -> None:
        """Begin to look at the newest deployment, right before the traffic moves."""
        self._ahead.begin(lambda: self._newest(name))

    def newest(self, name: str) -> Deployment | None:
        """Return the newest deployment; None: there is none.

        One that :meth:`look_ahead` has looked for within seconds is returned once; it is looked
        for again where that failed.
        """
        return self._ahead.taken(lambda: self._newest(name))

    def _newest(self, name: str) -> Deployment | None:
        return next(iter(self.deployments(name)), None)

    def deployments(self, name: str) -> list[Deployment]:
        """List a Worker's deployments, newest first; empty where there is no Worker."""
        found = unless_missing(
            lambda: self._get(f"{self._script(name)}/deployments", _Deployments),
            WORKER_MISSING | {NO_VERSIONS},
        )
        listed = [_deployment(item) for item in (found.deployments if found else ())]
        return sorted(listed, key=lambda deployment: deployment.created_on, reverse=True)

    def deploy(
        self,
        name: str,
        split: Mapping[str, float],
        message: str = "",
        *,
        force: bool = False,
        known: str = "",
    ) -> str:
        """Send the traffic to versions, by percentage, and return the deployment's id.

        The call states the whole split, so a lost reply is settled by looking, and by
        saying it once more where it was not applied.

        Args:
            name: the Worker.
            split: one or two version ids with percentages that add up to 100; 0 is allowed.
            message: why; at most 1,000 bytes are kept.
            force: deploy a version although secrets changed since (error 10220).
            known: the id of the deployment that was the newest before; this call has not made it,
                however alike they are (a version may join at 0 %).
        """

        def look() -> str | None:
            newest = self._newest(name)
            if newest is None or newest.id == known or not _same_split(newest.split, split):
                return None
            return newest.id

        self._ahead.forget()
        return settled(lambda: self._post_deployment(name, split, message, force), look)

    def _post_deployment(
        self, name: str, split: Mapping[str, float], message: str, force: bool
    ) -> str:
        reply = self.http.post(
            f"{self._script(name)}/deployments",
            query={"force": "true"} if force else None,
            json={
                "strategy": "percentage",
                "versions": [
                    {"version_id": version, "percentage": percentage}
                    for version, percentage in split.items()
                ],
                "annotations": annotated(message),
            },
        )
        return unwrap(reply, Identified).id


def _deployment(item: _Deployment) -> Deployment:
    split = {share.version_id: share.percentage for share in item.versions}
    return Deployment(item.id, item.created_on, split, item.annotations or {})


def _same_split(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Compare splits; a version at 0 % may be left out of an answer."""
    return {k: float(v) for k, v in one.items() if v} == {
        k: float(v) for k, v in other.items() if v
    }
