"""The object store: what it keeps, in which order, and through a sudden end."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import zlib
from datetime import timedelta
from pathlib import Path

import pytest

from tests.twin.objects.whole import Objects
from xswarm_twin.objects.errors import (
    BucketExists,
    BucketMissing,
    BucketNotEmpty,
    KeyInvalid,
    PartInvalid,
    PreconditionFailed,
    UploadMissing,
)
from xswarm_twin.objects.ranges import ByteRange, RangeInvalid, parse_range, resolve_range
from xswarm_twin.objects.records import Conditions

ROOT = Path(__file__).parents[3]


def blobs(objects_folder: Path) -> list[Path]:
    return [path for path in (objects_folder / "blobs").rglob("*") if path.is_file()]


def test_an_object_is_kept_with_all_that_is_known_of_it(objects: Objects, tmp_path: Path) -> None:
    put = objects.put(
        "files",
        "a/../ü",
        b"hello",
        http_metadata={"contentType": "text/x"},
        custom_metadata={"who": "me"},
    )
    objects.close()
    again = Objects(tmp_path / "objects")
    assert again.head("files", "a/../ü") == put
    assert again.read("files", "a/../ü") == b"hello"
    assert put.etag == "5d41402abc4b2a76b9719d911017c592"
    assert put.uploaded.utcoffset() == timedelta(0)
    again.close()


def test_replaced_and_deleted_bytes_leave_the_disk(objects: Objects, tmp_path: Path) -> None:
    objects.put("files", "k", b"one")
    opened = objects.open("files", "k")
    assert opened is not None
    objects.put("files", "k", b"two")
    with opened[1] as body:
        assert body.read() == b"one"
    assert len(blobs(tmp_path / "objects")) == 1
    objects.delete("files", ["k", "never"])
    assert objects.head("files", "k") is None
    assert objects.open("files", "k") is None
    assert objects.read("files", "k") is None
    assert blobs(tmp_path / "objects") == []


@pytest.mark.parametrize("key", ["", "x" * 1025, "ü" * 513, "\ud800"])
def test_a_key_that_is_none_is_refused(objects: Objects, key: str) -> None:
    with pytest.raises(KeyInvalid):
        objects.put("files", key, b"")
    with pytest.raises(KeyInvalid):
        objects.create_upload("files", key)


def test_buckets(objects: Objects) -> None:
    made = objects.create_bucket("more", "WEUR")
    assert objects.bucket("more") == made
    assert [bucket.name for bucket in objects.buckets()] == ["files", "more"]
    with pytest.raises(BucketExists):
        objects.create_bucket("more")
    objects.put("more", "k", b"")
    with pytest.raises(BucketNotEmpty):
        objects.delete_bucket("more")
    objects.delete("more", "k")
    objects.create_upload("more", "k")
    objects.delete_bucket("more")
    for call in (
        lambda: objects.bucket("more"),
        lambda: objects.delete_bucket("more"),
        lambda: objects.put("more", "k", b""),
        lambda: objects.head("more", "k"),
        lambda: objects.delete("more", "k"),
        lambda: objects.list("more"),
        lambda: objects.create_upload("more", "k"),
    ):
        with pytest.raises(BucketMissing):
            call()


def test_conditions_decide_before_anything_changes(objects: Objects) -> None:
    present = objects.put("files", "k", b"1")
    later = present.uploaded + timedelta(seconds=1)
    for unmet in (
        Conditions(differs=("*",)),
        Conditions(differs=(present.etag,)),
        Conditions(matches=("other",)),
        Conditions(unmodified_since=present.uploaded - timedelta(seconds=1)),
        Conditions(modified_since=later),
    ):
        with pytest.raises(PreconditionFailed):
            objects.put("files", "k", b"2", conditions=unmet)
        assert objects.read("files", "k") == b"1"
    for met in (
        Conditions(matches=(present.etag, "other")),
        Conditions(matches=("*",), unmodified_since=present.uploaded - timedelta(days=1)),
        Conditions(differs=("other",), modified_since=later),
        Conditions(unmodified_since=later),
    ):
        assert met.unmet(present) is None
    with pytest.raises(PreconditionFailed):
        objects.put("files", "new", b"2", conditions=Conditions(matches=("*",)))
    objects.put("files", "new", b"2", conditions=Conditions(differs=("*",)))


def test_of_many_who_create_one_does(objects: Objects) -> None:
    won: list[int] = []

    def create(number: int) -> None:
        try:
            objects.put("files", "k", b"%d" % number, conditions=Conditions(differs=("*",)))
        except PreconditionFailed:
            return
        won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert objects.read("files", "k") == b"%d" % won[0]


@pytest.mark.parametrize("seed", range(2))
def test_pages_of_any_size_give_what_one_gives(objects: Objects, seed: int) -> None:
    dice = random.Random(seed)
    keys = {"".join(dice.choice("ab/üz🎉") for _ in range(dice.randint(1, 5))) for _ in range(80)}
    for key in keys:
        objects.put("files", key, b"")
    for prefix, delimiter in (("", ""), ("a", ""), ("", "/"), ("a/", "/"), ("ü", "🎉"), ("", "ab")):
        expected_keys, expected_prefixes = grouped(keys, prefix, delimiter)
        for limit in (1, 2, 7, 1000):
            found: list[str] = []
            prefixes: list[str] = []
            cursor: str | None = None
            while True:
                page = objects.list(
                    "files", prefix=prefix, delimiter=delimiter, cursor=cursor, limit=limit
                )
                assert len(page.objects) + len(page.prefixes) <= limit
                found += [entry.key for entry in page.objects]
                prefixes += page.prefixes
                if not page.truncated:
                    break
                cursor = page.cursor
            assert (found, prefixes) == (expected_keys, expected_prefixes)


def grouped(keys: set[str], prefix: str, delimiter: str) -> tuple[list[str], list[str]]:
    """Compute it the simple way."""
    alone, prefixes = [], set()
    for key in sorted(keys):
        if key.startswith(prefix):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                alone.append(key)
            else:
                prefixes.add(key[: end + len(delimiter)])
    return alone, sorted(prefixes)


def test_a_listing_begins_behind(objects: Objects) -> None:
    for key in ("a", "b", "b/1", "c"):
        objects.put("files", key, b"")
    page = objects.list("files", start_after="b")
    assert [found.key for found in page.objects] == ["b/1", "c"]


def test_parts_make_an_object(objects: Objects, tmp_path: Path) -> None:
    upload = objects.create_upload("files", "k", custom_metadata={"a": "1"})
    one = objects.put_part("files", "k", upload.id, 1, b"thrown away")
    one = objects.put_part("files", "k", upload.id, 1, b"one")
    three = objects.put_part("files", "k", upload.id, 3, b"three")
    assert [part.number for part in objects.parts("files", "k", upload.id)] == [1, 3]
    assert [begun.id for begun in objects.uploads("files")] == [upload.id]
    for parts in (
        [],
        [(3, three.etag), (1, one.etag)],
        [(1, three.etag)],
        [(2, one.etag)],
        [(1, one.etag), (1, one.etag)],
    ):
        with pytest.raises(PartInvalid):
            objects.complete_upload("files", "k", upload.id, parts)
    assert objects.head("files", "k") is None
    stored = objects.complete_upload(
        "files", "k", upload.id, [(1, one.etag), (3, f'"{three.etag}"')]
    )
    assert objects.read("files", "k") == b"onethree"
    assert (stored.size, stored.custom_metadata) == (8, {"a": "1"})
    assert stored.etag.endswith("-2")
    assert len(blobs(tmp_path / "objects")) == 1
    with pytest.raises(UploadMissing):
        objects.put_part("files", "k", upload.id, 1, b"late")
    with pytest.raises(PartInvalid):
        objects.put_part("files", "k", objects.create_upload("files", "k").id, 10_001, b"")


def test_an_upload_that_is_thrown_away_leaves_nothing(objects: Objects, tmp_path: Path) -> None:
    upload = objects.create_upload("files", "k")
    objects.put_part("files", "k", upload.id, 1, b"one")
    with pytest.raises(UploadMissing):
        objects.abort_upload("files", "other", upload.id)
    objects.abort_upload("files", "k", upload.id)
    assert blobs(tmp_path / "objects") == []
    assert objects.uploads("files") == ()


def test_what_was_not_put_leaves_nothing(objects: Objects, tmp_path: Path) -> None:
    with objects.incoming() as body:
        body.write(b"half")
        assert (body.size, body.digest("sha1")) == (4, hashlib.sha1(b"half").hexdigest())
        assert body.digest("crc32") == f"{zlib.crc32(b'half'):08x}"
    assert blobs(tmp_path / "objects") == []


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_objects_only(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tests.twin.objects.whole import Objects
        objects = Objects(Path(sys.argv[1]))
        objects.create_bucket("files")
        for number in range(100_000):
            body = b"%08d" % number * 1000
            objects.put("files", f"key-{number % 20}", body)
            print(number, flush=True)
        """
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "objects")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    with writer.stdout:
        for _ in range(60):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            last = int(line) if line.endswith(b"\n") else last
    writer.wait()
    objects = Objects(tmp_path / "objects")
    listed = objects.list("files").objects
    assert len(listed) == 20
    for found in listed:
        content = objects.read("files", found.key)
        assert content is not None
        assert len(content) == found.size == 8000
        assert content == content[:8] * 1000
        assert int(content[:8]) % 20 == int(found.key.partition("-")[2])
    newest = max(int((objects.read("files", found.key) or b"")[:8]) for found in listed)
    assert newest >= last
    assert len(blobs(tmp_path / "objects")) == 20
    objects.close()


def test_ranges() -> None:
    assert parse_range("bytes=0-4", 10) == ByteRange(0, 5)
    assert parse_range("bytes=8-99", 10) == ByteRange(8, 2)
    assert parse_range("bytes=-99", 10) == ByteRange(0, 10)
    assert parse_range("bytes=3-", 10) == ByteRange(3, 7)
    for ignored in ("", "bytes=-", "items=1-2", "bytes=4-2", "bytes=1-2,4-5"):
        assert parse_range(ignored, 10) is None
    for header in ("bytes=10-", "bytes=-0"):
        with pytest.raises(RangeInvalid):
            parse_range(header, 10)
    assert ByteRange(2, 3).content_range(10) == "bytes 2-4/10"
    assert resolve_range(10, offset=4, length=100) == ByteRange(4, 6)


@pytest.mark.slow
def test_a_page_of_a_list_costs_what_it_holds(objects: Objects) -> None:
    """Counted in steps of SQLite's machine: ten times the objects, about ten times the steps."""
    steps: list[int] = []

    def counted(count: int) -> int:
        for number in range(len(objects.list("files").objects), count):
            objects.put("files", f"photos/{number:05}", b"")
        steps.clear()
        objects._index.set_progress_handler(lambda: steps.append(1), 10)
        listed = objects.list("files", prefix="photos/")
        objects._index.set_progress_handler(None, 0)
        assert len(listed.objects) == count
        return len(steps)

    few, many = counted(40), counted(400)
    assert many < 15 * few
