"""What Workers are bound to: KV, D1, dispatch namespaces, Durable Objects, secrets; by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict

from xswarm_deploy.services.cloudflare.accounts import Accounts
from xswarm_deploy.services.cloudflare.client import Identified, Named, quoted
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import NotFound
from xswarm_deploy.services.settle import settled, unless_missing
from xswarm_deploy.services.shape import Wire

NAMESPACE_MISSING: Final = "10013"
DATABASE_MISSING: Final = "7404"


class _Namespace(Identified):
    title: str


class _Written(Wire):
    unsuccessful_keys: tuple[str, ...] = ()


class _Database(Wire):
    uuid: str
    name: str


_Objects = TypedDict("_Objects", {"script": str | None, "class": str | None}, total=False)
"""A namespace of Durable Objects."""


class _Destination(Named):
    slug: str | None = None


class Stores(Accounts):
    """Find, make and delete what a Worker keeps data in."""

    def kv_namespace(self, title: str) -> str | None:
        """Return the id of the KV namespace with this title; None: there is none."""
        listed = self._listed(self._namespaces, list[_Namespace])
        return next((one.id for one in listed if one.title == title), None)

    def create_kv_namespace(self, title: str) -> None:
        """Create a KV namespace."""
        settled(
            lambda: self.http.post(self._namespaces, json={"title": title}),
            lambda: self.kv_namespace(title),
        )

    def kv_is_empty(self, namespace: str) -> bool:
        """Return whether a KV namespace has no key."""
        path = f"{self._namespaces}/{quoted(namespace)}/keys"
        return not self._get(path, list[object], {"limit": 10})

    def put_kv(self, namespace: str, values: Mapping[str, str]) -> None:
        """Write values, at most 10,000 with 100 MB; those that are there are replaced.

        Args:
            namespace: its id.
            values: key → value.

        Raises:
            ServiceError: it was refused, or some were not written.
        """
        path = f"{self._namespaces}/{quoted(namespace)}/bulk"
        pairs = [{"key": key, "value": value} for key, value in values.items()]
        reply = self.http.put(path, json=pairs)
        left = unwrap(reply, _Written).unsuccessful_keys
        if left:
            raise reply.unexpected(f"{len(left)} of {len(pairs)} values were not written")

    def delete_kv_namespace(self, namespace: str) -> None:
        """Delete a KV namespace, with all keys; one that is not there is deleted already."""
        path = f"{self._namespaces}/{quoted(namespace)}"
        unless_missing(lambda: self.http.delete(path), {NAMESPACE_MISSING})

    def d1_database(self, name: str) -> str | None:
        """Return the id of the D1 database of this name; None: there is none."""
        listed = self._listed(self._databases, list[_Database], {"name": name})
        return next((one.uuid for one in listed if one.name == name), None)

    def create_d1_database(self, name: str, jurisdiction: str = "") -> None:
        """Create a D1 database.

        Args:
            name: its name.
            jurisdiction: where its rows must stay; empty: anywhere.
        """
        body = {"name": name, **({"jurisdiction": jurisdiction} if jurisdiction else {})}
        settled(lambda: self.http.post(self._databases, json=body), lambda: self.d1_database(name))

    def delete_d1_database(self, database: str) -> None:
        """Delete a D1 database, with all rows; one that is not there is deleted already."""
        path = f"{self._databases}/{quoted(database)}"
        unless_missing(lambda: self.http.delete(path), {DATABASE_MISSING})

    def dispatch_namespace(self, name: str) -> str | None:
        """Return the name of a dispatch namespace; None: there is none."""
        return name if self.has(f"workers/dispatch/namespaces/{name}") else None

    def create_dispatch_namespace(self, name: str) -> None:
        """Create a dispatch namespace."""
        path = f"{self._account}/workers/dispatch/namespaces"
        settled(
            lambda: self.http.post(path, json={"name": name}),
            lambda: self.dispatch_namespace(name),
        )

    def has_objects(self, worker: str, name: str) -> bool:
        """Return whether a Worker has a class of Durable Objects."""
        path = f"{self._account}/workers/durable_objects/namespaces"
        listed = self._listed(path, list[_Objects])
        return any((one.get("script"), one.get("class")) == (worker, name) for one in listed)

    def has_secret(self, store: str, name: str) -> bool:
        """Return whether a store of the Secrets Store has a secret; no such store: it has not."""
        path = f"{self._account}/secrets_store/stores/{quoted(store)}/secrets"
        try:
            return any(one.name == name for one in self._listed(path, list[Named]))
        except NotFound:
            return False

    def destinations(self) -> set[str]:
        """Return the names and the slugs of what logs and traces may be sent to."""
        path = f"{self._account}/workers/observability/destinations"
        listed = list(self._listed(path, list[_Destination]))
        return {name for one in listed for name in (one.name, one.slug) if name}

    @property
    def _namespaces(self) -> str:
        return f"{self._account}/storage/kv/namespaces"

    @property
    def _databases(self) -> str:
        return f"{self._account}/d1/database"
