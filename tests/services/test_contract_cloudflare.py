"""The Cloudflare client against its stand-in, which the real wrangler judges in its own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.services.twin import Twin
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.errors import Conflict, Invalid, NotFound, Unauthorised
from xswarm_deploy.services.files import manifest, pages_files
from xswarm_deploy.services.multipart import Module, Upload
from xswarm_deploy.services.pages import Commit, Rules

pytestmark = pytest.mark.slow

NAME = "contract"
CODE = b"export default { fetch(q, env) { return new Response(env.KEY || 'none') } }"


def form(code: bytes = CODE, tag: str = "r1") -> Upload:
    """Return an upload as wrangler writes it."""
    metadata: dict[str, Any] = {
        "main_module": "index.js",
        "bindings": [{"name": "LEVEL", "type": "plain_text", "text": "1"}],
        "compatibility_date": "2026-01-01",
        "keep_bindings": ["secret_text", "secret_key"],
    }
    module = Module("index.js", "application/javascript+module", code)
    return Upload(metadata, (module,), "----contract").with_annotations("a contract", tag)


@pytest.fixture
def cloudflare(twin: Twin) -> Iterator[Cloudflare]:
    client = twin.site().cloudflare
    yield client
    twin.clear()
    client.delete_worker(NAME)


@pytest.fixture
def first(cloudflare: Cloudflare) -> str:
    made = form().with_secrets({"KEY": Secret("canary-one", "KEY")})
    return cloudflare.create_worker(NAME, made.body(), made.headers)


def upload(cloudflare: Cloudflare, made: Upload, tag: str = "") -> str:
    return cloudflare.upload_version(NAME, made.body(), made.headers, tag).id


def test_cron_triggers_replace_each_other(cloudflare: Cloudflare, first: str) -> None:
    cloudflare.set_schedules(NAME, ["0 2 * * *", "*/5 * * * *"])
    assert cloudflare.schedules(NAME) == ["0 2 * * *", "*/5 * * * *"]
    with pytest.raises(Invalid):
        cloudflare.set_schedules(NAME, ["daily"])
    cloudflare.set_schedules(NAME, [])
    assert cloudflare.schedules(NAME) == []


def test_the_token_and_its_account(cloudflare: Cloudflare) -> None:
    assert cloudflare.verify_token().status == "active"
    assert [account["id"] for account in cloudflare.accounts()] == [cloudflare.account_id]


def test_a_wrong_token_is_refused_and_not_shown(twin: Twin) -> None:
    wrong = "canary_wrong_cloudflare_token_01"
    with pytest.raises(Unauthorised) as caught:
        twin.site(CLOUDFLARE_API_TOKEN=wrong).cloudflare.verify_token()
    assert wrong not in caught.value.render()


def test_a_worker_that_is_not_there(cloudflare: Cloudflare) -> None:
    assert not cloudflare.worker_exists(NAME)
    assert cloudflare.deployments(NAME) == []
    assert cloudflare.versions(NAME) == []
    assert cloudflare.secrets(NAME) == []
    cloudflare.delete_worker(NAME)


def test_a_workers_life(cloudflare: Cloudflare, first: str) -> None:
    assert cloudflare.worker_exists(NAME)
    assert cloudflare.deployments(NAME)[0].split == {first: 100.0}
    assert cloudflare.secrets(NAME) == ["KEY"]
    second = cloudflare.version(NAME, upload(cloudflare, form(tag="r2")))
    assert (second.tag, second.secret_names) == ("r2", ("KEY",))
    assert cloudflare.versions(NAME)[0].id == second.id
    made = cloudflare.deploy(NAME, {second.id: 10, first: 90}, "canary")
    newest = cloudflare.deployments(NAME)[0]
    assert (newest.id, newest.split, newest.message) == (
        made,
        {second.id: 10.0, first: 90.0},
        "canary",
    )
    cloudflare.deploy(NAME, {second.id: 100})
    assert [one.split for one in cloudflare.deployments(NAME)][:1] == [{second.id: 100.0}]
    cloudflare.delete_worker(NAME)
    assert not cloudflare.worker_exists(NAME)


def test_secrets_become_a_version_that_is_not_deployed(cloudflare: Cloudflare, first: str) -> None:
    changes = {"NEW": Secret("canary-two", "NEW"), "KEY": None}
    version = cloudflare.patch_latest_secrets(NAME, changes, "rotate", "r3")
    assert cloudflare.version(NAME, version).secret_names == ("NEW",)
    assert cloudflare.deployments(NAME)[0].split == {first: 100.0}


def test_a_script_that_does_not_start_is_refused(cloudflare: Cloudflare, first: str) -> None:
    with pytest.raises(Invalid) as caught:
        upload(cloudflare, form(b"this is no script"))
    assert caught.value.codes == ("10021",)
    assert cloudflare.deployments(NAME)[0].split == {first: 100.0}


def test_subdomains(cloudflare: Cloudflare, first: str) -> None:
    assert cloudflare.account_subdomain()
    for enabled in (False, True):
        cloudflare.set_subdomain(NAME, enabled=enabled, previews_enabled=True)
        assert cloudflare.worker_subdomain(NAME).enabled is enabled


def test_an_upload_whose_reply_is_lost_is_found(
    twin: Twin, cloudflare: Cloudflare, first: str
) -> None:
    twin.cloudflare_fault("POST", "/versions", "reset_after")
    made = upload(cloudflare, form(tag="lost"), tag="lost")
    tagged = [version.id for version in cloudflare.versions(NAME) if version.tag == "lost"]
    assert tagged == [made]


@pytest.mark.parametrize("fault", ["reset", "reset_after", "bad_json", "status:500"])
def test_a_deployment_in_doubt_ends_as_wanted(
    twin: Twin, cloudflare: Cloudflare, first: str, fault: str
) -> None:
    second = upload(cloudflare, form(tag="r2"))
    twin.cloudflare_fault("POST", "/deployments", fault)
    made = cloudflare.deploy(NAME, {second: 100})
    newest, *older = cloudflare.deployments(NAME)
    assert (newest.id, newest.split) == (made, {second: 100.0})
    assert all(one.split == {first: 100.0} for one in older)


# Pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(30):
        (tmp_path / f"{number}.html").write_text(f"<p>{number}</p>")
    (tmp_path / "index.html").write_text("one")
    return tmp_path


def test_a_pages_projects_life(twin: Twin, cloudflare: Cloudflare, folder: Path) -> None:
    pages, name = cloudflare.pages, "xswarm-boss"
    pages.delete_project(name)
    assert pages.project(name) is None
    pages.create_project(name, "main")
    assert pages.upload(name, pages_files(folder)) == 31
    first = pages.create_deployment(
        name, manifest(pages_files(folder)), Commit("main", "abc", "one"), Rules("/*\n  X-A: b\n")
    )
    assert pages.finished(name, first).live
    (folder / "index.html").write_text("two")
    assert pages.upload(name, pages_files(folder)) == 1
    second = pages.create_deployment(name, manifest(pages_files(folder)), Commit("main"))
    pages.finished(name, second)
    assert {one.id for one in pages.deployments(name)} == {first.id, second.id}
    assert served(twin) == ("two", None)
    pages.rollback_deployment(name, first.id)
    assert served(twin) == ("one", "b")
    with pytest.raises(NotFound):
        pages.deployment(name, "00000000-0000-4000-8000-000000000000")
    pages.delete_project(name)
    pages.delete_project(name)


def served(twin: Twin) -> tuple[str, str | None]:
    with requests.Session() as session:
        session.trust_env = False
        reply = session.get(twin.settings().text("BASE_URL"), timeout=60)
    return reply.text, reply.headers.get("X-A")


def test_a_pages_deployment_whose_reply_is_lost_is_found(
    twin: Twin, cloudflare: Cloudflare, folder: Path
) -> None:
    pages, name = cloudflare.pages, "xswarm-boss"
    pages.create_project(name, "main")
    pages.upload(name, pages_files(folder))
    twin.cloudflare_fault("POST", "/deployments", "reset_after")
    made = pages.create_deployment(name, manifest(pages_files(folder)), Commit("main"))
    assert [one.id for one in pages.deployments(name)] == [made.id]
    pages.delete_project(name)


# R2


def test_a_buckets_life_by_both_faces(twin: Twin, cloudflare: Cloudflare) -> None:
    objects = twin.site().objects
    assert cloudflare.bucket(objects.bucket) is None
    cloudflare.create_bucket(objects.bucket)
    cloudflare.create_bucket(objects.bucket)
    assert objects.bucket in cloudflare.buckets()
    objects.probe()
    assert list(objects.objects()) == []
    for key in ("a/ä +b.txt", "a/2", "b"):
        objects.put(key, key.encode())
    assert objects.get("a/ä +b.txt") == "a/ä +b.txt".encode()
    assert [one.key for one in objects.objects("a/")] == ["a/2", "a/ä +b.txt"]
    with pytest.raises(Conflict):
        cloudflare.delete_bucket(objects.bucket)
    for one in list(objects.objects()):
        objects.delete(one.key)
    assert objects.get("b") is None
    cloudflare.delete_bucket(objects.bucket)
    cloudflare.delete_bucket(objects.bucket)
