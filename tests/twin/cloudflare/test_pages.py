from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import Api

PROJECTS = "A/pages/projects"
SITE = f"{PROJECTS}/site"


def make(api: Api) -> None:
    api.result("POST", PROJECTS, data=json.dumps({"name": "site", "production_branch": "main"}))


def token(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.result('GET', f'{SITE}/upload-token')['jwt']}"}


def upload(api: Api, **files: bytes) -> None:
    body = [
        {
            "key": f"hash-of-{name}",
            "value": base64.b64encode(content).decode(),
            "metadata": {"contentType": "text/html"},
            "base64": True,
        }
        for name, content in files.items()
    ]
    api.result("POST", "/pages/assets/upload", json=body, headers=token(api))


def publish(api: Api, *names: str, **fields: Any) -> Any:
    manifest = json.dumps({f"/{name}": f"hash-of-{name}" for name in names})
    parts = {"manifest": (None, manifest), **{k: (None, v) for k, v in fields.items()}}
    return api.call("POST", f"{SITE}/deployments", files=parts)


def test_a_project_is_made_once(api: Api) -> None:
    assert api.refused("GET", SITE) == (404, 8000007)
    make(api)
    assert api.refused("POST", PROJECTS, json={"name": "site"}) == (409, 8000002)
    assert api.refused("POST", PROJECTS, json={"name": "Not A Name"}) == (400, 8000001)
    told = api.result("GET", SITE)
    assert (told["production_branch"], told["domains"]) == ("main", ["127.0.0.1:8002"])
    listed = api.call("GET", f"{PROJECTS}?per_page=10&page=1").json()
    assert [project["name"] for project in listed["result"]] == ["site"]
    assert listed["result_info"]["total_pages"] == 1
    assert api.result("GET", f"{PROJECTS}?per_page=10&page=2") == []


def test_files_are_uploaded_published_and_listed(api: Api) -> None:
    make(api)
    hashes = {"hashes": ["hash-of-a", "hash-of-b"]}
    missing = api.result("POST", "/pages/assets/check-missing", json=hashes, headers=token(api))
    assert missing == ["hash-of-a", "hash-of-b"]
    upload(api, a=b"<h1>a</h1>")
    missing = api.result("POST", "/pages/assets/check-missing", json=hashes, headers=token(api))
    assert missing == ["hash-of-b"]
    assert (
        api.result("POST", "/pages/assets/upsert-hashes", json=hashes, headers=token(api)) is None
    )
    made = publish(api, "a", branch="main", commit_hash="abc", _redirects="/old /a 301").json()
    served = api.edge.pages["site"]
    assert served.files["/a"].file.read_bytes() == b"<h1>a</h1>"
    assert served.files["/a"].media_type == "text/html"
    assert served.redirects == "/old /a 301"
    listed = api.result("GET", f"{SITE}/deployments")
    assert [one["id"] for one in listed] == [made["result"]["id"]]
    assert listed[0]["deployment_trigger"]["metadata"]["commit_hash"] == "abc"
    assert listed[0]["latest_stage"]["status"] == "success"
    one = api.result("GET", f"{SITE}/deployments/{made['result']['id']}")
    assert one["url"] == f"http://{one['id'][:8]}.site.localhost:8002"


def test_another_branch_is_a_preview(api: Api) -> None:
    make(api)
    upload(api, a=b"a")
    first = publish(api, "a").json()["result"]
    preview = publish(api, "a", branch="feature").json()["result"]
    assert (first["environment"], preview["environment"]) == ("production", "preview")
    assert api.edge.pages["site"].id == first["id"]
    assert api.edge.published == [first["id"], preview["id"]]
    assert api.result("GET", SITE)["canonical_deployment"]["id"] == first["id"]
    assert api.result("GET", SITE)["latest_deployment"]["id"] == preview["id"]
    filtered = api.result("GET", f"{SITE}/deployments?env=production")
    assert [one["id"] for one in filtered] == [first["id"]]
    assert api.refused("POST", f"{SITE}/deployments/{preview['id']}/rollback")[0] == 400


def test_an_earlier_deployment_comes_back_and_outlives_a_restart(api: Api) -> None:
    make(api)
    upload(api, a=b"a", b=b"b")
    first, second = publish(api, "a").json()["result"], publish(api, "b").json()["result"]
    assert api.edge.pages["site"].id == second["id"]
    back = api.result("POST", f"{SITE}/deployments/{first['id']}/rollback")
    assert back["id"] == first["id"]
    assert api.edge.pages["site"].id == first["id"]
    api.restart()
    assert api.edge.pages["site"].id == first["id"]
    assert api.edge.published == [first["id"], second["id"]]
    assert api.result("GET", SITE)["canonical_deployment"]["id"] == first["id"]


def test_what_serves_is_not_deleted(api: Api) -> None:
    make(api)
    upload(api, a=b"a")
    first, second = (publish(api, "a").json()["result"]["id"] for _ in range(2))
    assert api.refused("DELETE", f"{SITE}/deployments/{second}") == (400, 8000034)
    assert api.result("DELETE", f"{SITE}/deployments/{first}") is None
    assert api.edge.published == [second]
    assert api.edge.pages["site"].id == second
    assert api.refused("GET", f"{SITE}/deployments/{first}") == (404, 8000009)
    assert api.result("DELETE", SITE) is None
    assert api.edge.pages == {}
    assert api.refused("GET", f"{SITE}/deployments") == (404, 8000007)


def test_a_wrong_or_expired_token_is_8000013(api: Api) -> None:
    make(api)
    api.twin.tokens.lifetime = -1
    for headers in (token(api), {}, {"Authorization": "Bearer a.b.c"}):
        for path in ("check-missing", "upload", "upsert-hashes"):
            call = api.refused("POST", f"/pages/assets/{path}", json={}, headers=headers)
            assert call == (401, 8000013)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"branch": (None, "main")}, 8000096),
        ({"manifest": (None, "{")}, 10026),
        ({"manifest": (None, "[]")}, 10026),
        ({"manifest": (None, '{"/a": "unknown"}')}, 8000096),
        ({"manifest": (None, '{"/a": 1}')}, 8000096),
        ({"manifest": (None, b"\xff")}, 10026),
    ],
)
def test_a_wrong_deployment_is_refused(settled: Api, parts: Any, code: int) -> None:
    assert settled.refused("POST", f"{SITE}/deployments", files=parts) == (400, code)
    assert settled.result("GET", f"{SITE}/deployments") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [1],
        [{"key": "x", "value": "eA=="}],
        [{"key": "x", "value": "?", "base64": True}],
        [{"key": 1, "value": "eA==", "base64": True}],
        [{"key": "x", "value": "eA==", "base64": True, "metadata": []}],
    ],
)
def test_wrong_files_are_refused(settled: Api, body: Any) -> None:
    headers = token(settled)
    call = settled.refused("POST", "/pages/assets/upload", json=body, headers=headers)
    assert call == (400, 10026)


def test_variables_of_a_project_are_kept_and_secrets_are_not_told(api: Api) -> None:
    make(api)
    given = {
        "KEY": {"type": "secret_text", "value": "the-hidden-text"},
        "PLAIN": {"type": "plain_text", "value": "seen"},
    }
    changed = api.call(
        "PATCH", SITE, json={"deployment_configs": {"production": {"env_vars": given}}}
    )
    assert "the-hidden-text" not in changed.text
    told = api.result("GET", SITE)["deployment_configs"]
    assert told["production"]["env_vars"]["PLAIN"] == given["PLAIN"]
    assert told["production"]["env_vars"]["KEY"]["type"] == "secret_text"
    assert "env_vars" not in told["preview"]
    removed = {"deployment_configs": {"production": {"env_vars": {"KEY": None}}}}
    told = api.result("PATCH", SITE, json=removed)["deployment_configs"]
    assert list(told["production"]["env_vars"]) == ["PLAIN"]
    wrong: dict[str, Any] = {"deployment_configs": {"production": {"env_vars": {"KEY": {}}}}}
    assert api.refused("PATCH", SITE, json=wrong) == (400, 10026)
    assert api.refused("PATCH", SITE, json={"banana": 1}) == (400, 10026)


def test_functions_bound_to_what_is_not_there_make_a_deployment_that_fails(api: Api) -> None:
    make(api)
    upload(api, a=b"a")
    live = publish(api, "a").json()["result"]
    bucket = {"name": "FILES", "type": "r2_bucket", "bucket_name": "none"}
    metadata = {"main_module": "index.js", "bindings": [bucket], "compatibility_date": "2026-01-01"}
    texts = {"metadata": json.dumps(metadata), "index.js": "export default {}"}
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in texts.items()
    ]
    bundle = "".join([*parts, "--B--\r\n"])
    failed = publish(api, "a", **{"_worker.bundle": bundle}).json()["result"]
    stage = failed["latest_stage"]
    assert (stage["name"], stage["status"]) == ("deploy", "failure")
    log = api.result("GET", f"{SITE}/deployments/{failed['id']}/history/logs")["data"]
    assert "Failed to publish your Function. Got error: R2 bucket 'none'" in log[-1]["line"]
    told = api.result("GET", SITE)
    assert told["canonical_deployment"]["id"] == live["id"]
    assert told["latest_deployment"]["id"] == failed["id"]
    back = api.refused("POST", f"{SITE}/deployments/{failed['id']}/rollback")
    assert back == (400, 8000096)
