"""R2 by its S3 API: the signature judged by botocore, the objects by a small store."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from xswarm_deploy.errors import Unavailable
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import Forbidden, NotFound
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.r2 import R2
from xswarm_deploy.services.r2 import judged as judged_by_code
from xswarm_deploy.services.sigv4 import Signer, quoted_path, quoted_query

HOST = "https://acc.r2.test"
NOW = 1_800_000_000.0
SIGNER = Signer(Secret("AKIDEXAMPLE0000", "ID"), Secret("canary/secret+key=01", "KEY"))
TEXT = some.text(some.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


def judged(method: str, url: str, body: bytes) -> str:
    """Sign with botocore: the judge."""
    from unittest import mock

    from botocore import auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    credentials = Credentials(SIGNER.access_key.reveal(), SIGNER.secret_key.reveal())
    request = AWSRequest(method=method, url=url, data=body)
    moment = datetime.fromtimestamp(NOW, UTC)
    with mock.patch.object(auth, "get_current_datetime", return_value=moment):
        auth.S3SigV4Auth(credentials, "s3", "auto").add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.slow
@given(
    method=some.sampled_from(["GET", "PUT", "DELETE"]),
    key=TEXT,
    query=some.dictionaries(TEXT, TEXT, max_size=3),
    body=some.binary(max_size=40),
)
def test_the_signature_is_botocores(
    method: str, key: str, query: dict[str, str], body: bytes
) -> None:
    path = quoted_path(f"/bucket/{key}")
    url = f"{HOST}{path}" + (f"?{quoted_query(query)}" if query else "")
    ours = SIGNER.headers(method, "acc.r2.test", path, query, body, NOW)
    assert ours["Authorization"] == judged(method, url, body)


class Store:
    """An S3 of one bucket, in memory, behind `responses`."""

    def __init__(self, api: Any) -> None:
        self.objects: dict[str, bytes] = {}
        self.page = 1000
        pattern = re.compile(re.escape(HOST) + "/.*")
        for method in ("GET", "PUT", "DELETE"):
            api.add_callback(method, pattern, self.answer)

    def answer(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
        key = unquote(urlsplit(request.url).path.removeprefix("/bucket").removeprefix("/"))
        if request.method == "PUT":
            self.objects[key] = request.body or b""
            return 200, {}, b""
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return 204, {}, b""
        if not key:
            return 200, {}, self.listing(request.params)
        if key not in self.objects:
            return 404, {}, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"
        return 200, {}, self.objects[key]

    def listing(self, query: dict[str, str]) -> bytes:
        keys = sorted(k for k in self.objects if k.startswith(query.get("prefix", "")))
        start = int(query.get("continuation-token", 0))
        shown = keys[start : start + self.page]
        more = start + self.page < len(keys)
        token = f"<NextContinuationToken>{start + self.page}</NextContinuationToken>"
        entries = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(self.objects[key])}</Size>"
            "<LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
            for key in shown
        )
        body = f"{entries}{token if more else ''}"
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<ListBucketResult xmlns="{namespace}">{body}</ListBucketResult>'.encode()


@pytest.fixture
def store(api: Any) -> Store:
    return Store(api)


@pytest.fixture
def r2(fake_time: Any) -> R2:
    return R2(Http("R2", HOST, clock=fake_time.clock, judge=judged_by_code), SIGNER, "bucket")


def test_objects_are_written_read_listed_and_deleted(r2: R2, store: Store) -> None:
    store.page = 2
    for name in ("a/1 ä+b", "a/2", "a/3", "b/1"):
        r2.put(name, name.encode())
    assert r2.get("a/1 ä+b") == "a/1 ä+b".encode()
    assert [(one.key, one.size) for one in r2.objects("a/")][:2] == [("a/1 ä+b", 8), ("a/2", 3)]
    assert len(list(r2.objects())) == 4
    r2.delete("a/2")
    r2.delete("a/2")
    assert r2.get("a/2") is None


def test_the_probe_leaves_nothing(r2: R2, store: Store) -> None:
    store.objects["theirs"] = b"x"
    r2.probe()
    assert store.objects == {"theirs": b"x"}


def test_a_bucket_that_forgets_is_told(r2: R2, store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(R2, "get", lambda self, key: b"other")
    with pytest.raises(Unavailable, match="does not give back"):
        r2.probe()
    assert store.objects == {}


def test_a_missing_bucket_is_no_missing_object(r2: R2, api: Any) -> None:
    answer = "<Error><Code>NoSuchBucket</Code><Message>no bucket</Message></Error>"
    api.get(f"{HOST}/bucket/key", status=404, body=answer)
    with pytest.raises(NotFound) as caught:
        r2.get("key")
    assert (caught.value.codes, caught.value.said) == (("NoSuchBucket",), "no bucket")


def test_a_wrong_key_is_forbidden_and_not_shown(r2: R2, api: Any) -> None:
    answer = "<Error><Code>SignatureDoesNotMatch</Code><Message>canary/secret+key=01</Message>"
    api.put(f"{HOST}/bucket/key", status=403, body=answer)
    with pytest.raises(Forbidden) as caught:
        r2.put("key", b"")
    assert "canary" not in caught.value.render()


def test_a_clock_that_is_wrong_is_no_missing_permission(r2: R2, api: Any) -> None:
    """The code is S3's own (Amazon S3 API reference, error responses)."""
    answer = "<Error><Code>RequestTimeTooSkewed</Code><Message>too large</Message></Error>"
    api.put(f"{HOST}/bucket/key", status=403, body=answer)
    with pytest.raises(Forbidden) as caught:
        r2.put("key", b"")
    assert "set this machine's clock" in caught.value.remedy
