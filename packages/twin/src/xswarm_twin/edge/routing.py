"""Which version answers a request: decisions only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from http_sfv.dictionary import Dictionary

from xswarm_twin.model import WorkerVersion

OVERRIDES_HEADER = "Cloudflare-Workers-Version-Overrides"
KEY_HEADER = "Cloudflare-Workers-Version-Key"

Kind = Literal["worker", "pages"]

_SHORT = 8


@dataclass(frozen=True)
class Route:
    """How a Worker is served: versions with their percentages, and which hosts answer."""

    split: Mapping[WorkerVersion, float]
    enabled: bool
    previews: bool


@dataclass(frozen=True)
class Target:
    """What a host names: a Worker or project, and of it one version or deployment, if any."""

    kind: Kind
    name: str
    part: str | None = None


def choose_version(
    route: Route, worker: str, headers: Mapping[str, str], chance: float
) -> WorkerVersion | None:
    """Choose the version that answers a request.

    Args:
        route: the current deployment.
        worker: the Worker's name.
        headers: the request's headers, by any case of their names.
        chance: a number of [0, 1), random for each request.
    """
    overridden = overrides(headers.get(OVERRIDES_HEADER, "")).get(worker)
    for version in route.split:
        if version.id == overridden:
            return version
    key = headers.get(KEY_HEADER)
    return _by_share(route.split, chance if key is None else bucket(key))


def overrides(header: str) -> dict[str, str]:
    """Read the overrides header: a version's id by the Worker's name.

    It is a dictionary of RFC 8941; one that is none is ignored wholly, as Cloudflare does.
    """
    dictionary = Dictionary()
    try:
        dictionary.parse(header.encode("latin-1", "replace"))
    except ValueError:
        return {}
    values = {name: getattr(member, "value", None) for name, member in dictionary.items()}
    return {name: text for name, text in values.items() if type(text) is str}


def bucket(key: str) -> float:
    """Return a sticky key its place in [0, 1)."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:6]) / 2**48


def target_of(
    host: str, own: Target, workers: Collection[str], projects: Collection[str]
) -> Target | None:
    """Return what a host names on a port whose own Worker or project is known.

    Loopback names are the port's own; ``<worker>.localhost`` and ``<project>.localhost`` any
    other; ``<version>-<worker>.localhost`` and ``<deployment>.<project>.localhost`` one part.
    """
    name = re.sub(r":\d+$", "", host.strip().lower()).rstrip(".")
    if not name.endswith(".localhost"):
        return own
    name = name.removesuffix(".localhost")
    if name in workers or name in projects:
        both = name in workers and name in projects
        return Target(own.kind if both else "worker" if name in workers else "pages", name)
    part, dash, worker = name.partition("-")
    if dash and len(part) == _SHORT and worker in workers:
        return Target("worker", worker, part)
    part, dot, project = name.partition(".")
    if dot and project in projects:
        return Target("pages", project, part)
    return None


def branch_alias(branch: str) -> str:
    """Spell a branch as the host of its latest deployment."""
    return re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")[:28]


def _by_share(split: Mapping[WorkerVersion, float], place: float) -> WorkerVersion | None:
    """Find the version at a place; the newest one's share begins at 0 and grows in place."""
    edge = 0.0
    last: WorkerVersion | None = None
    for version in sorted(split, key=lambda version: -version.number):
        if split[version] <= 0:
            continue
        last = version
        edge += split[version] / 100
        if place < edge:
            return version
    return last
