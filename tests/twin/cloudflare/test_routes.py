"""Every route, given what no client should send, answers in the envelope and below 500."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_twin.cloudflare.app import BASE, api_routes

ROUTES = sorted((route.method, route.path) for route in api_routes())
CHANGING = [route for route in ROUTES if route[0] not in ("GET", "DELETE")]
PRESENT = {"account": ACCOUNT.id, "worker": "shop", "project": "site"}
BODIES = (
    b"",
    b"{",
    b"null",
    b"[[[]]]",
    b'"text"',
    b"{}",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"name": NaN, "env": {"A": {"type": "plain_text", "text": "\\ud800"}}}',
    b'{"name": "\\udfff", "type": "secret_text", "text": "x", "hashes": ["\\ud800"]}',
    b'{"secrets": {"\\ud800": {"name": "\\ud800", "type": "secret_text", "text": "\\ud800"}}}',
    b'{"logpush": "no", "tags": {}, "annotations": [], "strategy": 1e999}',
    b'{"name": 1, "env": 1, "secrets": 1, "versions": 1, "manifest": 1, "enabled": 1}',
    b'{"name": null, "env": {"a": []}, "secrets": {"a": 1}, "hashes": [1], "value": {}}',
)


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda name: values.get(name[1], "absent"), path)


@pytest.mark.slow
def test_junk_is_refused(settled: Api) -> None:
    for method, path in CHANGING:
        url = settled.base + filled(path, PRESENT)
        for body in BODIES:
            reply = settled.session.request(method, url, data=body, timeout=60)
            assert reply.status_code < 500 or reply.status_code == 501, (path, body[:40])
            assert reply.json()["success"] is (reply.status_code < 400), (path, body[:40])


@pytest.mark.slow
def test_what_is_absent_is_not_found(settled: Api) -> None:
    for method, path in (route for route in ROUTES if "{" in route[1]):
        for absent in ("none", "%FF", "%00", "%ED%A0%80", "%27%3B--", "..", "a" * 2000):
            values = dict.fromkeys(re.findall(r"\{(\w+)", path), absent) | {"account": ACCOUNT.id}
            reply = settled.session.request(method, settled.base + filled(path, values), json={})
            assert reply.status_code < 500, (path, absent, reply.text)
            assert isinstance(reply.json()["success"], bool), (path, absent)


def test_every_route_needs_a_token(settled: Api) -> None:
    for method, path in ROUTES:
        url = settled.base + filled(path, PRESENT)
        reply = settled.session.request(
            method, url, json={}, headers={"Authorization": "Bearer no"}, timeout=60
        )
        assert reply.status_code == 401, (method, path)


def test_the_base_is_that_of_the_service() -> None:
    assert BASE == "/client/v4"


def test_simultaneous_changes_take_turns(api: Api) -> None:
    first = api.worker()
    with ThreadPoolExecutor(8) as pool:
        uploads = [
            pool.submit(api.upload, "shop", f"export default {{ fetch() {{}} }} // {n}".encode())
            for n in range(8)
        ]
        ids = [upload.result().json()["result"]["id"] for upload in uploads]
        list(pool.map(lambda version: api.deploy("shop", (version, 100)), [*ids, first] * 2))
    listed = api.result("GET", "A/workers/scripts/shop/versions?deployable=true")["items"]
    assert [version["number"] for version in listed] == list(range(9, 0, -1))
    newest = api.result("GET", "A/workers/scripts/shop/deployments")["deployments"][0]
    (share,) = newest["versions"]
    assert api.edge.deployed["shop"] == {share["version_id"]: 100}
