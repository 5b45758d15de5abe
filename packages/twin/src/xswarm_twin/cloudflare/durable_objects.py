"""Durable Objects' namespaces: classes of Workers, as migrations make, rename and delete them.

Reference: Durable Objects, "Durable Objects migrations".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import paged
from xswarm_twin.cloudflare.records import ObjectNamespace, Worker
from xswarm_twin.cloudflare.twin import Twin, twin_of
from xswarm_twin.model import ObjectClass

routes = web.RouteTableDef()


@dataclass(frozen=True)
class Migrated:
    """What migrations make of a Worker: its tag, its namespaces, and what they were."""

    tag: str
    before: tuple[ObjectNamespace, ...]
    after: tuple[ObjectNamespace, ...]

    @property
    def classes(self) -> tuple[ObjectClass, ...]:
        """Return the classes as the edge takes them."""
        return classes(self.after)


@routes.get("/accounts/{account}/workers/durable_objects/namespaces")
async def index(request: web.Request) -> web.Response:
    """List the namespaces."""
    return paged(request, [_told(one) for one in twin_of(request).store.all(ObjectNamespace)])


def classes(
    namespaces: tuple[ObjectNamespace, ...] | list[ObjectNamespace],
) -> tuple[ObjectClass, ...]:
    """Return namespaces as the edge takes them."""
    return tuple(ObjectClass(one.class_name, one.id, one.sqlite) for one in namespaces)


def migrate(twin: Twin, worker: Worker, metadata: Mapping[str, Any]) -> Migrated:
    """Return what an upload's migrations make of a Worker; nothing is stored.

    Raises:
        Refusal: they begin at another tag, or name classes that are not as they say.
    """
    before = tuple(twin.store.all(ObjectNamespace, worker.name))
    given = bodies.optional(dict(metadata), "migrations", dict[str, Any]())
    held = {one.class_name: one for one in before}
    if not given:
        _declare(worker.name, bodies.optional(dict(metadata), "exports", dict[str, Any]()), held)
        return Migrated(worker.migration_tag, before, tuple(held.values()))
    if bodies.optional(given, "old_tag", "") != worker.migration_tag:
        raise refusals.migration_tag_wrong(worker.migration_tag)
    for step in bodies.optional(given, "steps", list[Any]()) or [given]:
        _step(twin, worker.name, bodies.checked(step, dict, "a step"), held)
    return Migrated(bodies.required(given, "new_tag", str), before, tuple(held.values()))


@contextmanager
def applied(twin: Twin, migrated: Migrated) -> Iterator[None]:
    """Store what migrations made, as long as what follows succeeds."""
    moved = [one for one in migrated.after if one not in migrated.before]
    theirs = [
        found
        for one in moved
        for found in twin.store.all(ObjectNamespace)
        if found.id == one.id and found.script != one.script
    ]
    twin.store.remove(*migrated.before, *theirs)
    twin.store.save(*migrated.after)
    try:
        yield
    except BaseException:
        twin.store.remove(*migrated.after)
        twin.store.save(*migrated.before, *theirs)
        raise


def _declare(script: str, exports: dict[str, Any], held: dict[str, ObjectNamespace]) -> None:
    """Let the namespaces be as ``exports`` declares them, instead of migrations."""
    for name, one in exports.items():
        told = bodies.checked(one, dict, f"exports.{name}")
        if told.get("type") != "durable-object":
            continue
        state = told.get("state", "created")
        if state == "created" and name not in held:
            sqlite = told.get("storage") != "legacy-kv"
            held[name] = ObjectNamespace(uuid.uuid4().hex, script, name, sqlite)
        elif state == "renamed" and name in held:
            new = bodies.required(told, "renamed_to", str)
            held[new] = replace(held.pop(name), class_name=new)
        elif state in ("deleted", "transferred"):
            held.pop(name, None)


def _step(twin: Twin, script: str, step: dict[str, Any], held: dict[str, ObjectNamespace]) -> None:
    for field, sqlite in (("new_classes", False), ("new_sqlite_classes", True)):
        for name in bodies.texts(step, field):
            if name in held:
                raise refusals.class_in_use(name)
            held[name] = ObjectNamespace(uuid.uuid4().hex, script, name, sqlite)
    for pair in _pairs(step, "renamed_classes"):
        old, new = bodies.required(pair, "from", str), bodies.required(pair, "to", str)
        if old not in held:
            raise refusals.class_unknown("rename-class", old)
        held[new] = replace(held.pop(old), class_name=new)
    for pair in _pairs(step, "transferred_classes"):
        old, new = bodies.required(pair, "from", str), bodies.required(pair, "to", str)
        theirs = twin.store.all(ObjectNamespace, bodies.required(pair, "from_script", str))
        found = next((one for one in theirs if one.class_name == old), None)
        if found is None:
            raise refusals.class_unknown("transfer-class", old)
        held[new] = replace(found, script=script, class_name=new)
    for name in bodies.texts(step, "deleted_classes"):
        if held.pop(name, None) is None:
            raise refusals.class_unknown("delete-class", name)


def _pairs(step: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = bodies.optional(step, name, list[Any]())
    return [bodies.checked(one, dict, f"an entry of {name}") for one in listed]


def _told(namespace: ObjectNamespace) -> dict[str, Any]:
    return {
        "id": namespace.id,
        "name": f"{namespace.script}_{namespace.class_name}",
        "script": namespace.script,
        "class": namespace.class_name,
        "use_sqlite": namespace.sqlite,
    }
