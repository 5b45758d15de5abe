"""What the Worker is bound to by name, or without one: what the account lacks of it is made.

wrangler creates on deployment what a binding has no id for, under the name of the Worker and the
binding (``shop-cache`` for ``CACHE`` of ``shop``), and a version that has the binding already
hands it on to the next. A release does the same, as a change that its plan tells and that is
undone with it; what somebody has written into meanwhile stays, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Final, NamedTuple

from xswarm_deploy.bundling.resources import Resource, listed
from xswarm_deploy.database.d1 import D1Database
from xswarm_deploy.database.schema import rows_by_table
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.services.errors import Conflict
from xswarm_deploy.steps import traffic

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.services.multipart import Upload
    from xswarm_deploy.site import Site

STEP: Final = "worker"
"""Whose changes they are."""


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
    found = list(listed(site.settings))
    if all(named for _, named in found):
        return [one for one, _ in found]
    live = live_names(site)
    return [one for one, named in found if named or one.binding not in live]


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
    upload = upload.with_empty_open({kind.type: kind.field for kind in KINDS.values()})
    asked = set(upload.unresolved)
    for one in needed(site) if asked else ():
        kind = KINDS[one.kind]
        found = kind.find(site, one) if one.binding in asked else None
        if found is not None:
            within = {"jurisdiction": one.jurisdiction} if kind.type == "r2_bucket" else {}
            told = {kind.field: found, **{key: value for key, value in within.items() if value}}
            upload = upload.with_bound({"name": one.binding, "type": kind.type, **told})
    return upload


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
RESOURCE: Final = Action(STEP, "resource", NoneType, Resource, Resource)
