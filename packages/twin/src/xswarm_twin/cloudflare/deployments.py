"""Deployments of a Worker: which versions serve, each with its percentage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals, strictness, versions
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import (
    AccountSubdomain,
    Deployment,
    Record,
    Version,
    Worker,
    WorkerDomain,
    WorkerRoute,
)
from xswarm_twin.cloudflare.twin import Twin, new_id, source_of, twin_of
from xswarm_twin.model import ScriptInvalid

LISTED = 10
"""How many deployments Cloudflare lists."""

routes = web.RouteTableDef()
_AT = "/accounts/{account}/workers/scripts/{worker}/deployments"


@dataclass(frozen=True)
class DeploymentRequest:
    """A deployment that is asked for: percentages by version id, from where, with what words."""

    shares: Mapping[str, float]
    source: str
    annotations: Mapping[str, str] = field(default_factory=dict)


@routes.get(_AT)
async def index(request: web.Request) -> web.Response:
    """List the last deployments, the newest (the one that serves) first."""
    worker = versions.find_worker(request)
    listed = twin_of(request).store.newest(Deployment, worker.name, LISTED)
    return success({"deployments": [_told(deployment) for deployment in listed]})


@routes.get(_AT + "/{deployment}")
async def show(request: web.Request) -> web.Response:
    """Return one deployment."""
    worker, wanted = versions.find_worker(request), request.match_info["deployment"]
    found = twin_of(request).store.find(Deployment, wanted, worker.name)
    if found is None:
        raise refusals.deployment_not_found(wanted)
    return success(_told(found))


@routes.post(_AT)
async def create(request: web.Request) -> web.Response:
    """Serve a Worker by other versions; when the reply comes, the edge does."""
    twin, worker = twin_of(request), versions.find_worker(request)
    body = await bodies.json_object(request)
    strictness.require_known(body, ("strategy", "versions", "annotations", "code_update_strategy"))
    annotations = bodies.annotations_of(body)
    strictness.require_annotations(annotations)
    wish = DeploymentRequest(
        _shares(body),
        source_of(request),
        {"workers/triggered_by": "deployment"} | strictness.cut(annotations),
    )
    async with twin.lock(worker.name):
        wanted = [_deployable(twin, worker.name, version) for version in wish.shares]
        if request.query.get("force") != "true":
            _require_same_secrets(twin, worker.name, wanted)
        deployment = await deploy(twin, worker, wish)
    return success(_told(deployment))


async def deploy(twin: Twin, worker: Worker, wish: DeploymentRequest, *new: Version) -> Deployment:
    """Let the edge serve, then store; the caller holds the Worker's lock.

    Args:
        twin: the parts.
        worker: the Worker as it is to be stored.
        wish: what is to serve.
        new: versions that are stored only together with the deployment.

    Raises:
        Refusal: a version does not start; the edge serves as before.
    """
    created = twin.clock.now()
    shares = [
        {"version_id": version, "percentage": percentage}
        for version, percentage in wish.shares.items()
    ]
    deployment = Deployment(
        new_id(), worker.name, created, wish.source, shares, dict(wish.annotations)
    )
    made = {version.id: version for version in new}
    await _serve(twin, worker, deployment, made)
    records: list[Record] = [*new, deployment, replace(worker, modified_on=created)]
    try:
        twin.store.save(*records)
    except BaseException:
        await restore(twin, worker.name)
        raise
    return deployment


async def restore(twin: Twin, name: str) -> None:
    """Let the edge serve what is stored of a Worker; raises Refusal when it does not start."""
    worker, deployment = twin.store.find(Worker, name), twin.store.last(Deployment, name)
    if worker is None or deployment is None:
        await twin.edge.remove(name)
    else:
        await _serve(twin, worker, deployment, {})


def account_subdomain(twin: Twin) -> str:
    """Return the account's name under workers.dev; empty: it has none."""
    return next(iter(twin.store.all(AccountSubdomain)), AccountSubdomain()).name


def deployed_alone(twin: Twin, worker: str, version: Version) -> bool:
    """Return whether a version serves all of a Worker's traffic."""
    deployment = twin.store.last(Deployment, worker)
    return deployment is not None and deployment.shares.get(version.id) == 100


async def _serve(
    twin: Twin, worker: Worker, deployment: Deployment, made: Mapping[str, Version]
) -> None:
    split = {}
    for version, percentage in deployment.shares.items():
        found = made.get(version) or versions.find_version(twin, worker.name, version)
        split[versions.served(twin, found)] = percentage
    named = bool(account_subdomain(twin))
    enabled = (named and worker.enabled) or _has_address(twin, worker.name)
    previews = named and worker.previews_enabled
    try:
        await twin.edge.deploy(worker.name, split, enabled=enabled, previews=previews)
    except ScriptInvalid as error:
        raise refusals.script_invalid(str(error)) from error


def _has_address(twin: Twin, worker: str) -> bool:
    """Return whether a route or a custom domain leads to a Worker."""
    routed = any(route.script == worker for route in twin.store.all(WorkerRoute))
    return routed or any(one.service == worker for one in twin.store.all(WorkerDomain))


def _shares(body: Mapping[str, Any]) -> dict[str, float]:
    """Read the split: one or two different versions, together 100 percent."""
    if bodies.required(body, "strategy", str) != "percentage":
        raise refusals.deployment_invalid("the only strategy is percentage")
    given = bodies.required(body, "versions", list)
    if not 1 <= len(given) <= 2:
        raise refusals.deployment_invalid("a deployment has one or two versions")
    shares = {}
    for entry in given:
        share = bodies.checked(entry, dict, "an entry of versions")
        strictness.require_known(share, ("version_id", "percentage"))
        shares[bodies.required(share, "version_id", str)] = _percentage(share.get("percentage"))
    if len(shares) < len(given):
        raise refusals.deployment_invalid("a version is named twice")
    if abs(sum(shares.values()) - 100) > 1e-6:
        raise refusals.deployment_invalid("the percentages do not add up to 100")
    return shares


def _percentage(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise refusals.deployment_invalid("a percentage is a number from 0 to 100")
    return value


def _deployable(twin: Twin, worker: str, version: str) -> Version:
    found = versions.find_version(twin, worker, version)
    if found.number <= versions.latest_of(twin, worker).number - versions.DEPLOYABLE:
        raise refusals.deployment_invalid(
            f"only the last {versions.DEPLOYABLE} versions can be deployed"
        )
    return found


def _require_same_secrets(twin: Twin, worker: str, wanted: list[Version]) -> None:
    """Refuse to go back to a version whose secrets are not those that serve now.

    A version that serves already (the end of a gradual deployment), or one that is newer than
    all that serve, is no going back.
    """
    deployment = twin.store.last(Deployment, worker)
    if deployment is None:
        return
    serving = [versions.find_version(twin, worker, version) for version in deployment.shares]
    newest = max(serving, key=lambda version: version.number)
    for version in wanted:
        if version.number < newest.number and version.id not in deployment.shares:
            changed = _changed_secrets(version, newest)
            if changed:
                raise refusals.secrets_changed(", ".join(changed))


def _changed_secrets(one: Version, other: Version) -> list[str]:
    names = sorted(one.secrets.keys() | other.secrets.keys())
    return [name for name in names if one.secrets.get(name) != other.secrets.get(name)]


def _told(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "created_on": deployment.created_on,
        "source": deployment.source,
        "strategy": "percentage",
        "author_email": "sandbox@localhost",
        "annotations": deployment.annotations,
        "versions": deployment.versions,
    }
