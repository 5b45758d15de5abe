"""What Next.js made at build time is where the version reads it, before the version is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.adoption.repositories import file, wrangler
from tests.bundling.test_next_cache import KEYS
from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.bundling.bundle import Bundle
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.services.multipart import Upload
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import next_cache
from xswarm_twin.edge.simulators import Answer

R2 = {"name": "NEXT_INC_CACHE_R2_BUCKET", "type": "r2_bucket", "bucket_name": "pages"}
PREFIX = {"name": "NEXT_INC_CACHE_R2_PREFIX", "type": "plain_text", "text": "shop"}
DONE = Answer(200, "OK", {}, b"")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    running = Api(tmp_path / "account")
    try:
        yield running
    finally:
        running.session.close()
        running.stop()


@pytest.fixture
def site(api: Api, settings: Callable[..., Settings], tmp_path: Path) -> Site:
    """Return a Worker that OpenNext has built."""
    file(tmp_path, "worker/wrangler.jsonc", wrangler(main=".open-next/worker.js"))
    for name in KEYS:
        file(tmp_path, f"worker/.open-next/cache/{name}", json.dumps({"of": name}))
    values = {
        "CLOUDFLARE_API_BASE_URL": api.base,
        "CLOUDFLARE_API_TOKEN": ACCOUNT.token,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT.id,
    }
    project = {"worker": {"name": "shop", "config": "worker/wrangler.jsonc"}}
    return Site(settings(project, **values), ReleaseState({"release": "r1"}))


def bound_to(*bindings: Mapping[str, Any]) -> Upload:
    return Upload({"bindings": list(bindings)}, (), "x")


@pytest.mark.parametrize(
    ("bindings", "begin"), [([R2], "incremental-cache"), ([R2, PREFIX], "shop")]
)
def test_a_bucket_is_filled(
    site: Site, api: Api, bindings: list[dict[str, Any]], begin: str
) -> None:
    api.result("POST", "A/r2/buckets", json={"name": "pages"})
    next_cache.fill(site, bound_to(*bindings))
    for name, end in KEYS.items():
        there = api.call("GET", f"A/r2/buckets/pages/objects/{begin}/B1/{end}")
        assert there.json() == {"of": name}


@pytest.mark.parametrize("inherited", [False, True])
def test_a_namespace_is_filled(site: Site, api: Api, inherited: bool) -> None:
    """It may have no id in wrangler's file: then the version that is live says which it is."""
    made = api.result("POST", "A/storage/kv/namespaces", json={"title": "pages"})["id"]
    named = {"name": "NEXT_INC_CACHE_KV", "type": "kv_namespace", "namespace_id": made}
    if inherited:
        version = api.worker("shop", bindings=[named])
        named = {"name": named["name"], "type": "inherit", "version_id": version}
    api.edge.answers += [DONE] * len(KEYS)
    next_cache.fill(site, bound_to(named))
    written = {one.path: one.body for one in api.edge.questions if one.method == "PUT"}
    assert len(written) == len(KEYS)
    for name, end in KEYS.items():
        (body,) = (body for path, body in written.items() if end in path)
        assert json.loads(body or b"") == {"of": name}


def test_what_is_not_written_ends_the_release(site: Site) -> None:
    with pytest.raises(ServiceError):
        next_cache.fill(site, bound_to(R2))  # there is no such bucket


def test_a_worker_without_such_a_binding_is_asked_nothing(site: Site, api: Api) -> None:
    next_cache.fill(site, bound_to({"name": "FILES", "type": "r2_bucket", "bucket_name": "files"}))
    assert api.edge.questions == []


@pytest.mark.parametrize(
    ("binding", "told"),
    [(R2, "3 pages and data of its build go to NEXT_INC_CACHE_R2_BUCKET"), (PREFIX, "")],
)
def test_a_plan_tells_it(site: Site, binding: dict[str, Any], told: str) -> None:
    future: Future[Bundle] = Future()
    future.set_result(Bundle(bound_to(binding).body(), "digest"))
    site.__dict__.update(bundling=future)
    assert next_cache.told(site) == told
