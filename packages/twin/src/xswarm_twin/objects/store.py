"""Buckets and objects on disk: one store behind the R2 API, the R2 bindings and the S3 face.

An object's bytes are a file of their own, complete (written, synced) before one transaction of
the index names it; whatever a killed process leaves is a file that no index row names, and is
swept at the next start. Keys live in the index only, so any key of any length is safe.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from xswarm_twin.objects.errors import (
    BucketExists,
    BucketMissing,
    BucketNotEmpty,
    KeyInvalid,
    PartInvalid,
    PreconditionFailed,
    UploadMissing,
)
from xswarm_twin.objects.incoming import Incoming, blob_path
from xswarm_twin.objects.records import (
    UNCONDITIONAL,
    Bucket,
    Change,
    Conditions,
    Listing,
    Part,
    StoredObject,
    Upload,
)
from xswarm_twin.objects.walk import Walk

MAXIMUM_KEY_BYTES = 1024
"""R2's limit of an object's key, in bytes of UTF-8."""

MAXIMUM_LISTED = 1000
"""The most entries that one listing gives."""

_TABLES = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, created TEXT NOT NULL, location TEXT NOT NULL, class TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL REFERENCES buckets (name), key TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, version TEXT NOT NULL, uploaded TEXT NOT NULL, blob TEXT NOT NULL,
    http_metadata TEXT NOT NULL, custom_metadata TEXT NOT NULL, checksums TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL REFERENCES buckets (name), key TEXT NOT NULL,
    started TEXT NOT NULL, http_metadata TEXT NOT NULL, custom_metadata TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (
    bucket TEXT NOT NULL REFERENCES buckets (name) ON DELETE CASCADE, kind TEXT NOT NULL,
    document BLOB NOT NULL, PRIMARY KEY (bucket, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, blob TEXT NOT NULL, uploaded TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""

_FROM = "SELECT * FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT 1"
_BEHIND = "SELECT * FROM objects WHERE bucket = ? AND key > ? ORDER BY key LIMIT 1"


class Objects:
    """A bucket and object store in a folder.

    Each call is short and complete; it may be made from any thread. Bytes come in by
    ``incoming()``, and go out by ``open``.

    Args:
        folder: where everything is kept; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.changed: Callable[[Change], None] = lambda _change: None
        """Told of each change, in the thread that made it."""
        self._blobs = folder / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._index = sqlite3.connect(
            folder / "index.sqlite", isolation_level=None, check_same_thread=False
        )
        self._index.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._index.execute(f"PRAGMA {pragma}")
        self._index.executescript(_TABLES)
        self._sweep()

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            self._index.close()

    # Buckets

    def buckets(self) -> tuple[Bucket, ...]:
        """List the buckets by name."""
        rows = self._query("SELECT * FROM buckets ORDER BY name")
        return tuple(_bucket(row) for row in rows)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket; raises BucketMissing."""
        rows = self._query("SELECT * FROM buckets WHERE name = ?", name)
        if not rows:
            raise BucketMissing(f"there is no bucket {name}")
        return _bucket(rows[0])

    def create_bucket(
        self, name: str, location: str = "ENAM", storage_class: str = "Standard"
    ) -> Bucket:
        """Make a bucket; raises BucketExists."""
        made = Bucket(name, _stamp(_now()), location, storage_class)
        try:
            self._query(
                "INSERT INTO buckets VALUES (?, ?, ?, ?)",
                *(made.name, made.creation_date, made.location, made.storage_class),
            )
        except sqlite3.IntegrityError:
            raise BucketExists(f"there is a bucket {name} already") from None
        return made

    def reclassify(self, name: str, storage_class: str) -> Bucket:
        """Change the storage class of a bucket; raise BucketMissing."""
        self._query("UPDATE buckets SET class = ? WHERE name = ?", storage_class, name)
        return self.bucket(name)

    def held(self, name: str) -> tuple[int, int]:
        """Return how many objects a bucket has, and their bytes together."""
        sums = "SELECT count(*), coalesce(sum(size), 0) FROM objects WHERE bucket = ?"
        count, size = self._query(sums, name)[0]
        return int(count), int(size)

    def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket; raises BucketMissing or BucketNotEmpty."""
        with self._lock:
            self.bucket(name)
            if self._query("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", name):
                raise BucketNotEmpty(f"bucket {name} has objects")
            for upload in self.uploads(name):
                self.abort_upload(name, upload.key, upload.id)
            self._query("DELETE FROM buckets WHERE name = ?", name)

    def setting(self, bucket: str, kind: str) -> bytes | None:
        """Return a document that a bucket was set to, or None; raises BucketMissing."""
        self.bucket(bucket)
        query = "SELECT document FROM settings WHERE bucket = ? AND kind = ?"
        rows = self._query(query, bucket, kind)
        return bytes(rows[0]["document"]) if rows else None

    def set(self, bucket: str, kind: str, document: bytes | None) -> None:
        """Set a bucket to a document of a kind, or to none; raises BucketMissing."""
        self.bucket(bucket)
        if document is None:
            self._query("DELETE FROM settings WHERE bucket = ? AND kind = ?", bucket, kind)
        else:
            insert = "INSERT OR REPLACE INTO settings VALUES (?, ?, ?)"
            self._query(insert, bucket, kind, document)

    # Objects

    def head(self, bucket: str, key: str) -> StoredObject | None:
        """Return what is known of an object, or None; raises BucketMissing."""
        self.bucket(bucket)
        rows = self._query("SELECT * FROM objects WHERE bucket = ? AND key = ?", bucket, key)
        return _object(rows[0]) if rows else None

    def open(self, bucket: str, key: str) -> tuple[StoredObject, BinaryIO] | None:
        """Return an object with its opened bytes (the caller closes them), or None.

        What was opened stays readable when the object is replaced or deleted meanwhile.
        """
        with self._lock:
            found = self.head(bucket, key)
            if found is None:
                return None
            return found, blob_path(self._blobs, found.blob).open("rb")

    def incoming(self) -> Incoming:
        """Start to take bytes in."""
        return Incoming(self._blobs)

    def put(
        self,
        bucket: str,
        key: str,
        body: Incoming,
        *,
        http_metadata: Mapping[str, str] | None = None,
        custom_metadata: Mapping[str, str] | None = None,
        checksums: Mapping[str, str] | None = None,
        conditions: Conditions = UNCONDITIONAL,
        action: str = "PutObject",
    ) -> StoredObject:
        """Store an object, wholly or not at all.

        Args:
            bucket: the bucket's name.
            key: 1 to 1024 bytes of UTF-8.
            body: what ``incoming()`` gathered.
            http_metadata: R2's names, see StoredObject.
            custom_metadata: the caller's own.
            checksums: further digests to keep (R2's names, hexadecimal), already verified.
            conditions: what must hold of the present object.
            action: how R2 calls what is done.

        Raises:
            BucketMissing, KeyInvalid, PreconditionFailed: and nothing was changed.
        """
        _check_key(key)
        stored = StoredObject(
            bucket=bucket,
            key=key,
            size=body.size,
            etag=body.md5,
            version=secrets.token_hex(16),
            uploaded=_now(),
            http_metadata=dict(http_metadata or {}),
            custom_metadata=dict(custom_metadata or {}),
            checksums={"md5": body.md5, **(checksums or {})},
            blob=body.name,
        )
        with self._lock:
            self._require(bucket, key, conditions)
            body.keep()
            self._replace(stored, action)
        return stored

    def delete(self, bucket: str, keys: str | Iterable[str]) -> None:
        """Remove objects; a missing one is no error. Raises BucketMissing."""
        wanted = [keys] if isinstance(keys, str) else list(keys)
        with self._lock:
            self.bucket(bucket)
            for key in wanted:
                rows = self._query(
                    "DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING blob", bucket, key
                )
                self._remove_blobs(row["blob"] for row in rows)
                if rows:
                    self.changed(Change("DeleteObject", bucket, key))

    def list(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        cursor: str | None = None,
        start_after: str = "",
        limit: int = MAXIMUM_LISTED,
    ) -> Listing:
        """List objects in the order of their keys' bytes.

        Args:
            bucket: the bucket's name.
            prefix: only keys that begin with it.
            delimiter: keys that have it after the prefix are grouped into common prefixes.
            cursor: the ``cursor`` of the page before.
            start_after: only keys behind this one.
            limit: the most entries (objects and prefixes together), at most 1000.

        Raises:
            BucketMissing: there is no such bucket.
        """
        self.bucket(bucket)
        walk = Walk(prefix, delimiter, max(0, min(limit, MAXIMUM_LISTED)))
        walk.position = max(cursor or "", start_after)
        with self._lock:
            while (row := self._next(bucket, walk)) is not None and walk.take(_object(row)):
                pass
        return walk.listing()

    # Multipart uploads

    def create_upload(
        self,
        bucket: str,
        key: str,
        *,
        http_metadata: Mapping[str, str] | None = None,
        custom_metadata: Mapping[str, str] | None = None,
    ) -> Upload:
        """Begin a multipart upload; raises BucketMissing or KeyInvalid."""
        _check_key(key)
        self.bucket(bucket)
        upload = Upload(secrets.token_hex(24), bucket, key, _now())
        self._query(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?)",
            *(upload.id, bucket, key, _stamp(upload.started)),
            *(json.dumps(dict(http_metadata or {})), json.dumps(dict(custom_metadata or {}))),
        )
        return upload

    def uploads(self, bucket: str, prefix: str = "") -> tuple[Upload, ...]:
        """List the multipart uploads that are under way."""
        rows = self._query("SELECT * FROM uploads WHERE bucket = ? ORDER BY key, id", bucket)
        return tuple(
            Upload(row["id"], row["bucket"], row["key"], datetime.fromisoformat(row["started"]))
            for row in rows
            if row["key"].startswith(prefix)
        )

    def put_part(self, bucket: str, key: str, upload: str, number: int, body: Incoming) -> Part:
        """Store one part (number 1 to 10000); raises UploadMissing or PartInvalid."""
        if not 1 <= number <= 10_000:
            raise PartInvalid(f"a part's number is 1 to 10000, not {number}")
        part = Part(number, body.size, body.md5, _now())
        with self._lock:
            self._upload(bucket, key, upload)
            body.keep()
            self._replace_part(upload, part, body.name)
        return part

    def parts(self, bucket: str, key: str, upload: str) -> tuple[Part, ...]:
        """List the parts that were stored, by number; raises UploadMissing."""
        self._upload(bucket, key, upload)
        return tuple(_part(row) for row in self._part_rows(upload))

    def complete_upload(
        self,
        bucket: str,
        key: str,
        upload: str,
        parts: Sequence[tuple[int, str]],
        *,
        conditions: Conditions = UNCONDITIONAL,
    ) -> StoredObject:
        """Make the object of its parts.

        Args:
            bucket: the bucket's name.
            key: the object's key.
            upload: the upload's id.
            parts: number and etag of each, in rising order of number.
            conditions: what must hold of the present object.

        Raises:
            UploadMissing, PartInvalid, PreconditionFailed: and nothing was changed.
        """
        with self._lock, self.incoming() as whole:
            begun = self._upload(bucket, key, upload)
            self._require(bucket, key, conditions)
            chosen = _chosen_parts(parts, self._part_rows(upload))
            for row in chosen:
                self._append(whole, row["blob"])
            stored = StoredObject(
                bucket=bucket,
                key=key,
                size=whole.size,
                etag=_etag_of_parts(row["etag"] for row in chosen),
                version=secrets.token_hex(16),
                uploaded=_now(),
                http_metadata=json.loads(begun["http_metadata"]),
                custom_metadata=json.loads(begun["custom_metadata"]),
                blob=whole.keep(),
            )
            self._replace(stored, "CompleteMultipartUpload")
            self._forget_upload(upload)
        return stored

    def abort_upload(self, bucket: str, key: str, upload: str) -> None:
        """Throw a multipart upload away; raises UploadMissing."""
        with self._lock:
            self._upload(bucket, key, upload)
            self._forget_upload(upload)

    # Inner parts

    def _query(self, sql: str, *values: Any) -> Sequence[sqlite3.Row]:
        with self._lock:
            return self._index.execute(sql, values).fetchall()

    def _require(self, bucket: str, key: str, conditions: Conditions) -> None:
        failed = conditions.unmet(self.head(bucket, key))
        if failed is not None:
            raise PreconditionFailed(f"{failed} does not hold for {key}")

    def _replace(self, stored: StoredObject, action: str) -> None:
        before = self._query(
            "SELECT blob FROM objects WHERE bucket = ? AND key = ?", stored.bucket, stored.key
        )
        self._query(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(stored.bucket, stored.key, stored.size, stored.etag, stored.version),
            *(_stamp(stored.uploaded), stored.blob, json.dumps(dict(stored.http_metadata))),
            *(json.dumps(dict(stored.custom_metadata)), json.dumps(dict(stored.checksums))),
        )
        self._remove_blobs(row["blob"] for row in before)
        self.changed(Change(action, stored.bucket, stored.key, stored.size, stored.etag))

    def _replace_part(self, upload: str, part: Part, blob: str) -> None:
        before = self._query(
            "SELECT blob FROM parts WHERE upload = ? AND number = ?", upload, part.number
        )
        self._query(
            "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)",
            *(upload, part.number, part.size, part.etag, blob, _stamp(part.uploaded)),
        )
        self._remove_blobs(row["blob"] for row in before)

    def _upload(self, bucket: str, key: str, upload: str) -> sqlite3.Row:
        self.bucket(bucket)
        rows = self._query(
            "SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?", upload, bucket, key
        )
        if not rows:
            raise UploadMissing(f"there is no upload {upload} for {key}")
        return rows[0]

    def _part_rows(self, upload: str) -> Sequence[sqlite3.Row]:
        return self._query("SELECT * FROM parts WHERE upload = ? ORDER BY number", upload)

    def _append(self, whole: Incoming, blob: str) -> None:
        with blob_path(self._blobs, blob).open("rb") as part:
            while chunk := part.read(1 << 20):
                whole.write(chunk)

    def _forget_upload(self, upload: str) -> None:
        blobs = [row["blob"] for row in self._part_rows(upload)]
        self._query("DELETE FROM uploads WHERE id = ?", upload)
        self._remove_blobs(blobs)

    def _next(self, bucket: str, walk: Walk) -> sqlite3.Row | None:
        """Read the next object; by one bound, for of two the index seeks only to the first."""
        if walk.prefix > walk.position:
            rows = self._query(_FROM, bucket, walk.prefix)
        else:
            rows = self._query(_FROM if walk.inclusive else _BEHIND, bucket, walk.position)
        return rows[0] if rows else None

    def _remove_blobs(self, names: Iterable[str]) -> None:
        for name in names:
            blob_path(self._blobs, name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a killed process left: bytes that no row of the index names."""
        named = {
            row["blob"]
            for row in self._query("SELECT blob FROM objects UNION SELECT blob FROM parts")
        }
        for entry in self._blobs.rglob("*"):
            if entry.is_file() and entry.name not in named:
                entry.unlink()


def _chosen_parts(
    wanted: Sequence[tuple[int, str]], stored: Sequence[sqlite3.Row]
) -> Sequence[sqlite3.Row]:
    numbers = [number for number, _ in wanted]
    if not wanted or numbers != sorted(set(numbers)):
        raise PartInvalid("the parts are to be named once each, in rising order")
    by_number = {row["number"]: row for row in stored}
    for number, etag in wanted:
        row = by_number.get(number)
        if row is None or row["etag"] != etag.strip('"'):
            raise PartInvalid(f"part {number} with etag {etag} was not uploaded")
    return [by_number[number] for number in numbers]


def _etag_of_parts(etags: Iterable[str]) -> str:
    digests = [bytes.fromhex(etag) for etag in etags]
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f"{whole}-{len(digests)}"


def _check_key(key: str) -> None:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise KeyInvalid("a key is Unicode text") from None
    if not 1 <= length <= MAXIMUM_KEY_BYTES:
        raise KeyInvalid(f"a key has 1 to {MAXIMUM_KEY_BYTES} bytes, not {length}")


def _bucket(row: sqlite3.Row) -> Bucket:
    return Bucket(row["name"], row["created"], row["location"], row["class"])


def _object(row: sqlite3.Row) -> StoredObject:
    return StoredObject(
        bucket=row["bucket"],
        key=row["key"],
        size=row["size"],
        etag=row["etag"],
        version=row["version"],
        uploaded=datetime.fromisoformat(row["uploaded"]),
        http_metadata=json.loads(row["http_metadata"]),
        custom_metadata=json.loads(row["custom_metadata"]),
        checksums=json.loads(row["checksums"]),
        blob=row["blob"],
    )


def _part(row: sqlite3.Row) -> Part:
    return Part(row["number"], row["size"], row["etag"], datetime.fromisoformat(row["uploaded"]))


def _now() -> datetime:
    """Return the time with milliseconds, as R2 keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
