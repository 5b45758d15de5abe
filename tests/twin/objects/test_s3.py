"""The S3 face, judged by boto3."""

from __future__ import annotations

import datetime
import io
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.twin.objects.whole import Objects
from xswarm_twin.objects.signature import Keys

UGLY = ["a/../b", "/begin", "end/", "ü/日本/🎉", "sp ace+plus%25&=?#", "x" * 1024, "a//b", "*'()!~"]


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ClientError) as error:
        call()
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize("key", UGLY)
def test_any_key_comes_back(s3: Any, objects: Objects, key: str) -> None:
    s3.put_object(Bucket="files", Key=key, Body=b"content")
    assert s3.get_object(Bucket="files", Key=key)["Body"].read() == b"content"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="files")["Contents"]] == [key]
    assert objects.read("files", key) == b"content"
    deleted = s3.delete_objects(Bucket="files", Delete={"Objects": [{"Key": key}]})
    assert [entry["Key"] for entry in deleted["Deleted"]] == [key]
    assert objects.head("files", key) is None


def test_metadata_and_ranges(s3: Any) -> None:
    put = s3.put_object(
        Bucket="files",
        Key="k",
        Body=b"0123456789",
        ContentType="text/x",
        CacheControl="no-store",
        ContentEncoding="gzip",
        Metadata={"who": "me"},
    )
    assert put["ETag"] == '"781e5e245d69b566979b86e28d23f2c7"'
    head = s3.head_object(Bucket="files", Key="k")
    assert (head["ContentType"], head["CacheControl"], head["ContentEncoding"]) == (
        "text/x",
        "no-store",
        "gzip",
    )
    assert (head["Metadata"], head["ContentLength"]) == ({"who": "me"}, 10)
    age = datetime.datetime.now(datetime.UTC) - head["LastModified"]
    assert age < datetime.timedelta(minutes=1)
    part = s3.get_object(Bucket="files", Key="k", Range="bytes=2-4")
    assert (part["Body"].read(), part["ContentRange"]) == (b"234", "bytes 2-4/10")
    assert s3.get_object(Bucket="files", Key="k", Range="bytes=-3")["Body"].read() == b"789"
    late = refused(lambda: s3.get_object(Bucket="files", Key="k", Range="bytes=10-"))
    assert late == (416, "InvalidRange")


def test_conditions(s3: Any) -> None:
    etag = s3.put_object(Bucket="files", Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    again = refused(lambda: s3.put_object(Bucket="files", Key="k", Body=b"2", IfNoneMatch="*"))
    assert again == (412, "PreconditionFailed")
    other = refused(lambda: s3.put_object(Bucket="files", Key="k", Body=b"2", IfMatch='"00"'))
    assert other == (412, "PreconditionFailed")
    s3.put_object(Bucket="files", Key="k", Body=b"3", IfMatch=etag)
    assert refused(lambda: s3.get_object(Bucket="files", Key="k", IfMatch=etag))[0] == 412
    now = s3.head_object(Bucket="files", Key="k")
    same = refused(lambda: s3.get_object(Bucket="files", Key="k", IfNoneMatch=now["ETag"]))
    assert same[0] == 304
    unchanged = refused(
        lambda: s3.get_object(Bucket="files", Key="k", IfModifiedSince=now["LastModified"])
    )
    assert unchanged[0] == 304


def test_listing_is_paged_and_grouped(s3: Any) -> None:
    for number in range(7):
        s3.put_object(Bucket="files", Key=f"a/{number}", Body=b"")
        s3.put_object(Bucket="files", Key=f"b/{number}/x", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="files", PaginationConfig={"PageSize": 3}
    )
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert keys == sorted(keys)
    assert len(keys) == 14
    grouped = s3.get_paginator("list_objects_v2").paginate(
        Bucket="files", Delimiter="/", PaginationConfig={"PageSize": 1}
    )
    prefixes = [entry["Prefix"] for page in grouped for entry in page.get("CommonPrefixes", ())]
    assert prefixes == ["a/", "b/"]
    inner = s3.list_objects_v2(Bucket="files", Prefix="b/", Delimiter="/", StartAfter="b/4")
    assert [entry["Prefix"] for entry in inner["CommonPrefixes"]] == ["b/4/", "b/5/", "b/6/"]
    first = s3.list_objects(Bucket="files", Prefix="a/", MaxKeys=5)
    second = s3.list_objects(Bucket="files", Prefix="a/", Marker=first["NextMarker"])
    assert [entry["Key"] for entry in second["Contents"]] == ["a/5", "a/6"]
    assert s3.list_objects_v2(Bucket="files", MaxKeys=0)["KeyCount"] == 0


def test_buckets(s3: Any) -> None:
    s3.create_bucket(Bucket="more")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["files", "more"]
    s3.head_bucket(Bucket="more")
    assert refused(lambda: s3.create_bucket(Bucket="more")) == (409, "BucketAlreadyOwnedByYou")
    s3.put_object(Bucket="more", Key="k", Body=b"")
    assert refused(lambda: s3.delete_bucket(Bucket="more")) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="more", Key="k")
    s3.delete_bucket(Bucket="more")
    assert refused(lambda: s3.head_bucket(Bucket="more"))[0] == 404
    assert refused(lambda: s3.list_objects_v2(Bucket="more")) == (404, "NoSuchBucket")
    assert refused(lambda: s3.get_object(Bucket="files", Key="no")) == (404, "NoSuchKey")
    assert refused(lambda: s3.get_bucket_acl(Bucket="files")) == (501, "NotImplemented")


def test_copy_keeps_or_replaces_metadata(s3: Any) -> None:
    s3.put_object(Bucket="files", Key="ü 1", Body=b"x", Metadata={"a": "1"})
    source = {"Bucket": "files", "Key": "ü 1"}
    s3.copy_object(Bucket="files", Key="kept", CopySource=source)
    s3.copy_object(
        Bucket="files",
        Key="new",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"b": "2"},
    )
    assert s3.head_object(Bucket="files", Key="kept")["Metadata"] == {"a": "1"}
    assert s3.head_object(Bucket="files", Key="new")["Metadata"] == {"b": "2"}


def test_a_file_goes_up_in_parts_and_down_again(s3: Any, objects: Objects) -> None:
    from boto3.s3.transfer import TransferConfig

    content = bytes(range(256)) * 50_000
    config = TransferConfig(multipart_threshold=1, multipart_chunksize=5 * 1024 * 1024)
    s3.upload_fileobj(io.BytesIO(content), "files", "big", Config=config)
    stored = objects.head("files", "big")
    assert stored is not None
    assert stored.etag.endswith("-3")
    taken = io.BytesIO()
    s3.download_fileobj("files", "big", taken, Config=config)
    assert taken.getvalue() == content
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="files")


def test_parts_by_hand(s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="files", Key="k")["UploadId"]
    named = {"Bucket": "files", "Key": "k", "UploadId": upload}
    etag = s3.upload_part(**named, PartNumber=2, Body=b"two")["ETag"]
    assert [p["PartNumber"] for p in s3.list_parts(**named)["Parts"]] == [2]
    assert s3.list_multipart_uploads(Bucket="files")["Uploads"][0]["UploadId"] == upload
    wrong = {"Parts": [{"PartNumber": 2, "ETag": '"00"'}]}
    refusal = refused(lambda: s3.complete_multipart_upload(**named, MultipartUpload=wrong))
    assert refusal == (400, "InvalidPart")
    right = {"Parts": [{"PartNumber": 2, "ETag": etag}]}
    s3.complete_multipart_upload(**named, MultipartUpload=right)
    assert s3.get_object(Bucket="files", Key="k")["Body"].read() == b"two"
    gone = refused(lambda: s3.abort_multipart_upload(**named))
    assert gone == (404, "NoSuchUpload")


@pytest.mark.parametrize("signing", [True, False])
@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
def test_every_way_boto3_signs_a_body(
    connect: Callable[..., Any], signing: bool, checksums: str
) -> None:
    s3 = connect(
        s3={"addressing_style": "path", "payload_signing_enabled": signing},
        request_checksum_calculation=checksums,
    )
    content = b"x" * 300_000
    s3.put_object(Bucket="files", Key="bytes", Body=content)
    s3.put_object(Bucket="files", Key="file", Body=io.BytesIO(content))
    s3.put_object(Bucket="files", Key="sum", Body=content, ChecksumAlgorithm="SHA256")
    for key in ("bytes", "file", "sum"):
        assert s3.get_object(Bucket="files", Key=key)["Body"].read() == content


def test_presigned_urls(s3: Any) -> None:
    put = s3.generate_presigned_url("put_object", {"Bucket": "files", "Key": "ü k"}, ExpiresIn=60)
    request = urllib.request.Request(put, data=b"by url", method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    get = s3.generate_presigned_url("get_object", {"Bucket": "files", "Key": "ü k"}, ExpiresIn=60)
    with urllib.request.urlopen(get, timeout=60) as answer:
        assert answer.read() == b"by url"
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(get.replace("%20k", "%20j"), timeout=60)
    assert refusal.value.code == 403
    refusal.value.close()


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (Keys("AKLOCAL", "wrong"), "SignatureDoesNotMatch"),
        (Keys("AKOTHER", "a/secret+key"), "InvalidAccessKeyId"),
    ],
)
def test_wrong_keys_open_nothing(connect: Callable[..., Any], keys: Keys, code: str) -> None:
    s3 = connect(keys)
    assert refused(lambda: s3.list_objects_v2(Bucket="files")) == (403, code)
    assert refused(lambda: s3.put_object(Bucket="files", Key="k", Body=b"x")) == (403, code)


def test_what_is_not_signed_is_refused(endpoint: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{endpoint}/files", timeout=60)
    assert refusal.value.code == 403
    assert b"<Code>AccessDenied</Code>" in refusal.value.read()
    refusal.value.close()


def test_bytes_that_were_changed_on_the_way_are_refused(s3: Any, objects: Objects) -> None:
    def corrupt(request: Any, **_: Any) -> None:
        request.body = b"changed"

    s3.meta.events.register("before-send.s3.PutObject", corrupt)
    answer = refused(lambda: s3.put_object(Bucket="files", Key="k", Body=b"content"))
    assert answer == (400, "BadDigest")
    assert objects.head("files", "k") is None
