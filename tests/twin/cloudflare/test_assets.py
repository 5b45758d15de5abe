from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import Api
from xswarm_twin.cloudflare.store import Store

SESSION = "A/workers/scripts/shop/assets-upload-session"
UPLOAD = "A/workers/assets/upload?base64=true"
PAGE, STYLE = b"<h1>hello</h1>", b"body {}"


def hashed(name: str) -> str:
    """Return a hash of the form that wrangler's have."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def start(api: Api, **files: bytes) -> Any:
    manifest = {f"/{n}": {"hash": hashed(n), "size": len(c)} for n, c in files.items()}
    return api.result("POST", SESSION, json={"manifest": manifest})


def upload(api: Api, token: str, **files: bytes) -> Any:
    parts = [
        (hashed(n), (hashed(n), base64.b64encode(content), "text/html"))
        for n, content in files.items()
    ]
    return api.call("POST", UPLOAD, files=parts, headers={"Authorization": f"Bearer {token}"})


def complete(api: Api, **files: bytes) -> str:
    return str(upload(api, start(api, **files)["jwt"], **files).json()["result"]["jwt"])


def test_files_are_uploaded_and_served_with_a_version(api: Api) -> None:
    session = start(api, page=PAGE, style=STYLE)
    assert session["buckets"] == [[hashed("page"), hashed("style")]]
    first = upload(api, session["jwt"], page=PAGE)
    assert (first.status_code, first.json()["result"]) == (200, {})
    last = upload(api, session["jwt"], style=STYLE)
    assert last.status_code == 201
    api.worker(assets={"jwt": last.json()["result"]["jwt"], "config": {"_headers": "/*\n A: b"}})
    assets = api.edge.validated[-1].assets
    assert assets is not None
    assert assets.files["/page"].file.read_bytes() == PAGE
    assert assets.files["/page"].media_type == "text/html"
    assert assets.config == {"_headers": "/*\n A: b"}


def test_known_files_are_not_asked_for_again(api: Api) -> None:
    complete(api, page=PAGE)
    session = start(api, page=PAGE)
    assert session["buckets"] == []
    api.worker(assets={"jwt": session["jwt"]})
    assert start(api, page=PAGE, style=STYLE)["buckets"] == [[hashed("style")]]


def test_a_worker_may_have_files_only(api: Api) -> None:
    metadata = {"assets": {"jwt": complete(api, page=PAGE)}, "compatibility_date": "2026-01-01"}
    parts = [("metadata", (None, json.dumps(metadata), "application/json"))]
    api.result("PUT", "A/workers/scripts/shop", files=parts)
    assert api.edge.validated[-1].main_module is None
    assert api.edge.validated[-1].modules == ()


def test_files_are_kept_on_demand(api: Api) -> None:
    api.worker(assets={"jwt": complete(api, page=PAGE)})
    api.version(keep_assets=True)
    kept = api.edge.validated[-1].assets
    assert kept is not None
    assert list(kept.files) == ["/page"]
    api.version()
    assert api.edge.validated[-1].assets is None


def test_a_token_is_three_parts_with_an_expiry(api: Api) -> None:
    _, payload, _ = start(api, page=PAGE)["jwt"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert 3000 < claims["exp"] - time.time() <= 3600


def test_an_expired_token_is_refused(api: Api) -> None:
    api.twin.tokens.lifetime = -1
    token = start(api, page=PAGE)["jwt"]
    refused = upload(api, token, page=PAGE)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (401, 10000)


def test_a_forged_token_is_refused(api: Api) -> None:
    token = start(api, page=PAGE)["jwt"]
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"exp": 10**10}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    for wrong in (f"{header}.{forged}.{signature}", "", "a.b.c", "x", token[:-2]):
        assert upload(api, wrong, page=PAGE).status_code == 401


def test_the_session_must_be_complete_and_of_this_worker(api: Api) -> None:
    unfinished = start(api, page=PAGE)["jwt"]
    assert api.upload("shop", method="PUT", assets={"jwt": unfinished}).status_code == 400
    finished = complete(api, page=PAGE)
    assert api.upload("other", method="PUT", assets={"jwt": finished}).status_code == 400
    assert api.upload("shop", method="PUT", assets={"jwt": finished}).status_code == 200


def test_a_file_that_was_not_announced_is_refused(api: Api) -> None:
    token = start(api, page=PAGE)["jwt"]
    assert upload(api, token, style=STYLE).status_code == 400
    assert start(api, page=PAGE, style=STYLE)["buckets"] == [[hashed("page"), hashed("style")]]


def test_a_wrong_manifest_or_file_is_refused(api: Api) -> None:
    wrong: list[Any] = [[], {"/p": 1}, {"/p": {"hash": "x"}}, {"p": {"hash": "x", "size": 1}}]
    for manifest in wrong:
        assert api.refused("POST", SESSION, json={"manifest": manifest}) == (400, 10026)
    oversized = {"/p": {"hash": "x", "size": 26 * 1024 * 1024}}
    assert api.refused("POST", SESSION, json={"manifest": oversized}) == (400, 10026)
    token = start(api, page=PAGE)["jwt"]
    parts = [(hashed("page"), (hashed("page"), b"not base64!", "text/html"))]
    headers = {"Authorization": f"Bearer {token}"}
    assert api.refused("POST", UPLOAD, files=parts, headers=headers) == (400, 10026)


def test_an_upload_outlives_a_restart(api: Api) -> None:
    token = start(api, page=PAGE)["jwt"]
    api.restart()
    finished = upload(api, token, page=PAGE).json()["result"]["jwt"]
    api.restart()
    api.worker(assets={"jwt": finished})


def test_each_upload_asks_for_its_own_files_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a site of 10,000 files would be looked through at each of its 200 uploads."""
    records: list[int] = []
    find = Store.find

    def counted(store: Store, kind: type[Any], key: str, owner: str = "") -> Any:
        records.append(1)
        return find(store, kind, key, owner)

    monkeypatch.setattr(Store, "find", counted)
    counts = []
    for size in (100, 200):
        files = {f"{size}-{number}": b"x" for number in range(size)}
        token = start(api, **files)["jwt"]
        records.clear()
        names = list(files)
        for at in range(0, size, 10):
            ended = upload(api, token, **dict.fromkeys(names[at : at + 10], b"x"))
        assert ended.status_code == 201
        counts.append(len(records))
    assert counts[1] <= 2 * counts[0] + 10


def test_an_upload_goes_on_after_a_restart(api: Api) -> None:
    session = start(api, page=PAGE, style=STYLE)
    upload(api, session["jwt"], page=PAGE)
    api.twin.open_assets.clear()
    assert upload(api, session["jwt"], style=STYLE).status_code == 201
