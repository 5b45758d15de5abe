"""The client for Cloudflare: what it asks, what it makes of the answers, what it settles."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from responses import matchers

from tests.support.waiting import until
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import envelope, read_ahead
from xswarm_deploy.services.cloudflare import (
    Cloudflare,
    Deployment,
    Subdomain,
    Version,
)
from xswarm_deploy.services.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ServiceUnavailable,
    Unauthorised,
    UnexpectedReply,
)
from xswarm_deploy.services.http import Http, bearer

BASE = "https://api.cloudflare.test/client/v4"
A = f"{BASE}/accounts/acc"
W = f"{A}/workers/scripts/boss-ai"
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def cloudflare(fake_time: Any, api: Any) -> Cloudflare:
    token = Secret("canary-cf-token-001", "CLOUDFLARE_API_TOKEN")
    headers = {"Authorization": bearer(token)}
    return Cloudflare(Http("Cloudflare", BASE, headers, clock=fake_time.clock), "acc")


def ok(result: Any, **info: Any) -> dict[str, Any]:
    return {"success": True, "errors": [], "messages": [], "result": result, "result_info": info}


def no(code: int, message: str = "no") -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": message}], "result": None}


def deployment(identifier: str, created: str, **split: float) -> dict[str, Any]:
    versions = [{"version_id": key, "percentage": value} for key, value in split.items()]
    return {"id": identifier, "created_on": created, "versions": versions}


def lost() -> requests.ConnectionError:
    return requests.ConnectionError("reset after sending")


def test_the_token_is_a_users_or_an_accounts(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{BASE}/user/tokens/verify", status=401, json=no(1000))
    api.get(f"{A}/tokens/verify", json=ok({"id": "t", "status": "active", "expires_on": None}))
    assert cloudflare.verify_token().status == "active"


def test_a_bad_token_is_unauthorised(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{BASE}/user/tokens/verify", status=401, json=no(1000, "Invalid API Token"))
    api.get(f"{A}/tokens/verify", status=401, json=no(1000, "Invalid API Token"))
    with pytest.raises(Unauthorised, match="Invalid API Token"):
        cloudflare.verify_token()


def test_no_answer_about_the_token_is_no_verdict(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{BASE}/user/tokens/verify", status=500)
    with pytest.raises(ServiceUnavailable):
        cloudflare.verify_token()


@pytest.mark.parametrize("code", [10007, 10090])
def test_a_missing_worker_is_known_by_its_code(cloudflare: Cloudflare, api: Any, code: int) -> None:
    api.get(f"{A}/workers/services/boss-ai", status=404, json=no(code))
    api.get(f"{W}/deployments", status=404, json=no(code))
    api.get(f"{W}/versions", status=404, json=no(code))
    api.get(f"{W}/secrets", status=404, json=no(code))
    assert not cloudflare.worker_exists("boss-ai")
    assert cloudflare.deployments("boss-ai") == []
    assert cloudflare.versions("boss-ai") == []
    assert cloudflare.secrets("boss-ai") == []


def test_a_bare_404_is_an_error_not_an_absence(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{W}/deployments", status=404, body="<html>proxy</html>")
    with pytest.raises(NotFound):
        cloudflare.deployments("boss-ai")


def test_the_newest_deployment_is_looked_at_ahead_once_and_not_past_a_new_one(
    cloudflare: Cloudflare, api: Any
) -> None:
    def split(version: str, made: str) -> dict[str, Any]:
        shares = [{"version_id": version, "percentage": 100}]
        return {"id": f"of {version}", "created_on": made, "versions": shares}

    listed = [split("v1", "2026-01-01T00:00:00Z")]
    asked = api.get(f"{W}/deployments", json=ok({"deployments": listed}))
    cloudflare.look_ahead("boss-ai")
    newest = cloudflare.newest("boss-ai")
    assert newest
    assert newest.id == "of v1"
    assert asked.call_count == 1
    cloudflare.newest("boss-ai")
    assert asked.call_count == 2, "what was looked at ahead counts once"
    api.post(f"{W}/deployments", json=ok({"id": "d2"}))
    cloudflare.look_ahead("boss-ai")
    until(lambda: asked.call_count == 3)
    cloudflare.deploy("boss-ai", {"v1": 100.0})
    cloudflare.newest("boss-ai")
    assert asked.call_count == 4, "nothing that was seen before a deployment counts after it"


def test_settings_read_ahead_count_once_and_never_past_a_change(
    cloudflare: Cloudflare, api: Any
) -> None:
    switches = {"subdomain": {"enabled": True, "previews_enabled": False}}
    asked = [
        api.get(f"{W}/script-settings", json=ok({"logpush": True})),
        api.get(f"{A}/workers/workers/boss-ai", json=ok(switches)),
        api.get(f"{A}/workers/services/boss-ai", json=ok({})),
        api.get(f"{W}/schedules", json=ok({"schedules": []})),
        api.get(f"{W}/versions", json=ok({"items": []})),
    ]
    api.patch(f"{W}/script-settings", json=ok({}))
    api.post(f"{W}/subdomain", json=ok({"enabled": True, "previews_enabled": True}))
    api.put(f"{W}/schedules", json=ok({}))
    api.put(W, json=ok({"deployment_id": "1" * 32}))
    api.post(f"{W}/versions", json=ok({"id": "v1"}))

    def ahead() -> None:
        cloudflare.read_ahead("boss-ai")
        cloudflare.list_ahead("boss-ai")

    def read() -> list[int]:
        cloudflare.script_settings("boss-ai"), cloudflare.worker_subdomain("boss-ai")
        cloudflare.migration_tag("boss-ai"), cloudflare.schedules("boss-ai")
        cloudflare.versions("boss-ai")
        return [each.call_count for each in asked]

    ahead()
    assert read() == [1] * 5
    assert read() == [2] * 5
    ahead()
    until(lambda: [each.call_count for each in asked] == [3] * 5)
    cloudflare.set_script_settings("boss-ai", {"logpush": False})
    cloudflare.set_subdomain("boss-ai", True, True)
    cloudflare.set_schedules("boss-ai", [])
    cloudflare.create_worker("boss-ai", b"", FORM)
    cloudflare.upload_version("boss-ai", b"", FORM)
    assert read() == [4] * 5


def test_a_look_ahead_that_is_old_or_failed_is_repeated(
    cloudflare: Cloudflare, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = api.get(f"{W}/deployments", status=403, json=no(10000))
    cloudflare.look_ahead("boss-ai")
    with pytest.raises(Forbidden):
        cloudflare.newest("boss-ai")
    assert asked.call_count == 2
    monkeypatch.setattr(read_ahead, "FRESH", -1.0)
    cloudflare.look_ahead("boss-ai")
    until(lambda: asked.call_count == 3)
    with pytest.raises(Forbidden):
        cloudflare.newest("boss-ai")
    assert asked.call_count == 4


def test_deployments_come_newest_first(cloudflare: Cloudflare, api: Any) -> None:
    older = deployment("d1", "2026-01-01T00:00:00Z", **{ONE: 100})
    newer = deployment("d2", "2026-01-02T00:00:00Z", **{ONE: 90, TWO: 10})
    newer["annotations"] = {"workers/message": "canary"}
    api.get(f"{W}/deployments", json=ok({"deployments": [older, newer]}))
    first, second = cloudflare.deployments("boss-ai")
    assert (first.id, first.split, first.message) == ("d2", {ONE: 90.0, TWO: 10.0}, "canary")
    assert second == Deployment("d1", "2026-01-01T00:00:00Z", {ONE: 100.0})


def test_deploy_states_the_whole_split(cloudflare: Cloudflare, api: Any) -> None:
    wanted = {
        "strategy": "percentage",
        "versions": [
            {"version_id": ONE, "percentage": 100},
            {"version_id": TWO, "percentage": 0},
        ],
        "annotations": {"workers/message": "m" * 999},
    }
    match = [
        matchers.json_params_matcher(wanted),
        matchers.query_param_matcher({"force": "true"}),
    ]
    api.post(f"{W}/deployments", match=match, json=ok({"id": "d3"}))
    assert cloudflare.deploy("boss-ai", {ONE: 100, TWO: 0}, "m" * 999 + "é", force=True) == "d3"


def test_a_lost_deploy_that_was_applied_is_not_repeated(cloudflare: Cloudflare, api: Any) -> None:
    post = api.post(f"{W}/deployments", body=lost())
    made = deployment("d9", "2026-01-02T00:00:00Z", **{TWO: 100})
    api.get(f"{W}/deployments", json=ok({"deployments": [made]}))
    assert cloudflare.deploy("boss-ai", {TWO: 100, ONE: 0}) == "d9"
    assert post.call_count == 1


def test_a_lost_deploy_that_was_not_applied_is_said_again(cloudflare: Cloudflare, api: Any) -> None:
    api.post(f"{W}/deployments", body=lost())
    before = deployment("d1", "2026-01-01T00:00:00Z", **{ONE: 100})
    api.get(f"{W}/deployments", json=ok({"deployments": [before]}))
    api.post(f"{W}/deployments", json=ok({"id": "d2"}))
    assert cloudflare.deploy("boss-ai", {TWO: 100}) == "d2"


def test_what_was_there_before_was_not_made_by_a_lost_deploy(
    cloudflare: Cloudflare, api: Any
) -> None:
    """A version that joins at 0 % changes no share: the newest deployment looks alike before."""
    api.post(f"{W}/deployments", status=500)
    before = deployment("d1", "2026-01-01T00:00:00Z", **{ONE: 100})
    api.get(f"{W}/deployments", json=ok({"deployments": [before]}))
    api.post(f"{W}/deployments", json=ok({"id": "d2"}))
    assert cloudflare.deploy("boss-ai", {ONE: 100, TWO: 0}, known="d1") == "d2"


def test_a_refused_deploy_is_not_repeated(cloudflare: Cloudflare, api: Any) -> None:
    post = api.post(f"{W}/deployments", status=400, json=no(10220, "secrets changed"))
    with pytest.raises(Invalid) as caught:
        cloudflare.deploy("boss-ai", {ONE: 100})
    assert caught.value.codes == ("10220",)
    assert post.call_count == 1


def test_a_version_is_read_with_its_bindings(cloudflare: Cloudflare, api: Any) -> None:
    item = {
        "id": ONE,
        "number": 3,
        "metadata": {"created_on": "2026-01-01T00:00:00Z"},
        "annotations": {"workers/tag": "r7"},
        "resources": {
            "bindings": [
                {"name": "KEY", "type": "secret_text"},
                {"name": "LEVEL", "type": "plain_text", "text": "1"},
            ]
        },
    }
    api.get(f"{W}/versions/{ONE}", json=ok(item))
    version = cloudflare.version("boss-ai", ONE)
    assert (version.number, version.tag, version.secret_names) == (3, "r7", ("KEY",))


def test_upload_sends_the_form_as_it_is(cloudflare: Cloudflare, api: Any) -> None:
    match = [
        matchers.query_param_matcher({"bindings_inherit": "strict"}),
        matchers.header_matcher(FORM),
    ]
    api.post(f"{W}/versions", match=match, json=ok({"id": ONE, "startup_time_ms": 12}))
    version = cloudflare.upload_version("boss-ai", b"--b\r\n\xff--b--", FORM)
    assert (version.id, version.startup_ms) == (ONE, 12)
    assert api.calls[0].request.body == b"--b\r\n\xff--b--"


def test_a_lost_upload_is_found_by_its_tag(cloudflare: Cloudflare, api: Any) -> None:
    post = api.post(f"{W}/versions", body=lost())
    found = {"id": TWO, "metadata": {"created_on": "2"}, "annotations": {"workers/tag": "r8"}}
    api.get(f"{W}/versions", json=ok({"items": [found]}))
    api.get(f"{W}/versions/{TWO}", json=ok(found))
    assert cloudflare.upload_version("boss-ai", b"", FORM, tag="r8").id == TWO
    assert post.call_count == 1


def test_a_script_that_does_not_start_says_so(cloudflare: Cloudflare, api: Any) -> None:
    api.post(f"{W}/versions", status=400, json=no(10021, "Uncaught SyntaxError"))
    with pytest.raises(Invalid, match="Uncaught SyntaxError") as caught:
        cloudflare.upload_version("boss-ai", b"", FORM)
    assert caught.value.codes == ("10021",)


def test_creating_a_worker_gives_the_versions_id_with_hyphens(
    cloudflare: Cloudflare, api: Any
) -> None:
    query = {"excludeScript": "true", "bindings_inherit": "strict"}
    api.put(
        W,
        match=[matchers.query_param_matcher(query)],
        json=ok({"deployment_id": ONE.replace("-", "")}),
    )
    assert cloudflare.create_worker("boss-ai", b"", FORM) == ONE


def test_deleting_a_worker_that_is_gone_is_done(cloudflare: Cloudflare, api: Any) -> None:
    api.delete(W, status=404, json=no(10007))
    cloudflare.delete_worker("boss-ai")


def test_a_worker_that_was_just_made_is_waited_for(
    cloudflare: Cloudflare, api: Any, fake_time: Any
) -> None:
    """workers-sdk, issue 3347: 10007 of a Worker right after its upload."""
    switched = {"enabled": True, "previews_enabled": True}
    for _ in range(3):
        api.post(f"{W}/subdomain", status=404, json=no(10007))
    api.post(f"{W}/subdomain", json=ok(switched))
    assert cloudflare.set_subdomain("boss-ai", True, True) == Subdomain(True, True)
    assert fake_time.slept == [0.25] * 3
    api.replace("POST", f"{W}/subdomain", status=404, json=no(10007))
    with pytest.raises(NotFound):
        cloudflare.set_subdomain("boss-ai", True, True)
    assert 15 <= sum(fake_time.slept[3:]) < 16
    api.replace("POST", f"{W}/subdomain", status=404, json=no(7003))
    before = len(fake_time.slept)
    with pytest.raises(NotFound):
        cloudflare.set_subdomain("boss-ai", True, True)
    assert len(fake_time.slept) == before, "a wrong address is no Worker to come"


def test_subdomains(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{A}/workers/subdomain", json=ok({"subdomain": "xswarm"}))
    answer = {"enabled": True, "previews_enabled": False}
    api.get(f"{A}/workers/workers/boss-ai", json=ok({"subdomain": answer}))
    api.post(f"{W}/subdomain", match=[matchers.json_params_matcher(answer)], json=ok(answer))
    assert cloudflare.account_subdomain() == "xswarm"
    assert cloudflare.worker_subdomain("boss-ai") == Subdomain(True, False)
    assert cloudflare.set_subdomain("boss-ai", True, False) == Subdomain(True, False)


def test_an_account_without_a_name_under_workers_dev(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{A}/workers/subdomain", status=404, json=no(10007))
    assert cloudflare.account_subdomain() == ""


def test_a_bucket_is_looked_for_in_its_jurisdiction(cloudflare: Cloudflare, api: Any) -> None:
    within = [matchers.header_matcher({"cf-r2-jurisdiction": "eu"})]
    api.get(f"{A}/r2/buckets/files", match=within, status=404, json=no(10006))
    made = api.post(f"{A}/r2/buckets", match=within, json=ok({}))
    gone = api.delete(f"{A}/r2/buckets/files", match=within, json=ok(None))
    assert cloudflare.bucket("files", "eu") is None
    cloudflare.create_bucket("files", "eu")
    cloudflare.delete_bucket("files", "eu")
    assert (made.call_count, gone.call_count) == (1, 1)


def test_a_secret_of_the_secrets_store_is_none_of_the_workers_own() -> None:
    bindings = ({"name": "A", "type": "secret_text"}, {"name": "B", "type": "secrets_store_secret"})
    assert Version("v", bindings=bindings).secret_names == ("A",)


def test_records_are_asked_for_by_their_exact_name(cloudflare: Cloudflare, api: Any) -> None:
    query = {"name.exact": "a.example", "page": "1", "per_page": "50"}
    match = [matchers.query_param_matcher(query)]
    api.get(f"{BASE}/zones/z/dns_records", match=match, json=ok([{"id": "r", "type": "A"}]))
    assert cloudflare.dns_records("z", "a.example") == [{"id": "r", "type": "A"}]


def test_cron_triggers(cloudflare: Cloudflare, api: Any) -> None:
    answer = {"schedules": [{"cron": "* * * * *", "created_on": "", "modified_on": ""}]}
    matching = [matchers.json_params_matcher([{"cron": "* * * * *"}])]
    api.put(f"{W}/schedules", match=matching, json=ok(answer))
    api.get(f"{W}/schedules", json=ok(answer))
    cloudflare.set_schedules("boss-ai", ["* * * * *"])
    assert cloudflare.schedules("boss-ai") == ["* * * * *"]
    api.get(f"{A}/workers/scripts/absent/schedules", status=404, json=no(10007))
    assert cloudflare.schedules("absent") == []


def test_secrets_change_in_one_call_without_deploying(cloudflare: Cloudflare, api: Any) -> None:
    api.patch(f"{A}/workers/workers/boss-ai/versions/latest", json=ok({"id": TWO}))
    secrets = {"KEEP": Secret("canary-value-1", "KEEP"), "GONE": None}
    assert cloudflare.patch_latest_secrets("boss-ai", secrets, "rotate") == TWO
    request = api.calls[0].request
    assert request.headers["Content-Type"] == "application/merge-patch+json"
    assert json.loads(request.body) == {
        "env": {"KEEP": {"type": "secret_text", "text": "canary-value-1"}, "GONE": None},
        "annotations": {"workers/message": "rotate"},
    }


def test_buckets_are_listed_over_pages(cloudflare: Cloudflare, api: Any) -> None:
    api.get(
        f"{A}/r2/buckets",
        match=[matchers.query_param_matcher({"per_page": 1000})],
        json=ok({"buckets": [{"name": "a"}]}, cursor="next"),
    )
    api.get(
        f"{A}/r2/buckets",
        match=[matchers.query_param_matcher({"per_page": 1000, "cursor": "next"})],
        json=ok({"buckets": [{"name": "b"}]}),
    )
    assert cloudflare.buckets() == ["a", "b"]


def test_a_bucket_is_there_or_not(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{A}/r2/buckets/a", json=ok({"name": "a"}))
    api.get(f"{A}/r2/buckets/b", status=404, json=no(10006))
    assert cloudflare.bucket("a") == {"name": "a"}
    assert cloudflare.bucket("b") is None


def test_creating_a_bucket_that_exists_is_done(cloudflare: Cloudflare, api: Any) -> None:
    api.post(f"{A}/r2/buckets", status=409, json=no(10004))
    api.get(f"{A}/r2/buckets/a", json=ok({"name": "a"}))
    cloudflare.create_bucket("a")


def test_deleting_a_bucket(cloudflare: Cloudflare, api: Any) -> None:
    api.delete(f"{A}/r2/buckets/gone", status=404, json=no(10006))
    api.delete(f"{A}/r2/buckets/full", status=409, json=no(10008, "not empty"))
    cloudflare.delete_bucket("gone")
    with pytest.raises(Conflict, match="not empty"):
        cloudflare.delete_bucket("full")


def test_zones_and_records_over_pages(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{BASE}/zones", json=ok([{"id": "z", "name": "xswarm.ai"}], total_pages=1))
    for page in (1, 2):
        api.get(
            f"{BASE}/zones/z/dns_records",
            match=[matchers.query_param_matcher({"page": page, "per_page": 50})],
            json=ok([{"id": f"r{page}", "type": "A"}], total_pages=2),
        )
    api.get(f"{BASE}/zones/z/settings/ssl", json=ok({"id": "ssl", "value": "strict"}))
    assert cloudflare.zone("xswarm.ai") == {"id": "z", "name": "xswarm.ai"}
    assert [record["id"] for record in cloudflare.dns_records("z")] == ["r1", "r2"]
    assert cloudflare.zone_setting("z", "ssl") == "strict"


@pytest.mark.parametrize("answer", [b"[]", b'{"result": 1}', b'"x"'])
def test_what_is_no_envelope_is_no_answer(cloudflare: Cloudflare, api: Any, answer: bytes) -> None:
    api.post(f"{W}/deployments", body=answer)
    api.get(f"{W}/deployments", json=ok({"deployments": []}))
    with pytest.raises(ServiceUnavailable, match="cannot be used"):
        cloudflare.deploy("boss-ai", {ONE: 100})


def test_a_success_that_says_failure_is_a_failure(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{A}/workers/subdomain", json=no(10000, "Authentication error"))
    with pytest.raises(Invalid, match="Authentication error"):
        cloudflare.account_subdomain()


def test_names_cannot_change_the_path(cloudflare: Cloudflare, api: Any) -> None:
    api.get(f"{A}/workers/services/..%2F..%2Fuser%3Fx", json=ok({}))
    assert cloudflare.worker_exists("../../user?x")


@pytest.fixture
def judging(fake_time: Any, api: Any) -> Cloudflare:
    """Return a client as an environment has it: it looks into replies to changes."""
    made = Http("Cloudflare", BASE, {}, clock=fake_time.clock, refuses=envelope.refuses)
    return Cloudflare(made, "acc")


def test_a_change_that_is_refused_with_status_200_is_refused(judging: Cloudflare, api: Any) -> None:
    api.put(f"{W}/schedules", json=no(10100, "invalid cron string"))
    with pytest.raises(Invalid, match="code 10100, invalid cron string") as caught:
        judging.set_schedules("boss-ai", ["* * * * *"])
    assert not caught.value.in_doubt


def test_a_page_of_somebody_elses_is_no_success_of_a_change(judging: Cloudflare, api: Any) -> None:
    api.put(f"{W}/schedules", body="<html>Sign in to the network</html>")
    with pytest.raises(UnexpectedReply) as caught:
        judging.set_schedules("boss-ai", ["* * * * *"])
    assert caught.value.in_doubt


@pytest.mark.parametrize("body", ["", "null", '{"id": "1"}', json.dumps(ok(None))])
def test_a_change_may_be_answered_by_little(judging: Cloudflare, api: Any, body: str) -> None:
    api.put(f"{W}/schedules", body=body)
    judging.set_schedules("boss-ai", ["* * * * *"])
