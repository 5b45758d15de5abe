"""What a Worker is bound to by a name, or by none: what wrangler's file has no id for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import d1, wrangler
from xswarm_deploy.frozen import frozen

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

_KEYS: Final = (
    ("kv_namespaces", "id", ""),
    ("d1_databases", "database_id", "database_name"),
    ("r2_buckets", "", "bucket_name"),
    ("queues", "", "queue"),
    ("dispatch_namespaces", "", "namespace"),
)
"""In wrangler's file: a kind, the key of its id, the key of its name."""


@frozen
class Resource:
    """What a binding needs, by its name in the account.

    Args:
        kind: the key in wrangler's file, e.g. ``kv_namespaces``.
        binding: its name in the Worker.
        name: of the resource.
        jurisdiction: where its data must stay; empty: anywhere.
    """

    kind: str
    binding: str
    name: str
    jurisdiction: str = ""


def produced(settings: Settings) -> set[str]:
    """Return the names of the queues that the Worker sends to; those that lack are made."""
    return {one.name for one, _ in listed(settings) if one.kind == "queues"}


def listed(settings: Settings) -> Iterator[tuple[Resource, bool]]:
    """Yield what has no id in wrangler's file, and whether the file names it.

    Left out is what :func:`_is_left_out` finds.
    """
    if not wrangler.file(settings).is_file():
        return  # who bundles it refuses it, and says why
    content, worker = wrangler.read(settings), settings.project.worker.name
    migrated = d1.with_migrations(settings)
    for kind, id_key, name_key in _KEYS:
        for one in _entries(content, kind):
            binding, name = str(one.get("binding") or ""), str(one.get(name_key) or "")
            if not binding or one.get(id_key) or _is_left_out(kind, one, name, migrated):
                continue
            made = name or f"{worker}-{binding.lower().replace('_', '-')}"
            yield Resource(kind, binding, made, str(one.get("jurisdiction") or "")), bool(name)


def _is_left_out(kind: str, one: Mapping[str, Any], name: str, migrated: frozenset[str]) -> bool:
    """Return whether a release does not make it, although it has no id.

    A database with migrations is made and migrated before code is released that reads its tables;
    a named bucket is among the changes of :mod:`buckets`; what an unnamed namespace asks beside
    its name is in no upload that wrangler writes.
    """
    return (
        (kind == "d1_databases" and one["binding"] in migrated)
        or (kind == "r2_buckets" and bool(name))
        or (kind == "dispatch_namespaces" and not name and bool(one.get("outbound")))
    )


def _entries(content: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    found = content.get(kind) or ()
    entries = found.get("producers") or () if isinstance(found, Mapping) else found
    yield from (one for one in entries if isinstance(one, Mapping))
