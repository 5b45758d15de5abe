"""Pages and assets: only what is missing travels, a lost reply is settled."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import requests
from responses import matchers

from tests.support.waiting import until
from xswarm_deploy.errors import StepFailed
from xswarm_deploy.services import files as static
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.files import manifest, pages_files
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.pages import Commit, PagesDeployment, Rules

BASE = "https://api.cloudflare.test/client/v4"
A = f"{BASE}/accounts/acc"
P = f"{A}/pages/projects/site"


@pytest.fixture
def cloudflare(fake_time: Any, api: Any) -> Cloudflare:
    return Cloudflare(Http("Cloudflare", BASE, {}, clock=fake_time.clock), "acc")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<h1>hi</h1>\n")
    (tmp_path / "copy.html").write_text("<h1>hi</h1>\n")
    (tmp_path / "style.css").write_text("body{}")
    return tmp_path


def ok(result: Any) -> dict[str, Any]:
    return {"success": True, "errors": [], "result": result}


def no(code: int) -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": "no"}], "result": None}


def item(
    identifier: str,
    status: str = "success",
    created: str = "1",
    stage: str = "deploy",
    message: str = "",
) -> Any:
    return {
        "id": identifier,
        "environment": "production",
        "url": f"https://{identifier}.site.test",
        "created_on": created,
        "latest_stage": {"name": stage, "status": status},
        "deployment_trigger": {
            "metadata": {"branch": "main", "commit_hash": "abc", "commit_message": message}
        },
    }


def test_a_project_is_there_or_not(cloudflare: Cloudflare, api: Any) -> None:
    api.get(P, json=ok({"production_branch": "main", "canonical_deployment": {"id": "d1"}}))
    api.get(f"{A}/pages/projects/other", status=404, json=no(8000007))
    project = cloudflare.pages.project("site")
    assert project is not None
    assert (project.production_branch, project.canonical_deployment) == ("main", "d1")
    assert cloudflare.pages.project("other") is None


def test_a_project_read_ahead_counts_once_and_never_past_a_change(
    cloudflare: Cloudflare, api: Any
) -> None:
    asked = api.get(P, json=ok({"production_branch": "main"}))
    api.post(f"{P}/deployments", json=ok(item("d2")))
    api.post(f"{P}/deployments/d1/rollback", json=ok({}))
    api.delete(P, json=ok(None))
    pages = cloudflare.pages
    pages.read_ahead("site")
    assert [pages.project("site") and asked.call_count for _ in range(2)] == [1, 2]
    changes: tuple[Callable[[], object], ...] = (
        lambda: pages.create_deployment("site", {}, RELEASE),
        lambda: pages.rollback_deployment("site", "d1"),
        lambda: pages.delete_project("site"),
    )
    for count, change in enumerate(changes, start=2):
        pages.read_ahead("site")
        until(lambda: asked.call_count == 2 * count - 1)  # noqa: B023 - within this round
        change()
        pages.project("site")
        assert asked.call_count == 2 * count


def test_creating_a_project_whose_reply_was_lost(cloudflare: Cloudflare, api: Any) -> None:
    api.post(f"{A}/pages/projects", body=requests.ConnectionError())
    api.get(P, json=ok({"production_branch": "main"}))
    cloudflare.pages.create_project("site", "main")


def test_only_missing_files_travel_each_content_once(
    cloudflare: Cloudflare, api: Any, folder: Path
) -> None:
    files = pages_files(folder)
    css = next(file for file in files if file.path == "/style.css")
    token = matchers.header_matcher({"Authorization": "Bearer j.w.t"})
    api.get(f"{P}/upload-token", json=ok({"jwt": "j.w.t"}))
    hashes = {"hashes": list({file.hash: 0 for file in files})}
    both = [token, matchers.json_params_matcher(hashes)]
    api.post(f"{BASE}/pages/assets/check-missing", match=both, json=ok([css.hash]))
    upload = api.post(f"{BASE}/pages/assets/upload", match=[token], json=ok(None))
    api.post(f"{BASE}/pages/assets/upsert-hashes", match=both, json=ok(None))
    told: list[tuple[int, int]] = []
    sent = cloudflare.pages.upload("site", files, lambda done, total: told.append((done, total)))
    assert sent == 1
    size = sum({file.hash: file.size for file in files}.values())
    assert told == [(size - css.size, size), (size, size)]
    assert json.loads(upload.calls[0].request.body) == [
        {
            "key": css.hash,
            "value": base64.b64encode(b"body{}").decode(),
            "metadata": {"contentType": "text/css"},
            "base64": True,
        }
    ]


def test_an_expired_upload_token_is_fetched_anew(
    cloudflare: Cloudflare, api: Any, folder: Path
) -> None:
    api.get(f"{P}/upload-token", json=ok({"jwt": "old.w.t"}))
    api.get(f"{P}/upload-token", json=ok({"jwt": "new.w.t"}))
    fresh = matchers.header_matcher({"Authorization": "Bearer new.w.t"})
    stale = matchers.header_matcher({"Authorization": "Bearer old.w.t"})
    missing = f"{BASE}/pages/assets/check-missing"
    api.post(missing, match=[stale], status=403, json=no(8000013))
    api.post(missing, match=[fresh], json=ok([]))
    api.post(f"{BASE}/pages/assets/upsert-hashes", match=[fresh], json=ok(None))
    assert cloudflare.pages.upload("site", pages_files(folder)) == 0


def form(request: Any) -> dict[str, str]:
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + request.body).walk()
    named = {str(part.get_param("name", "", "content-disposition")): part for part in parts}
    return {name: str(part.get_payload()) for name, part in named.items() if name}


def test_a_deployment_carries_manifest_commit_and_rules(
    cloudflare: Cloudflare, api: Any, folder: Path
) -> None:
    api.get(f"{P}/deployments", json=ok([]))
    post = api.post(f"{P}/deployments", json=ok({"id": "d1", "url": "https://d1.test"}))
    taken = manifest(pages_files(folder))
    commit = Commit("main", "abc", "a release", dirty=True)
    made = cloudflare.pages.create_deployment("site", taken, commit, Rules("/*\n  X: 1", "/a /b"))
    assert made.id == "d1"
    sent = form(post.calls[0].request)
    assert json.loads(sent.pop("manifest")) == taken
    assert sent == {
        "branch": "main",
        "commit_hash": "abc",
        "commit_message": "a release",
        "commit_dirty": "true",
        "_headers": "/*\n  X: 1",
        "_redirects": "/a /b",
    }


RELEASE = Commit("main", message="release r2")


def test_a_lost_deployment_that_was_made_is_not_made_twice(
    cloudflare: Cloudflare, api: Any
) -> None:
    post = api.post(f"{P}/deployments", body=requests.ConnectionError())
    others = [item("d3", created="3"), item("d1")]  # of the same branch, made by somebody else
    api.get(f"{P}/deployments", json=ok([*others, item("d2", created="2", message="release r2")]))
    assert cloudflare.pages.create_deployment("site", {}, RELEASE).id == "d2"
    assert post.call_count == 1


def test_a_lost_deployment_that_was_not_made_is_made(cloudflare: Cloudflare, api: Any) -> None:
    api.post(f"{P}/deployments", status=502)
    api.get(f"{P}/deployments", json=ok([item("d1")]))
    api.post(f"{P}/deployments", json=ok({"id": "d2"}))
    assert cloudflare.pages.create_deployment("site", {}, RELEASE).id == "d2"


MADE = PagesDeployment("d1", "production", "https://d1.site.test", stage="deploy", status="active")


def test_what_is_live_when_it_is_made_is_not_asked_for(cloudflare: Cloudflare, api: Any) -> None:
    live = MADE._replace(status="success")
    assert cloudflare.pages.finished("site", live) == live


def test_waiting_ends_when_it_is_live(cloudflare: Cloudflare, api: Any, fake_time: Any) -> None:
    api.get(f"{P}/deployments/d1", json=ok(item("d1", "active")))
    api.get(f"{P}/deployments/d1", json=ok(item("d1")))
    assert cloudflare.pages.finished("site", MADE).live
    assert fake_time.slept == [0.1, pytest.approx(0.15)]


@pytest.mark.parametrize("stage", ["build", "deploy"])
def test_waiting_ends_when_it_failed(cloudflare: Cloudflare, api: Any, stage: str) -> None:
    api.get(f"{P}/deployments/d1", json=ok(item("d1", "failure", stage=stage)))
    api.get(f"{P}/deployments/d1/history/logs", status=403, json=no(10000))
    with pytest.raises(StepFailed, match=f"stage {stage}: failure$"):
        cloudflare.pages.finished("site", MADE)


def test_a_failed_deployment_says_why(cloudflare: Cloudflare, api: Any) -> None:
    lines = [
        {"ts": "1", "line": "Uploading"},
        {"ts": "2", "line": "Error: R2 bucket 'x' not found"},
    ]
    api.get(f"{P}/deployments/d1", json=ok(item("d1", "failure")))
    api.get(f"{P}/deployments/d1/history/logs", json=ok({"total": 2, "data": lines}))
    with pytest.raises(StepFailed, match=r"failure: Error: R2 bucket 'x' not found$"):
        cloudflare.pages.finished("site", MADE)


def test_waiting_has_an_end(cloudflare: Cloudflare, api: Any, fake_time: Any) -> None:
    api.get(f"{P}/deployments/d1", json=ok(item("d1", "active")))
    with pytest.raises(StepFailed, match="did not end"):
        cloudflare.pages.finished("site", MADE, seconds=10)
    assert sum(fake_time.slept) <= 10


def test_what_wrangler_made_is_found_when_the_list_has_it(
    cloudflare: Cloudflare, api: Any, fake_time: Any
) -> None:
    older = {"metadata": {"branch": "main", "commit_message": "release 1"}}
    newer = {"metadata": {"branch": "main", "commit_message": "release 2"}}
    listed = [item("d1") | {"deployment_trigger": older}]
    api.get(f"{P}/deployments", json=ok(listed))
    api.get(f"{P}/deployments", json=ok([item("d2") | {"deployment_trigger": newer}, *listed]))
    found = cloudflare.pages.made_of("site", Commit("main", "", "release 2"))
    assert (found.id, fake_time.slept) == ("d2", [1])
    with pytest.raises(StepFailed, match="no deployment of this release"):
        cloudflare.pages.made_of("site", Commit("main", "", "release 3"))


def test_rollback_and_list(cloudflare: Cloudflare, api: Any) -> None:
    api.post(f"{P}/deployments/d1/rollback", json=ok(item("d1")))
    api.get(f"{P}/deployments", json=ok([item("d1", created="1"), item("d2", created="2")]))
    cloudflare.pages.rollback_deployment("site", "d1")
    newest = cloudflare.pages.deployments("site")[0]
    assert newest == PagesDeployment(
        "d2", "production", "https://d2.site.test", "2", "main", "abc", "", "deploy", "success"
    )


SESSION = f"{A}/workers/scripts/boss-ai/assets-upload-session"


def test_assets_that_are_all_there_need_no_upload(
    cloudflare: Cloudflare, api: Any, folder: Path
) -> None:
    api.post(SESSION, json=ok({"jwt": "a.b.c", "buckets": []}))
    assert cloudflare.assets.upload("boss-ai", pages_files(folder)).reveal() == "a.b.c"


def test_assets_travel_in_the_buckets_asked_for(
    cloudflare: Cloudflare, api: Any, folder: Path
) -> None:
    files = static.asset_files(folder)
    html, css = files[0], files[2]
    opened = {"jwt": "s.e.s", "buckets": [[html.hash], [css.hash]]}
    session = api.post(SESSION, json=ok(opened))
    match = [
        matchers.query_param_matcher({"base64": "true"}),
        matchers.header_matcher({"Authorization": "Bearer s.e.s"}),
    ]
    upload = api.post(f"{A}/workers/assets/upload", match=match, json=ok({}))
    api.post(f"{A}/workers/assets/upload", match=match, json=ok({"jwt": "d.o.ne"}))
    assert cloudflare.assets.upload("boss-ai", files).reveal() == "d.o.ne"
    manifest_sent = json.loads(session.calls[0].request.body)["manifest"]
    assert manifest_sent["/style.css"] == {"hash": css.hash, "size": 6}
    sent = b"".join(call.request.body for call in api.calls[1:])
    assert base64.b64encode(b"body{}") in sent
    assert b"text/css; charset=utf-8" in sent
    assert upload.call_count == 1


def test_an_upload_that_ends_without_a_token_is_no_success(
    cloudflare: Cloudflare, api: Any, folder: Path
) -> None:
    files = static.asset_files(folder)
    api.post(SESSION, json=ok({"jwt": "s.e.s", "buckets": [[files[0].hash]]}))
    api.post(f"{A}/workers/assets/upload", json=ok({}))
    with pytest.raises(ServiceUnavailable, match="no token"):
        cloudflare.assets.upload("boss-ai", files)
