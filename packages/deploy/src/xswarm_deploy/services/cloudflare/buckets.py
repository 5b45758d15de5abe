"""R2 buckets of the account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict
from urllib.parse import quote

from xswarm_deploy.services.cloudflare.client import (
    Client,
    Named,
    quoted,
)
from xswarm_deploy.services.envelope import result, unwrap
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.services.settle import unless_missing
from xswarm_deploy.services.shape import Wire

BUCKET_MISSING = "10006"


class _Buckets(Wire):
    buckets: tuple[Named, ...] = ()


class Bucket(TypedDict):
    """An R2 bucket."""

    name: str
    location: NotRequired[str]


class Buckets(Client):
    """Read, make and delete buckets."""

    def buckets(self) -> list[str]:
        """List the names of the account's R2 buckets."""
        path = f"{self._account}/r2/buckets"

        def fetch(cursor: str) -> tuple[Sequence[Named], str | None]:
            query = {"per_page": 1000, **({"cursor": cursor} if cursor else {})}
            page = result(self.http.get(path, query=query), _Buckets)
            return page.value.buckets, page.info.cursor or None

        return [bucket.name for bucket in self._pages(path, "", fetch)]

    def bucket(self, name: str, jurisdiction: str = "") -> Bucket | None:
        """Read one R2 bucket; None where there is none of that name in the jurisdiction."""
        path, headers = f"{self._account}/r2/buckets/{quoted(name)}", _within(jurisdiction)
        return unless_missing(
            lambda: unwrap(self.http.get(path, headers=headers), Bucket), {BUCKET_MISSING}
        )

    def create_bucket(self, name: str, jurisdiction: str = "") -> None:
        """Create an R2 bucket; one that exists already is right as well."""
        path, headers = f"{self._account}/r2/buckets", _within(jurisdiction)
        try:
            self.http.post(path, json={"name": name}, headers=headers, safe=True)
        except ServiceError:
            if self.bucket(name, jurisdiction) is None:
                raise

    def delete_bucket(self, name: str, jurisdiction: str = "") -> None:
        """Delete an R2 bucket, which must be empty; one that is not there is deleted already.

        Raises:
            Conflict: it holds objects.
        """
        path, headers = f"{self._account}/r2/buckets/{quoted(name)}", _within(jurisdiction)
        unless_missing(lambda: self.http.delete(path, headers=headers), {BUCKET_MISSING})

    def put_object(self, bucket: str, key: str, content: bytes, jurisdiction: str = "") -> None:
        """Write an object, as ``wrangler r2 object put`` does.

        Args:
            bucket: its name.
            key: of the object.
            content: its bytes.
            jurisdiction: of the bucket; empty: none.
        """
        path = f"{self._account}/r2/buckets/{quoted(bucket)}/objects/{quote(key)}"
        headers = {"Content-Type": "application/octet-stream", **_within(jurisdiction)}
        self.http.put(path, body=content, headers=headers)


def _within(jurisdiction: str) -> dict[str, str]:
    return {"cf-r2-jurisdiction": jurisdiction} if jurisdiction else {}
