"""What a release changes of the live version's bindings: names alone, no values.

A variable that somebody set in the dashboard is in the live version and in no file: the next
upload, wrangler's as ours, leaves it out. So it is told before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.services.multipart import SECRET_TYPES
from xswarm_deploy.steps import version

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

_VALUES: Final = {
    "plain_text": "text",
    "json": "json",
    "kv_namespace": "namespace_id",
    "r2_bucket": "bucket_name",
    "d1": "id",
    "queue": "queue_name",
    "service": "service",
    "hyperdrive": "id",
    "durable_object_namespace": "class_name",
}
"""Kind of a binding → the field that says what it leads to."""
_INHERITED: Final = "inherit"


def told(site: Site, live: str) -> str:
    """Return in words what becomes of the live version's bindings; empty: they stay."""
    return ", ".join(_differences(site, live))


def _differences(site: Site, live: str) -> Iterator[str]:
    wanted, kept = _wanted(site), site.bundling.result().upload.kept
    for there in site.cloudflare.version(site.worker, live).bindings:
        name, kind = str(there.get("name", "")), str(there.get("type", ""))
        if name in wanted:
            if not _alike(there, wanted[name]):
                yield f"{name} changes"
        elif kind not in kept:
            yield f"{name} goes"


def _wanted(site: Site) -> dict[str, Mapping[str, Any]]:
    """Return the next version's bindings by their names; a secret is its name alone."""
    named: dict[str, Mapping[str, Any]] = {
        str(one["name"]): one for one in version.bound(site, site.bundling.result().upload).bindings
    }
    variables = site.settings.worker_variables().items()
    named |= {name: {"type": "plain_text", "text": text} for name, text in variables}
    return named | {name: {"type": SECRET_TYPES[0]} for name in version.secrets(site)}


def _alike(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if wanted["type"] == _INHERITED:
        return True
    if there["type"] in SECRET_TYPES and wanted["type"] in SECRET_TYPES:
        return True
    field = _VALUES.get(str(there["type"]), "type")
    return there["type"] == wanted["type"] and there.get(field) == wanted.get(field)
