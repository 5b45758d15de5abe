from __future__ import annotations

from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import BROKEN, Api

SCRIPT = "A/workers/scripts/shop"
LATEST = "A/workers/workers/shop/versions/latest"


def secret(name: str, text: str) -> dict[str, str]:
    return {"name": name, "text": text, "type": "secret_text"}


def served(api: Api) -> dict[str, Any]:
    """Return the secrets of what serves now, by name."""
    (version,) = api.edge.deployed["shop"]
    return {b["name"]: b["text"] for b in api.edge.bindings[version] if b["type"] == "secret_text"}


def names(api: Api) -> set[str]:
    return {one["name"] for one in api.result("GET", f"{SCRIPT}/secrets")}


def test_an_edit_makes_a_new_version_and_serves_it(api: Api) -> None:
    first = api.worker()
    api.result("PUT", f"{SCRIPT}/secrets", json=secret("KEY", "one"))
    assert served(api) == {"KEY": "one"}
    assert first not in api.edge.deployed["shop"]
    changes = {"KEY": secret("KEY", "two"), "MORE": secret("MORE", "three")}
    api.result("PATCH", f"{SCRIPT}/secrets-bulk", json={"secrets": changes})
    assert served(api) == {"KEY": "two", "MORE": "three"}
    api.result("PATCH", f"{SCRIPT}/secrets-bulk", json={"secrets": {"MORE": None, "NONE": None}})
    assert served(api) == {"KEY": "two"}
    api.result("DELETE", f"{SCRIPT}/secrets/KEY?url_encoded=true")
    assert served(api) == {}
    assert api.refused("DELETE", f"{SCRIPT}/secrets/KEY") == (404, 10056)
    assert len(api.result("GET", f"{SCRIPT}/versions")["items"]) == 5


def test_an_edit_beside_an_undeployed_version_is_refused(api: Api) -> None:
    first, second = api.worker(), api.version()
    one = secret("KEY", "one")
    bulk = {"secrets": {"KEY": one}}
    assert api.refused("PUT", f"{SCRIPT}/secrets", json=one) == (400, 10215)
    assert api.refused("PATCH", f"{SCRIPT}/secrets-bulk", json=bulk) == (400, 10214)
    api.deploy("shop", (second, 50), (first, 50))
    assert api.refused("PATCH", f"{SCRIPT}/secrets-bulk", json=bulk) == (400, 10214)
    assert names(api) == set()
    api.deploy("shop", (second, 100))
    api.result("PATCH", f"{SCRIPT}/secrets-bulk", json=bulk)
    assert names(api) == {"KEY"}


def test_a_version_that_differs_in_secrets_only_is_not_deployed(api: Api) -> None:
    first = api.worker(bindings=[secret("OLD", "zero")])
    body = {
        "env": {"KEY": {"type": "secret_text", "text": "one"}, "OLD": None},
        "annotations": {"workers/message": "why", "workers/tag": None},
    }
    version = api.result("PATCH", LATEST, json=body)["id"]
    assert api.edge.deployed["shop"] == {first: 100}
    assert names(api) == {"KEY"}
    told = api.result("GET", f"{SCRIPT}/versions/{version}")
    assert told["annotations"] == {"workers/triggered_by": "secret", "workers/message": "why"}
    api.deploy("shop", (version, 100))
    assert served(api) == {"KEY": "one"}


def test_going_back_to_other_secrets_must_be_forced(api: Api) -> None:
    first = api.worker(bindings=[secret("KEY", "one")])
    second = api.version(bindings=[secret("KEY", "two"), secret("MORE", "x")])
    assert api.deploy("shop", (second, 0), (first, 100)).status_code == 200
    assert api.deploy("shop", (second, 50), (first, 50)).status_code == 200
    assert api.deploy("shop", (first, 100)).status_code == 200, "the end of a canary is no rollback"
    assert api.deploy("shop", (second, 100)).status_code == 200
    refused = api.deploy("shop", (first, 100)).json()["errors"][0]
    assert refused == {"code": 10220, "message": "The following secrets have changed: KEY, MORE"}
    assert api.edge.deployed["shop"] == {second: 100}
    assert api.deploy("shop", (first, 100), query="?force=true").status_code == 200
    assert served(api) == {"KEY": "one"}


def test_going_back_to_the_same_secrets_needs_no_force(api: Api) -> None:
    first = api.worker(bindings=[secret("KEY", "one")])
    second = api.version(keep_bindings=["secret_text"])
    api.deploy("shop", (second, 100))
    assert api.deploy("shop", (first, 100)).status_code == 200


def test_a_secret_that_keeps_the_worker_from_starting_changes_nothing(api: Api) -> None:
    first = api.worker()
    broken = secret("KEY", BROKEN.decode())
    assert api.refused("PUT", f"{SCRIPT}/secrets", json=broken) == (400, 10021)
    assert api.edge.deployed["shop"] == {first: 100}
    assert names(api) == set()
    assert len(api.result("GET", f"{SCRIPT}/deployments")["deployments"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 10026),
        ({"name": "KEY", "text": 1, "type": "secret_text"}, 10026),
        ({"name": "KEY", "type": "secret_text"}, 10026),
        ({"name": "", "text": "x", "type": "secret_text"}, 10052),
        ({"name": "KEY", "text": "x", "type": "plain_text"}, 10021),
        ({"name": "WORD", "text": "x", "type": "secret_text"}, 10053),
        ({"name": "KEY", "text": "x" * 5121, "type": "secret_text"}, 10054),
        ([], 10026),
    ],
)
def test_a_wrong_secret_is_refused(settled: Api, body: Any, code: int) -> None:
    assert settled.refused("PUT", f"{SCRIPT}/secrets", json=body) == (400, code)
    assert names(settled) == set()


@pytest.mark.parametrize("env", [[], {"KEY": "x"}, {"KEY": {"type": "assets"}}, {"KEY": {}}])
def test_a_wrong_edit_of_the_latest_version_is_refused(settled: Api, env: Any) -> None:
    assert settled.refused("PATCH", LATEST, json={"env": env})[0] == 400
    assert len(settled.result("GET", f"{SCRIPT}/versions")["items"]) == 1


def test_secrets_of_an_unknown_worker(api: Api) -> None:
    assert api.refused("GET", f"{SCRIPT}/secrets") == (404, 10007)
    assert api.refused("PUT", f"{SCRIPT}/secrets", json=secret("A", "b")) == (404, 10007)
    assert api.refused("PATCH", LATEST, json={"env": {}}) == (404, 10007)
