"""R2 through its S3 API: objects put, read, listed and deleted; a probe that proves all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

from xswarm_deploy.errors import Unavailable
from xswarm_deploy.services.errors import NotFound, ServiceError, error_kind
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.paging import every
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.sigv4 import Signer, quoted_path, quoted_query

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

_DIGITS = 19  # of the largest size
PROBES = ".deployment/probe-"
"""Objects under this prefix are ours to write and delete; nobody else's."""


@dataclass(frozen=True)
class Listed:
    """One object of a listing: its key, its size in bytes, when it was written (ISO 8601)."""

    key: str
    size: int
    modified: str


class R2:
    """One bucket.

    Args:
        http: the S3 endpoint.
        signer: signs the calls.
        bucket: its name.
    """

    @classmethod
    def of(cls, settings: Settings) -> R2:
        """Return the project's bucket in an environment."""
        account = settings.text("CLOUDFLARE_ACCOUNT_ID")
        endpoint = settings.text("S3_ENDPOINT_URL") or f"https://{account}.r2.cloudflarestorage.com"
        signer = Signer(
            settings.secret("S3_ACCESS_KEY_ID"), settings.secret("S3_SECRET_ACCESS_KEY")
        )
        return cls(Http("R2", endpoint, judge=judged), signer, settings.project.r2.bucket)

    def __init__(self, http: Http, signer: Signer, bucket: str) -> None:
        self.http = http
        self.bucket = bucket
        self._signer = signer

    def open_ahead(self, count: int) -> None:
        """Begin to open connections, where calls are about to be made."""
        self.http.open_ahead(count)

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._call("PUT", key, body=content)

    def get(self, key: str) -> bytes | None:
        """Read an object; None where there is none of that key."""
        try:
            return self._call("GET", key).body
        except NotFound as error:
            if "NoSuchKey" in error.codes:
                return None
            raise

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is deleted already."""
        self._call("DELETE", key)

    def objects(self, prefix: str = "") -> Iterator[Listed]:
        """List the objects whose keys begin with a prefix."""

        def fetch(token: str) -> tuple[list[Listed], str | None]:
            query = {"list-type": "2", "prefix": prefix}
            more = {"continuation-token": token} if token else {}
            reply = self._call("GET", "", {**query, **more})
            page = _parsed(reply)
            listed = [_listed(reply, entry) for entry in page.iterfind("{*}Contents")]
            return listed, page.findtext("{*}NextContinuationToken") or None

        call = f"GET /{self.bucket}"
        return every("R2", call, "", fetch, self.http.clock.monotonic)

    def probe(self) -> None:
        """Write an object under the reserved prefix, read it back, delete it.

        Raises:
            ServiceError: a call was refused or not answered.
            Unavailable: what was read is not what was written.
        """
        key, content = PROBES + secrets.token_hex(8), secrets.token_bytes(64)
        try:
            self.put(key, content)
            found = self.get(key)
        finally:
            self.delete(key)
        if found != content:
            raise Unavailable(
                f"R2 bucket {self.bucket} does not give back what was written",
                "nothing was read" if found is None else f"{len(found)} other bytes were read",
                "look whether S3_ENDPOINT_URL is R2's; then: inv check",
            )

    def _call(
        self, method: str, key: str, query: dict[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        query = query or {}
        base = urlsplit(self.http.base_url)
        path = quoted_path(f"/{self.bucket}/{key}" if key else f"/{self.bucket}")
        headers = self._signer.headers(
            method, base.netloc, base.path + path, query, body, self.http.clock.now()
        )
        suffix = f"?{quoted_query(query)}" if query else ""
        return self.http.call(method, path + suffix, headers=headers, body=body, budget=180)


def judged(
    _call: str, status: int, codes: Sequence[str], _message: str
) -> tuple[type[ServiceError], str]:
    """Return what a refusal means: a signature too old or too new is no missing permission."""
    skewed = "RequestTimeTooSkewed" in codes
    remedy = "set this machine's clock (timedatectl set-ntp true)" if skewed else ""
    return error_kind(status), remedy


def _parsed(reply: Reply) -> Xml.Element:
    try:
        return Xml.fromstring(reply.body)  # noqa: S314 - our storage's; expat bounds entities
    except Xml.ParseError:
        raise reply.unexpected("the list of objects is no XML") from None


def _listed(reply: Reply, entry: Xml.Element) -> Listed:
    size = entry.findtext("{*}Size", "0")
    if not size.isdecimal() or len(size) > _DIGITS:
        raise reply.unexpected("the size of an object is no number")
    return Listed(
        key=entry.findtext("{*}Key", ""),
        size=int(size),
        modified=entry.findtext("{*}LastModified", ""),
    )
