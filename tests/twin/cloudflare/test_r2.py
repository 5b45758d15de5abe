from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.twin.cloudflare.stand_in import Api
from xswarm_twin.cloudflare import r2

BUCKETS = "A/r2/buckets"
FILES = f"{BUCKETS}/files"


def test_buckets_are_made_listed_and_deleted(api: Api) -> None:
    assert api.refused("GET", FILES) == (404, 10006)
    api.result("POST", BUCKETS, data='{"name": "files", "locationHint": "weur"}')
    assert api.refused("POST", BUCKETS, json={"name": "files"}) == (409, 10004)
    for name in ("x", "Files", "-files", "a" * 64):
        assert api.refused("POST", BUCKETS, json={"name": name}) == (400, 10005)
    told = api.result("GET", FILES)
    assert (told["name"], told["location"]) == ("files", "WEUR")
    assert [b["name"] for b in api.result("GET", BUCKETS)["buckets"]] == ["files"]
    assert api.result("GET", f"{BUCKETS}?name_contains=other")["buckets"] == []
    api.result("PUT", f"{FILES}/objects/key", data=b"x")
    assert api.refused("DELETE", FILES) == (409, 10008)
    api.result("DELETE", f"{FILES}/objects/key")
    api.result("DELETE", FILES)
    assert api.refused("DELETE", FILES) == (404, 10006)


def test_a_bucket_changes_its_class_and_tells_how_much_it_holds(api: Api) -> None:
    api.result("POST", BUCKETS, json={"name": "files"})
    rare = {"cf-r2-storage-class": "InfrequentAccess"}
    assert api.result("PATCH", FILES, headers=rare)["storage_class"] == "InfrequentAccess"
    assert api.result("GET", FILES)["storage_class"] == "InfrequentAccess"
    wrong = {"cf-r2-storage-class": "banana"}
    assert api.refused("PATCH", FILES, headers=wrong) == (400, 10026)
    assert api.refused("PATCH", f"{BUCKETS}/other", headers=rare) == (404, 10006)
    api.result("PUT", f"{FILES}/objects/a", data=b"123")
    api.result("PUT", f"{FILES}/objects/b", data=b"4567")
    asked = {
        "query": "{ viewer { accounts { r2StorageAdaptiveGroups { max { objectCount } } } } }",
        "variables": {"filter": {"bucketName": "files"}},
    }
    (account,) = api.call("POST", "/graphql", json=asked).json()["data"]["viewer"]["accounts"]
    (group,) = account["r2StorageAdaptiveGroups"]
    assert group["max"] == {"objectCount": 2, "payloadSize": 7, "metadataSize": 0}


def test_objects_go_in_and_out_as_raw_bytes(api: Api) -> None:
    api.result("POST", BUCKETS, json={"name": "files"})
    content = os.urandom(3_000_000)
    headers = {"Content-Type": "image/png", "Cache-Control": "no-store"}
    path = f"{FILES}/objects/a/b%20c/%C3%A9.png"
    stored = api.result("PUT", path, data=pieces(content), headers=headers)
    assert (stored["key"], stored["size"]) == ("a/b c/é.png", len(content))
    got = api.call("GET", path)
    assert got.content == content
    assert got.headers["Content-Type"] == "image/png"
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["ETag"] == f'"{stored["etag"]}"'
    api.result("PUT", f"{FILES}/objects/empty", data=b"")
    assert api.call("GET", f"{FILES}/objects/empty").content == b""
    api.result("DELETE", path)
    assert api.refused("GET", path) == (404, 10007)
    assert api.call("DELETE", path).status_code == 200


def test_objects_are_listed_by_pages(api: Api) -> None:
    api.result("POST", BUCKETS, json={"name": "files"})
    for key in ("a/1", "a/2", "b/1", "c"):
        api.result("PUT", f"{FILES}/objects/{key}", data=b"x")
    first = api.call("GET", f"{FILES}/objects?per_page=3").json()
    assert [one["key"] for one in first["result"]] == ["a/1", "a/2", "b/1"]
    assert first["result_info"]["is_truncated"] is True
    cursor = first["result_info"]["cursor"]
    rest = api.call("GET", f"{FILES}/objects", params={"cursor": cursor}).json()
    assert [one["key"] for one in rest["result"]] == ["c"]
    assert rest["result_info"] == {"per_page": 20, "is_truncated": False}
    folders = api.call("GET", f"{FILES}/objects?delimiter=/").json()
    assert folders["result_info"]["delimited"] == ["a/", "b/"]
    prefixed = api.result("GET", f"{FILES}/objects?prefix=a/")
    assert [one["key"] for one in prefixed] == ["a/1", "a/2"]
    assert api.refused("GET", f"{FILES}/objects?per_page=0") == (400, 10026)
    assert api.refused("GET", f"{BUCKETS}/none/objects") == (404, 10006)


def test_an_object_needs_its_bucket_and_a_short_key(api: Api) -> None:
    assert api.refused("PUT", f"{FILES}/objects/key", data=b"x") == (404, 10006)
    assert api.refused("GET", f"{FILES}/objects/key") == (404, 10006)
    assert api.refused("DELETE", f"{FILES}/objects/key") == (404, 10006)
    api.result("POST", BUCKETS, json={"name": "files"})
    assert api.refused("PUT", f"{FILES}/objects/{'k' * 1025}", data=b"x") == (400, 10020)


def test_an_object_over_the_limit_is_413(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(r2, "MAXIMUM_OBJECT_BYTES", 1000)
    api.result("POST", BUCKETS, json={"name": "files"})
    assert api.refused("PUT", f"{FILES}/objects/key", data=b"x" * 1001) == (413, 10027)
    assert api.refused("GET", f"{FILES}/objects/key") == (404, 10007)


def pieces(content: bytes) -> Iterator[bytes]:
    """Return bytes in a chunked body, as wrangler sends them."""
    for at in range(0, len(content), 100_000):
        yield content[at : at + 100_000]
