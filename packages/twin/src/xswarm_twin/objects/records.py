"""What the object store tells of buckets, objects, listings and uploads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Bucket:
    """A bucket: its name, when it was made (ISO 8601, UTC), where, and its storage class."""

    name: str
    creation_date: str
    location: str = "ENAM"
    storage_class: str = "Standard"


@dataclass(frozen=True)
class StoredObject:
    """What is known of an object without its bytes.

    ``etag`` is the MD5 in hexadecimal without quotes (of a multipart upload: the MD5 of the
    parts' MD5s, ``-`` and their number). ``http_metadata`` has R2's names: contentType,
    contentLanguage, contentDisposition, contentEncoding, cacheControl, cacheExpiry.
    """

    bucket: str
    key: str
    size: int
    etag: str
    version: str
    uploaded: datetime
    http_metadata: Mapping[str, str] = field(default_factory=dict)
    custom_metadata: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    blob: str = ""


@dataclass(frozen=True)
class Change:
    """What happened to an object: the action by R2's name; of a deleted one no size and etag."""

    action: str
    bucket: str
    key: str
    size: int = 0
    etag: str = ""


@dataclass(frozen=True)
class Conditions:
    """What must hold of the present object: etags without quotes, ``*`` for any; times in UTC.

    As HTTP has it, ``matches`` wins over ``unmodified_since``, ``differs`` over
    ``modified_since``.
    """

    matches: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    unmodified_since: datetime | None = None
    modified_since: datetime | None = None

    def unmet(self, present: StoredObject | None) -> str | None:
        """Name the condition that the present object fails: its header, or None."""
        if self._match_fails(present):
            return "If-Match" if self.matches else "If-Unmodified-Since"
        if self._none_match_fails(present):
            return "If-None-Match" if self.differs else "If-Modified-Since"
        return None

    def _match_fails(self, present: StoredObject | None) -> bool:
        if self.matches:
            return present is None or not _names(self.matches, present)
        if self.unmodified_since is None:
            return False
        return present is not None and present.uploaded > self.unmodified_since

    def _none_match_fails(self, present: StoredObject | None) -> bool:
        if self.differs:
            return present is not None and _names(self.differs, present)
        if self.modified_since is None:
            return False
        return present is None or present.uploaded <= self.modified_since


UNCONDITIONAL = Conditions()


@dataclass(frozen=True)
class Listing:
    """One page of a listing: objects, the common prefixes, and the cursor of the next page."""

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    cursor: str | None

    @property
    def truncated(self) -> bool:
        """Return whether there is more."""
        return self.cursor is not None


@dataclass(frozen=True)
class Upload:
    """A multipart upload that is under way."""

    id: str
    bucket: str
    key: str
    started: datetime


@dataclass(frozen=True)
class Part:
    """One part of a multipart upload, as stored."""

    number: int
    size: int
    etag: str
    uploaded: datetime


def _names(etags: Sequence[str], present: StoredObject) -> bool:
    return "*" in etags or present.etag in etags
