"""What the Worker is bound to by name, or without one: what the account lacks of it is made.

wrangler creates on deployment what a binding has no id for, under the name of the Worker and the
binding (``shop-cache`` for ``CACHE`` of ``shop``), and a version that has the binding already
hands it on to the next. A release does the same, as a change that its plan tells and that is
undone with it; what somebody has written into meanwhile stays, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xswarm_deploy.bundling import d1, wrangler
from xswarm_deploy.database.d1 import D1Database
from xswarm_deploy.database.schema import rows_by_table
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.services.errors import Conflict
from xswarm_deploy.steps import traffic

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.services.multipart import Upload
    from xswarm_deploy.settings.settings import Settings
    from xswarm_deploy.site import Site

STEP: Final = "worker"
"""Whose changes they are."""


@dataclass(frozen=True)
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


class Kind(NamedTuple):
    """One kind of resource.

    Args:
        label: in a person's words.
        type: of an upload's binding.
        field: of an upload's binding: what it takes.
        find: returns that, for a name; None where there is no such resource.
        create: makes one.
        remove: deletes one, unless it holds something; returns whether it did.
    """

    label: str
    type: str
    field: str
    find: Callable[[Environment, Resource], str | None]
    create: Callable[[Environment, Resource], None]
    remove: Callable[[Environment, Resource, str], bool]


def needed(site: Site) -> list[Resource]:
    """Return what the Worker is bound to by a name in the account, and not by an id.

    A binding without a name of its own is left out where the live version has it: the next
    inherits it.
    """
    listed = list(_listed(site.settings))
    if all(named for _, named in listed):
        return [one for one, _ in listed]
    live = live_names(site)
    return [one for one, named in listed if named or one.binding not in live]


def live_names(site: Site) -> set[str]:
    """Return the names of what the live version is bound to."""
    return {
        str(binding["name"])
        for version in traffic.live_split(site)
        for binding in site.cloudflare.version(site.worker, version).bindings
    }


def is_there(site: Site, one: Resource) -> bool:
    """Return whether the account has it."""
    return KINDS[one.kind].find(site, one) is not None


def changes(site: Site) -> list[Change]:
    """Return which resources the account does not have yet."""
    return [
        RESOURCE.change(f"{KINDS[one.kind].label} {one.name}", after=one, undo=one)
        for one in needed(site)
        if not is_there(site, one)
    ]


def make(environment: Environment, change: Change) -> Facts:
    """Create the resource, unless it is there."""
    made = RESOURCE.after_of(change)
    kind = KINDS[made.kind]
    if kind.find(environment, made) is None:
        kind.create(environment, made)
    return {}


def undo(environment: Environment, change: Change) -> str:
    """Delete the resource that the release created; return what is said of one that stays."""
    made = RESOURCE.undo_of(change)
    kind = KINDS[made.kind]
    found = kind.find(environment, made)
    if found is None or kind.remove(environment, made, found):
        return ""
    return f"{kind.label} {made.name} stays: it may hold data"


def bound(site: Site, upload: Upload) -> Upload:
    """Bind a version to its resources by what they are called in the account."""
    asked = set(upload.unresolved)
    for one in needed(site) if asked else ():
        kind = KINDS[one.kind]
        found = kind.find(site, one) if one.binding in asked else None
        if found is not None:
            within = {"jurisdiction": one.jurisdiction} if kind.type == "r2_bucket" else {}
            told = {kind.field: found, **{key: value for key, value in within.items() if value}}
            upload = upload.with_bound({"name": one.binding, "type": kind.type, **told})
    return upload


def produced(settings: Settings) -> set[str]:
    """Return the names of the queues that the Worker sends to; those that lack are made."""
    return {one.name for one, _ in _listed(settings) if one.kind == "queues"}


def _listed(settings: Settings) -> Iterator[tuple[Resource, bool]]:
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
    listed = found.get("producers") or () if isinstance(found, Mapping) else found
    yield from (one for one in listed if isinstance(one, Mapping))


def _remove_namespace(environment: Environment, _: Resource, found: str) -> bool:
    if not environment.cloudflare.kv_is_empty(found):
        return False
    environment.cloudflare.delete_kv_namespace(found)
    return True


def _remove_database(environment: Environment, _: Resource, found: str) -> bool:
    with D1Database(found, environment.d1) as opened:
        if rows_by_table(opened):
            return False
    environment.cloudflare.delete_d1_database(found)
    return True


def _remove_bucket(environment: Environment, made: Resource, _: str) -> bool:
    try:
        environment.cloudflare.delete_bucket(made.name, made.jurisdiction)
    except Conflict:
        return False
    return True


def _queue(environment: Environment, one: Resource) -> str | None:
    return one.name if environment.cloudflare.queues.find(one.name) else None


def _bucket(environment: Environment, one: Resource) -> str | None:
    return one.name if environment.cloudflare.bucket(one.name, one.jurisdiction) else None


KINDS: Final[Mapping[str, Kind]] = {
    "kv_namespaces": Kind(
        "KV namespace",
        "kv_namespace",
        "namespace_id",
        lambda at, one: at.cloudflare.kv_namespace(one.name),
        lambda at, one: at.cloudflare.create_kv_namespace(one.name),
        _remove_namespace,
    ),
    "d1_databases": Kind(
        "D1 database",
        "d1",
        "id",
        lambda at, one: at.cloudflare.d1_database(one.name),
        lambda at, one: at.cloudflare.create_d1_database(one.name, one.jurisdiction),
        _remove_database,
    ),
    "r2_buckets": Kind(
        "R2 bucket",
        "r2_bucket",
        "bucket_name",
        _bucket,
        lambda at, one: at.cloudflare.create_bucket(one.name, one.jurisdiction),
        _remove_bucket,
    ),
    "queues": Kind(
        "queue",
        "queue",
        "queue_name",
        _queue,
        lambda at, one: at.cloudflare.queues.create(one.name),
        lambda *_: False,  # nothing tells how many messages it has
    ),
    "dispatch_namespaces": Kind(
        "dispatch namespace",
        "dispatch_namespace",
        "namespace",
        lambda at, one: at.cloudflare.dispatch_namespace(one.name),
        lambda at, one: at.cloudflare.create_dispatch_namespace(one.name),
        lambda *_: False,  # other people's Workers may be in it
    ),
}
_KEYS: Final = (
    ("kv_namespaces", "id", ""),
    ("d1_databases", "database_id", "database_name"),
    ("r2_buckets", "", "bucket_name"),
    ("queues", "", "queue"),
    ("dispatch_namespaces", "", "namespace"),
)
"""In wrangler's file: a kind, the key of its id, the key of its name."""
RESOURCE: Final = Action(STEP, "resource", NoneType, Resource, Resource)
