"""The bindings of a Python Worker, read once into what its quick host needs to offer them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xswarm_twin.edge.bound import version_metadata
from xswarm_twin.model import WorkerVersion


@dataclass(frozen=True)
class Bindings:
    """What ``env`` has: texts (variables and secrets), JSON values, buckets, static files.

    Args:
        texts: values by name.
        json: JSON texts by name; the version's metadata is among them.
        buckets: R2 bucket names by binding name.
        assets: the names under which the static files are bound.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, str] = field(default_factory=dict)
    buckets: Mapping[str, str] = field(default_factory=dict)
    assets: tuple[str, ...] = ()


def offers(bindings: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the host has all that a version is bound to."""
    return all(binding["type"] in _OFFERED for binding in bindings)


def read_bindings(version: WorkerVersion) -> Bindings:
    """Read the bindings of a version that the host offers."""
    by_type: dict[str, dict[str, Mapping[str, Any]]] = {}
    for binding in version.bindings:
        by_type.setdefault(binding["type"], {})[binding["name"]] = binding
    texts = {**by_type.get("plain_text", {}), **by_type.get("secret_text", {})}
    values = by_type.get("json", {})
    metadata = json.dumps(version_metadata(version))
    return Bindings(
        texts={name: str(binding["text"]) for name, binding in texts.items()},
        json={name: json.dumps(binding["json"]) for name, binding in values.items()}
        | dict.fromkeys(by_type.get("version_metadata", {}), metadata),
        buckets={
            name: str(binding["bucket_name"])
            for name, binding in by_type.get("r2_bucket", {}).items()
        },
        assets=tuple(by_type.get("assets", {})),
    )


_OFFERED = {"plain_text", "secret_text", "json", "version_metadata", "r2_bucket", "assets"}
