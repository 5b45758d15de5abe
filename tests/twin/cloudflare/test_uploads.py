from __future__ import annotations

import os
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import BROKEN, Api, form
from xswarm_twin.cloudflare import uploads

GOOD = b"export default { fetch() {} }"
VERSIONS = "A/workers/scripts/shop/versions"


def test_the_first_upload_makes_the_worker_and_serves_it(api: Api) -> None:
    assert api.refused("GET", "A/workers/services/shop") == (404, 10090)
    version = api.worker()
    assert api.edge.deployed == {"shop": {version: 100}}
    service = api.result("GET", "A/workers/services/shop")
    script = service["default_environment"]["script"]
    assert (script["id"], script["last_deployed_from"]) == ("shop", "wrangler")
    assert [worker["id"] for worker in api.result("GET", "A/workers/scripts")] == ["shop"]


def test_a_version_needs_a_worker(api: Api) -> None:
    response = api.upload("shop")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (404, 10007)


def test_modules_reach_the_runtime_under_their_names(api: Api) -> None:
    api.worker()
    parts = [
        *form(b"import './lib/a.js'; export default { fetch() {} }"),
        ("lib/a.js", ("lib/a.js", b"export {}", "application/javascript+module")),
        ("./0a1b-words.txt", ("./0a1b-words.txt", b"words", "text/plain")),
        ("data.bin", ("data.bin", bytes(range(256)), "application/octet-stream")),
    ]
    api.result("POST", VERSIONS, files=parts)
    version = api.edge.validated[-1]
    read = {module.name: module.path.read_bytes() for module in version.modules}
    assert read["0a1b-words.txt"] == b"words"
    assert read["lib/a.js"] == b"export {}"
    assert read["data.bin"] == bytes(range(256))
    assert all(module.path == version.folder / module.name for module in version.modules)


def test_a_script_that_does_not_start_is_10021_and_nothing_is_stored(api: Api) -> None:
    first = api.worker()
    response = api.upload("shop", BROKEN)
    assert response.status_code == 400
    assert response.json()["errors"] == [
        {"code": 10021, "message": "index.js:1: this does not start"}
    ]
    direct = api.upload("other", BROKEN, method="PUT")
    assert direct.json()["errors"][0]["code"] == 10021
    listed = api.result("GET", VERSIONS)["items"]
    assert [version["id"] for version in listed] == [first]
    assert api.refused("GET", "A/workers/services/other") == (404, 10090)
    assert api.edge.deployed == {"shop": {first: 100}}


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"main_module": "absent.js"}, 10021),
        ({"main_module": None}, 10021),
        ({"main_module": 5}, 10026),
        ({"main_module": "../index.js"}, 10021),
        ({"body_part": "index.js"}, 10021),
        ({"compatibility_date": "yesterday"}, 10021),
        ({"compatibility_date": "2999-01-01"}, 10021),
        ({"compatibility_flags": "nodejs_compat"}, 10026),
        ({"compatibility_flags": [1]}, 10026),
        ({"bindings": {}}, 10026),
        ({"bindings": ["text"]}, 10026),
        ({"bindings": [{"type": "plain_text", "text": "x"}]}, 10052),
        ({"bindings": [{"name": "A", "type": "plain_text"}]}, 10021),
        ({"bindings": [{"name": "A", "type": "kv_namespace", "namespace_id": "x"}]}, 10041),
        ({"bindings": [{"name": "A", "type": "wasm_module", "part": "x"}]}, 10021),
        ({"bindings": [{"name": "A", "type": "d1", "id": "x"}]}, 10181),
        ({"bindings": [{"name": "A", "type": "queue", "queue_name": "x"}]}, 11000),
        ({"bindings": [{"name": "A", "type": "service", "service": "x"}]}, 10143),
        ({"bindings": [{"name": "A", "type": "hyperdrive", "id": "x"}]}, 10157),
        ({"bindings": [{"name": "A", "type": "dispatch_namespace", "namespace": "x"}]}, 100119),
        ({"bindings": [{"name": "A", "type": "vectorize", "index_name": "x"}]}, 10159),
        ({"bindings": [{"name": "A", "type": "mtls_certificate", "certificate_id": "x"}]}, 10021),
        ({"bindings": [{"name": "A", "type": "pipelines", "stream": "x"}]}, 10021),
        ({"bindings": [{"name": "A", "type": "pipelines"}]}, 10021),
        (
            {"bindings": [{"name": "A", "type": "durable_object_namespace", "class_name": "X"}]},
            10061,
        ),
        ({"bindings": [{"name": "A"}]}, 10021),
        ({"bindings": [{"name": "A", "type": "assets"}] * 2}, 10053),
        ({"bindings": [{"name": "A", "type": "plain_text", "text": "x" * 5121}]}, 10054),
        ({"bindings": [{"name": "A", "type": "json", "json": ["x" * 5121]}]}, 10054),
        (
            {"bindings": [{"name": f"A{n}", "type": "plain_text", "text": ""} for n in range(129)]},
            10055,
        ),
        ({"bindings": [{"name": "A", "type": "r2_bucket", "bucket_name": "none"}]}, 10085),
        ({"keep_bindings": [None]}, 10026),
        ({"annotations": {"workers/tag": 1}}, 10026),
        ({"assets": {"jwt": "a.b.c"}}, 10021),
        ({"placement": {"mode": "banana"}}, 10021),
        ({"usage_model": "banana"}, 10021),
        ({"keep_bindings": ["banana"]}, 10021),
        ({"limits": {"cpu_ms": -5}}, 10021),
        ({"limits": {"cpu_ms": 300_001}}, 10021),
        ({"compatibility_flags": ["experimental"]}, 10021),
        ({"annotations": {"workers/tag": "x" * 101}}, 10021),
        ({"bindings": [{"name": "A B", "type": "plain_text", "text": ""}]}, 10021),
        ({"bindings": [{"name": "A-B", "type": "plain_text", "text": ""}]}, 10021),
        ({"assets": {}}, 10026),
    ],
)
def test_wrong_metadata_is_refused(settled: Api, metadata: dict[str, Any], code: int) -> None:
    before = dict(settled.edge.deployed["shop"])
    response = settled.upload("shop", **metadata)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, code)
    assert len(settled.result("GET", VERSIONS)["items"]) == 1
    assert settled.edge.deployed["shop"] == before


@pytest.mark.parametrize(
    "parts",
    [
        [("index.js", ("index.js", b"", "application/javascript+module"))],
        [("metadata", (None, "{", "application/json"))],
        [("metadata", (None, "[]", "application/json"))],
        [("metadata", (None, b"\xff\xfe{}", "application/json"))],
        [*form(GOOD), *form(GOOD)[1:]],
        [*form(GOOD), ("../../evil.js", ("e.js", b"", "application/javascript+module"))],
        [*form(GOOD), ("lib/../../evil.js", ("e.js", b"", "application/javascript+module"))],
        [*form(GOOD), ("page.html", ("page.html", b"", "text/html"))],
    ],
)
def test_a_wrong_form_is_refused(settled: Api, parts: list[Any]) -> None:
    assert settled.refused("POST", VERSIONS, files=parts)[0] == 400
    assert list((settled.state / "cloudflare/blobs/incoming").iterdir()) == []
    assert len(settled.result("GET", VERSIONS)["items"]) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nno name\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"{}", "application/json"),
        (b"--x--", "multipart/form-data"),
        (b"x", "multipart/mixed; boundary="),
    ],
)
def test_what_is_no_form_is_refused(settled: Api, body: bytes, kind: str) -> None:
    status, _ = settled.refused("POST", VERSIONS, data=body, headers={"Content-Type": kind})
    assert status == 400


def test_an_upload_over_the_limit_is_413(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAXIMUM_UPLOAD_BYTES", 1 << 20)
    api.worker()
    half = (None, os.urandom(600_000), "application/octet-stream")
    parts = [*form(GOOD), ("a.bin", ("a.bin", *half[1:])), ("b.bin", ("b.bin", *half[1:]))]
    assert api.refused("POST", VERSIONS, files=parts) == (413, 10027)
    assert list((api.state / "cloudflare/blobs/incoming").iterdir()) == []


def test_a_name_that_is_no_host_name_is_refused(api: Api) -> None:
    response = api.upload("Not%20A%20Name", method="PUT")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 10016)


def test_bindings_are_kept_and_inherited(api: Api) -> None:
    bindings = [
        {"name": "KEY", "type": "secret_text", "text": "one"},
        {"name": "WORD", "type": "plain_text", "text": "two"},
        {"name": "OLD", "type": "json", "json": {"three": 3}},
    ]
    first = api.worker(bindings=bindings)
    version = api.version(
        keep_bindings=["secret_text"],
        bindings=[
            {"name": "WORD", "type": "inherit"},
            {"name": "NEW", "type": "inherit", "old_name": "OLD", "version_id": first},
        ],
    )
    api.deploy("shop", (version, 100))
    bound = {binding["name"]: binding for binding in api.edge.bindings[version]}
    assert bound["KEY"]["text"] == "one"
    assert bound["WORD"]["text"] == "two"
    assert bound["NEW"]["json"] == {"three": 3}
    assert set(bound) == {"KEY", "WORD", "NEW"}
    without = api.version()
    assert (
        api.result("GET", f"A/workers/scripts/shop/versions/{without}")["resources"]["bindings"]
        == []
    )


def test_what_cannot_be_inherited_is_refused_in_strict_mode_only(api: Api) -> None:
    api.worker()
    absent = [{"name": "ABSENT", "type": "inherit"}]
    strict = api.upload("shop", bindings=absent)
    assert strict.json()["errors"][0]["code"] == 10057
    lenient = api.upload("shop", bindings=absent, query="")
    assert lenient.json()["result"]["resources"]["bindings"] == []


def test_no_reply_holds_a_secret(api: Api) -> None:
    secret = {"name": "KEY", "type": "secret_text", "text": "the-hidden-text"}
    version = api.worker(bindings=[secret])
    script = "A/workers/scripts/shop"
    replies = [
        api.upload("shop", keep_bindings=["secret_text"]),
        api.upload("shop", method="PUT", bindings=[secret]),
        api.upload("shop", bindings=[secret, secret]),
        api.upload("shop", bindings=[{**secret, "type": "unknown"}]),
        api.call("GET", f"{script}/versions/{version}"),
        api.call("GET", f"{script}/versions?deployable=true"),
        api.call("GET", f"{script}/settings"),
        api.call("GET", f"{script}/secrets"),
        api.call("PUT", f"{script}/secrets", json=secret),
        api.call("PUT", f"{script}/secrets", data='{"text": "the-hidden-text",'),
        api.call("PATCH", f"{script}/secrets-bulk", json={"secrets": {"KEY": secret}}),
        api.call("PATCH", f"{script}/secrets-bulk", json={"secrets": {"KEY": "the-hidden-text"}}),
        api.call(
            "PATCH",
            "A/workers/workers/shop/versions/latest",
            json={"env": {"KEY": {"type": "secret_text", "text": "the-hidden-text"}}},
        ),
    ]
    assert {reply.status_code for reply in replies} == {200, 400}
    assert all("the-hidden-text" not in reply.text for reply in replies)
    told = api.result("GET", f"{script}/versions/{version}")["resources"]["bindings"]
    assert told == [{"name": "KEY", "type": "secret_text"}]


def test_annotations_and_settings_are_told(api: Api) -> None:
    api.worker()
    version = api.version(
        annotations={"workers/message": "why", "workers/tag": "v2"},
        compatibility_flags=["nodejs_compat"],
    )
    told = api.result("GET", f"A/workers/scripts/shop/versions/{version}")
    assert told["annotations"]["workers/message"] == "why"
    assert told["annotations"]["workers/tag"] == "v2"
    assert told["startup_time_ms"] == 7
    assert told["number"] == 2
    runtime = told["resources"]["script_runtime"]
    assert runtime["compatibility_flags"] == ["nodejs_compat"]
    settings = api.result("GET", "A/workers/scripts/shop/settings")
    assert settings["compatibility_flags"] == ["nodejs_compat"]


def test_the_secrets_on_disk_are_closed_to_others(api: Api) -> None:
    api.worker(bindings=[{"name": "KEY", "type": "secret_text", "text": "one"}])
    records = api.state / "cloudflare/records.sqlite"
    assert records.stat().st_mode & 0o077 == 0
    assert records.parent.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_what_does_not_compress_is_too_large(api: Api) -> None:
    api.worker()
    parts = [*form(b"export default { fetch() {} }")]
    parts.append(("big.bin", ("big.bin", os.urandom(11 << 20), "application/octet-stream")))
    response = api.call("POST", VERSIONS, files=parts)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 10027)


def test_a_long_message_is_cut(api: Api) -> None:
    api.worker()
    version = api.version(annotations={"workers/message": "ü" * 600})
    kept = api.result("GET", f"{VERSIONS}/{version}")["annotations"]["workers/message"]
    assert kept == "ü" * 500


def test_secrets_alone_are_a_merge_patch(api: Api) -> None:
    api.worker()
    headers = {"Content-Type": "application/json"}
    told: dict[str, Any] = {"env": {}}
    path = "A/workers/workers/shop/versions/latest"
    assert api.call("PATCH", path, json=told, headers=headers).status_code == 415
