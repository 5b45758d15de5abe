"""What of S3 the twin offers and what not, judged by boto3."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.twin.objects.test_s3 import refused
from tests.twin.objects.whole import Objects

GUIDE = Path(__file__).parents[3] / "deployment/docs/guide/twin.md"
ORIGIN = "https://shop.example"
CORS = {
    "CORSRules": [
        {
            "AllowedOrigins": ["https://*.example"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["content-*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        }
    ]
}
LIFECYCLE = {
    "Rules": [
        {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {"Prefix": "logs/"},
            "Expiration": {"Days": 30},
        }
    ]
}
NOT_OFFERED: dict[str, dict[str, Any]] = {
    "get_bucket_acl": {},
    "put_bucket_acl": {"ACL": "private"},
    "get_bucket_versioning": {},
    "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Enabled"}},
    "get_bucket_tagging": {},
    "get_bucket_policy": {},
    "get_bucket_website": {},
    "get_bucket_logging": {},
    "get_bucket_replication": {},
    "get_bucket_notification_configuration": {},
    "get_public_access_block": {},
    "get_object_lock_configuration": {},
    "list_object_versions": {},
    "get_object_acl": {"Key": "k"},
    "get_object_tagging": {"Key": "k"},
    "put_object_tagging": {"Key": "k", "Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}},
    "get_object_attributes": {"Key": "k", "ObjectAttributes": ["ETag"]},
    "get_object_retention": {"Key": "k"},
    "restore_object": {"Key": "k"},
}
REFUSED_IN_PART: dict[str, tuple[str, dict[str, Any]]] = {
    "tags": ("put_object", {"Key": "k", "Body": b"x", "Tagging": "a=1"}),
    "keys of the caller": (
        *("put_object",),
        {"Key": "k", "Body": b"x", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32},
    ),
    "a part": ("get_object", {"Key": "k", "PartNumber": 1}),
}


def test_what_is_not_offered_says_so_by_name_and_changes_nothing(s3: Any, objects: Objects) -> None:
    s3.put_object(Bucket="files", Key="k", Body=b"content")
    before = objects.head("files", "k")
    for name, more in NOT_OFFERED.items():
        told = refused(partial(getattr(s3, name), Bucket="files", **more))
        assert told == (501, "NotImplemented"), name
    for name, (call, more) in REFUSED_IN_PART.items():
        told = refused(partial(getattr(s3, call), Bucket="files", **more))
        assert told == (501, "NotImplemented"), name
    assert objects.head("files", "k") == before
    assert s3.exceptions  # the client is still good
    with pytest.raises(Exception, match="GetBucketVersioning is not implemented"):
        s3.get_bucket_versioning(Bucket="files")


def test_the_guide_lists_what_is_not_offered() -> None:
    text = GUIDE.read_text()
    for word in ("versioning", "tags", "ACL", "object locks", "policies", "customer"):
        assert word in text, word


def test_cors_is_kept_and_applied(s3: Any, endpoint: str) -> None:
    missing = refused(lambda: s3.get_bucket_cors(Bucket="files"))
    assert missing == (404, "NoSuchCORSConfiguration")
    s3.put_bucket_cors(Bucket="files", CORSConfiguration=CORS)
    assert s3.get_bucket_cors(Bucket="files")["CORSRules"] == CORS["CORSRules"]
    url = s3.generate_presigned_url("put_object", {"Bucket": "files", "Key": "k"})
    told = preflight(url, ORIGIN, "PUT", "Content-Type")
    assert told["Access-Control-Allow-Origin"] == ORIGIN
    assert told["Access-Control-Allow-Headers"] == "Content-Type"
    assert told["Access-Control-Max-Age"] == "60"
    for origin, method, headers in (
        ("https://shop.test", "PUT", ""),
        (ORIGIN, "DELETE", ""),
        (ORIGIN, "PUT", "X-Other"),
    ):
        with pytest.raises(HTTPError) as refusal:
            preflight(url, origin, method, headers)
        assert refusal.value.code == 403
        refusal.value.close()
    s3.put_object(Bucket="files", Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", {"Bucket": "files", "Key": "k"})
    asked = urllib.request.Request(url, headers={"Origin": ORIGIN})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Access-Control-Expose-Headers"] == "ETag"
    wrong = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["PATCH"]}]}
    told = refused(lambda: s3.put_bucket_cors(Bucket="files", CORSConfiguration=wrong))
    assert told == (400, "InvalidRequest")
    s3.delete_bucket_cors(Bucket="files")
    assert refused(lambda: s3.get_bucket_cors(Bucket="files"))[0] == 404


def test_the_lifecycle_is_kept(s3: Any) -> None:
    missing = refused(lambda: s3.get_bucket_lifecycle_configuration(Bucket="files"))
    assert missing == (404, "NoSuchLifecycleConfiguration")
    s3.put_bucket_lifecycle_configuration(Bucket="files", LifecycleConfiguration=LIFECYCLE)
    kept = s3.get_bucket_lifecycle_configuration(Bucket="files")["Rules"]
    assert kept == LIFECYCLE["Rules"]
    wrong = {"Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}}]}
    told = refused(
        lambda: s3.put_bucket_lifecycle_configuration(Bucket="files", LifecycleConfiguration=wrong)
    )
    assert told == (400, "MalformedXML")
    s3.delete_bucket_lifecycle(Bucket="files")
    s3.create_bucket(Bucket="other")
    s3.put_bucket_lifecycle_configuration(Bucket="other", LifecycleConfiguration=LIFECYCLE)
    s3.delete_bucket(Bucket="other")
    s3.create_bucket(Bucket="other")
    assert refused(lambda: s3.get_bucket_lifecycle_configuration(Bucket="other"))[0] == 404
    rule = s3.get_bucket_encryption(Bucket="files")["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_parts_are_copied_and_listed_by_pages(s3: Any) -> None:
    s3.put_object(Bucket="files", Key="source", Body=b"0123456789")
    named = {"Bucket": "files", "Key": "k"}
    upload = s3.create_multipart_upload(**named)["UploadId"]
    source = {"CopySource": {"Bucket": "files", "Key": "source"}}
    etags = [
        s3.upload_part_copy(
            **named, **source, UploadId=upload, PartNumber=number, CopySourceRange=wanted
        )["CopyPartResult"]["ETag"]
        for number, wanted in ((1, "bytes=5-9"), (2, "bytes=0-4"))
    ]
    pages = s3.get_paginator("list_parts").paginate(
        **named, UploadId=upload, PaginationConfig={"PageSize": 1}
    )
    parts = [part for page in pages for part in page["Parts"]]
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [(1, 5), (2, 5)]
    told = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": told})
    assert s3.get_object(**named)["Body"].read() == b"5678901234"
    begun = {s3.create_multipart_upload(Bucket="files", Key=f"u{n}")["UploadId"] for n in range(3)}
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket="files", PaginationConfig={"PageSize": 1}
    )
    assert {one["UploadId"] for page in pages for one in page.get("Uploads", ())} == begun


def test_a_copy_has_conditions(s3: Any) -> None:
    etag = s3.put_object(Bucket="files", Key="a", Body=b"x")["ETag"]
    copy = {"Bucket": "files", "Key": "b", "CopySource": {"Bucket": "files", "Key": "a"}}
    assert refused(lambda: s3.copy_object(**copy, CopySourceIfMatch='"00"'))[0] == 412
    assert refused(lambda: s3.copy_object(**copy, CopySourceIfNoneMatch=etag))[0] == 412
    s3.copy_object(**copy, CopySourceIfMatch=etag)
    itself = refused(lambda: s3.copy_object(**{**copy, "Key": "a"}))
    assert itself == (400, "InvalidRequest")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_come_back(s3: Any, algorithm: str) -> None:
    put = s3.put_object(Bucket="files", Key="k", Body=b"123456789", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket="files", Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    plain = s3.head_object(Bucket="files", Key="k")
    assert f"Checksum{algorithm}" not in plain


@pytest.mark.parametrize(("name", "right"), [("CRC32C", "4waSgw=="), ("CRC64NVME", "rosUhgp5mIg=")])
def test_checksums_without_a_library_are_verified(
    connect: Callable[..., Any], name: str, right: str
) -> None:
    s3 = connect(request_checksum_calculation="when_required")
    body = {"Bucket": "files", "Key": "k", "Body": b"123456789"}
    wrong = refused(lambda: s3.put_object(**body, **{f"Checksum{name}": "AAAAAA=="}))
    assert wrong == (400, "BadDigest")
    s3.put_object(**body, **{f"Checksum{name}": right})


def preflight(url: str, origin: str, method: str, headers: str) -> Any:
    """Ask as a browser does before a page of an origin may ask."""
    told = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        told["Access-Control-Request-Headers"] = headers
    request = urllib.request.Request(url, method="OPTIONS", headers=told)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers
