"""What a version of the Worker is made of: code, variables, secrets; and whose it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused
from xswarm_deploy.model.split import Split
from xswarm_deploy.model.step import Facts
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.multipart import MESSAGE_BYTES
from xswarm_deploy.settings.variables import ENVIRONMENTS, LOCAL
from xswarm_deploy.site import Site
from xswarm_deploy.steps import (
    assets,
    durable_objects,
    fingerprints,
    next_cache,
    resources,
    traffic,
    triggers,
)
from xswarm_deploy.steps.unversioned import changes as unversioned

if TYPE_CHECKING:
    from xswarm_deploy.services.multipart import Upload


def tagged(environment: Environment, release: str) -> str:
    """Return the version that a release has made, asked for by its tag; empty: it made none."""
    found = (
        version.id
        for version in environment.cloudflare.versions(environment.worker)
        if version.tag == release
    )
    return next(found, "")


def prepared(site: Site, split: Split | None = None) -> Upload:
    """Return the bundle with the environment's variables and secrets, as one version.

    Secrets that only the Worker has, and variables by `keep_vars`, are taken over from the live
    version: the latest may be one that was undone, or that nobody deployed.

    Args:
        site: the environment.
        split: how the traffic goes now; None: it is asked.
    """
    bundle = site.bundling.result()
    upload = assets.attached(site, bundle.upload, bundle.files)
    if "main_module" not in upload.metadata:
        return upload  # static files alone: nothing that could read a variable
    upload = resources.bound(site, bound(site, upload))
    upload = upload.with_variables(site.settings.worker_variables())
    upload = upload.with_secrets(secrets(site), keep=False)
    kept, open_ = site.bundling.result().upload.kept, set(upload.unresolved)
    missing = _needed_secrets(site) - set(site.settings.worker_secrets())
    for live in traffic.live_split(site) if split is None else split:
        version = site.cloudflare.version(site.worker, live)
        there = {str(binding["name"]): str(binding["type"]) for binding in version.bindings}
        taken = [name for name, kind in there.items() if kind in kept or name in open_]
        upload = upload.with_inherited(taken, live)
        missing -= set(version.secret_names)
    _require_resolved(site, upload, missing)
    next_cache.fill(site, upload)
    return upload


def _needed_secrets(site: Site) -> frozenset[str]:
    """Return the secrets of the Worker's own that a version must have.

    The twin does without, as ``wrangler dev`` does: a fresh clone has no value of any.
    """
    return frozenset() if site.settings.environment == LOCAL else site.settings.own_secrets()


def _require_resolved(site: Site, upload: Upload, missing: Iterable[str]) -> None:
    """Refuse a required secret without a value, or a binding without an id.

    Args:
        site: the environment.
        upload: the version to come.
        missing: secrets of the Worker's own that have a value neither here nor there.

    Raises:
        Refused: it names them.
    """
    unresolved = list(dict.fromkeys([*upload.unresolved, *sorted(missing)]))
    if unresolved:
        named = ", ".join(unresolved)
        raise Refused(
            f"{named} of {site.worker} would have no value",
            "it is asked for (secrets.required, deploy.worker.secrets, a binding without its id),"
            " and no version that is live has it",
            "a secret: name it under deploy.worker.secrets and put its value into the environment"
            " file; a resource: write its id or name into the configuration",
        )


def bound(environment: Environment, upload: Upload) -> Upload:
    """Bind the Worker to the environment's own bucket."""
    r2 = environment.settings.project.r2
    return upload.with_bucket(r2.replaces, r2.bucket) if r2.replaces else upload


def secrets(site: Site) -> dict[str, Secret]:
    """Return all secrets of the next version: the environment's, and those just minted."""
    return {**site.settings.worker_secrets(), **site.staged}


def require_own(site: Site, version: str) -> None:
    """Refuse to replace another environment's Worker, such as production's by staging's.

    Raises:
        Refused: the live version says that it is another environment's.
    """
    ours, theirs = site.settings.environment, _environment_of(site, version)
    if theirs not in ("", ours):
        raise Refused(
            f"worker {site.worker} is the one of {theirs}",
            f"{ours} would replace it",
            f"name another in invoke.yaml: deploy.environments.{ours}.worker.name",
        )


def _environment_of(site: Site, version: str) -> str:
    """Return which environment made a version: its message ends with it; empty: unknown.

    Releases before this one gave each Worker the variable ENVIRONMENT instead.
    """
    found = site.cloudflare.version(site.worker, version)
    for name in ENVIRONMENTS:
        if found.annotations.get("workers/message", "").endswith(_mark(name)):
            return name
    own = {binding["name"] for binding in site.bundling.result().upload.bindings}
    texts = {str(b.get("name")): str(b.get("text", "")) for b in found.bindings}
    theirs = texts.get("ENVIRONMENT", "")
    return theirs if theirs in ENVIRONMENTS and "ENVIRONMENT" not in own else ""


def _mark(environment: str) -> str:
    return f" [{environment}]"


def message(site: Site) -> str:
    """Return a person's words for the release, and at their end whose it is."""
    mark = _mark(site.settings.environment)
    kept = traffic.message(site).encode()[: MESSAGE_BYTES - len(mark)]
    return kept.decode(errors="ignore") + mark


def facts(site: Site, version: str, digest: str, objects: Mapping[str, str] | None = None) -> Facts:
    """Return what a release records of the version that it made.

    Args:
        site: the environment.
        version: its id.
        digest: of its bundle.
        objects: what :func:`durable_objects.recorded` returned; None: it is asked.
    """
    return {
        "version": version,
        "digest": digest,
        "variables": variables_digest(site),
        "secrets": fingerprints.of(secrets(site), site.settings),
        "crons": triggers.described(site.settings),
        "unversioned": unversioned.described(site.settings),
        "objects": durable_objects.recorded(site) if objects is None else dict(objects),
    }


def variables_digest(environment: Environment) -> str:
    """Return a digest of the Worker's plain variables."""
    text = json.dumps(environment.settings.worker_variables(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
