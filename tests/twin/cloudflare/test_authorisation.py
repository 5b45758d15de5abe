from __future__ import annotations

import json

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api


@pytest.mark.parametrize(
    ("token", "refused"),
    [
        ("", (400, 9106)),
        ("Bearer", (400, 6003)),
        ("Bearer two words", (400, 6003)),
        (f"Basic {ACCOUNT.token}", (400, 6003)),
        ("Bearer wrong", (401, 10000)),
    ],
)
def test_a_wrong_token_is_refused(settled: Api, token: str, refused: tuple[int, int]) -> None:
    headers = {"Authorization": token}
    assert settled.refused("GET", "/user", headers=headers) == refused
    assert settled.refused("DELETE", "A/workers/scripts/shop", headers=headers) == refused


def test_a_header_of_no_form_is_named(api: Api) -> None:
    (error,) = api.call("GET", "/user", headers={"Authorization": "Bearer"}).json()["errors"]
    assert [cause["code"] for cause in error["error_chain"]] == [6111]


def test_a_wrong_token_is_not_verified(settled: Api) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    assert settled.refused("GET", "/user/tokens/verify", headers=wrong) == (401, 1000)


def test_another_account_is_refused(api: Api) -> None:
    assert api.refused("GET", f"/accounts/{'0' * 32}/workers/scripts") == (403, 10000)


def test_the_token_is_verified_for_the_user_and_for_the_account(api: Api) -> None:
    for path in ("/user/tokens/verify", "A/tokens/verify"):
        result = api.result("GET", path)
        assert result["status"] == "active"
        assert ACCOUNT.token not in json.dumps(result)
        (message,) = api.call("GET", path).json()["messages"]
        assert (message["code"], message["message"]) == (
            10000,
            "This API Token is valid and active",
        )


def test_the_account_is_told_with_paging(api: Api) -> None:
    body = api.call("GET", "/accounts?page=1").json()
    assert [account["id"] for account in body["result"]] == [ACCOUNT.id]
    assert body["result_info"]["total_count"] == 1
    memberships = api.result("GET", "/memberships?page=1")
    assert memberships[0]["account"]["id"] == ACCOUNT.id


def test_an_unknown_path_and_a_wrong_method_come_in_the_envelope(api: Api) -> None:
    assert api.refused("GET", "A/nothing/here") == (404, 7003)
    assert api.refused("PATCH", "/user") == (405, 10405)


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("POST", "vectorize/v2/indexes/docs/query", "vectors in Vectorize"),
        ("POST", "d1/database/some/time_travel/restore", "time travel"),
        ("GET", "r2/buckets/files/domains/custom", "public addresses"),
        ("PUT", "workers/dispatch/namespaces/all/scripts/shop", "dispatch namespaces"),
        ("GET", "mtls_certificates/c/associations", "certificates"),
    ],
)
def test_what_the_twin_does_not_have_is_refused_by_name(
    api: Api, method: str, path: str, what: str
) -> None:
    answer = api.call(method, f"A/{path}")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (403, 10403)
    assert error["message"].startswith("The local twin has no ")
    assert what in error["message"]


def test_every_call_is_logged_without_its_body(api: Api) -> None:
    api.worker()
    api.call("PUT", "A/workers/scripts/shop/secrets", json=secret("API_KEY", "the-hidden-text"))
    api.call("GET", "A/workers/scripts/other/secrets")
    text = (api.state / "calls.jsonl").read_text()
    calls = [json.loads(line) for line in text.splitlines()]
    assert [(call["method"], call["status"]) for call in calls] == [
        ("PUT", 200),
        ("PUT", 200),
        ("GET", 404),
    ]
    assert all(call["ms"] > 0 and call["path"].startswith("/client/v4/") for call in calls)
    assert "the-hidden-text" not in text
    assert ACCOUNT.token not in text


def secret(name: str, text: str) -> dict[str, str]:
    return {"name": name, "text": text, "type": "secret_text"}
