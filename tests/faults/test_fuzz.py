"""Whatever a file or a service says: it is read, or refused by a typed error; never a traceback.

A few seconds here; ``FUZZ_EXAMPLES=100000`` in the environment makes it hours. What once failed is
kept by Hypothesis in ``.hypothesis/``, and tried first.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import responses
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from yaml import safe_load

from tests.support.hostile import anything, mutated
from tests.support.project import LOCAL_VALUES, PROJECT, using_everything
from xswarm_deploy.bundling import configuration, d1, resources, static, wrangler
from xswarm_deploy.database import manifest, migrations
from xswarm_deploy.database.client import connect
from xswarm_deploy.errors import DeployError
from xswarm_deploy.monitor import logs
from xswarm_deploy.preflight import binding_kinds, packages
from xswarm_deploy.release.journal import Journal
from xswarm_deploy.services import tails
from xswarm_deploy.services.clock import Clock
from xswarm_deploy.services.errors import read_error
from xswarm_deploy.settings import project as projects
from xswarm_deploy.settings.settings import CONFIG, Settings, load
from xswarm_deploy.site import Site
from xswarm_deploy.steps import triggers
from xswarm_deploy.steps.unversioned import changes as unversioned
from xswarm_deploy.steps.unversioned import twin
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.tail import measure

pytestmark = pytest.mark.slow
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "40"))
JSON: Final = "application/json"
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def read(act: Callable[[], object]) -> None:
    """Read something: only typed errors may come of it, and none with a control character."""
    told = ""
    try:
        act()
    except DeployError as error:
        told = error.render()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", told), told


# Files of people

INVOKE: Final = safe_load((PROJECT / "invoke.yaml").read_text(encoding="utf-8"))["deploy"]


@fuzzed
@given(values=mutated(INVOKE), environment=st.sampled_from(["production", "staging", "local"]))
@example(values={**INVOKE, "verify": {"headers": 7}}, environment="local")
@example(values={**INVOKE, "check": {"required_tables": [[1]]}}, environment="local")
@example(values={"environments": {"staging": "hello"}}, environment="staging")
@example(values={1: 2, "a": 3}, environment="local")
@example(values={"verify": {"good_ms": 10**400, "timeout_seconds": 10**400}}, environment="local")
@example(values={"verify": {"routes": [{}]}}, environment="local")
def test_invoke_yaml(values: Any, environment: str) -> None:
    read(lambda: projects.read(values, environment))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    (root / CONFIG).mkdir(parents=True)
    (root / "worker").mkdir()
    values = {**LOCAL_VALUES, "TURSO_DATABASE_URL": "http://127.0.0.1:9"}
    values["CLOUDFLARE_API_BASE_URL"] = "http://127.0.0.1:9/client/v4"
    (root / CONFIG / "local.env").write_text("".join(f"{k}={v}\n" for k, v in values.items()))
    (root / CONFIG / "local.env").chmod(0o600)
    return root


@pytest.fixture(scope="module")
def chosen(root: Path) -> Settings:
    return load(
        "local", using_everything({"worker": {"config": "worker/wrangler.jsonc"}}), root, {}
    )


@fuzzed
@given(content=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)))
@example(content=b"A='\n")
@example(content=b"\xff\xfe")
@example(content=b"A=$(b)\nA={\x00}\n")
def test_environment_file(root: Path, content: bytes) -> None:
    file = root / CONFIG / "staging.env"
    file.write_bytes(content)
    file.chmod(0o600)
    read(lambda: load("staging", using_everything(), root, {}))


WRANGLER: Final = {
    "name": "shop",
    "main": "index.js",
    "compatibility_date": "2026-01-01",
    "triggers": {"crons": ["0 0 * * *"]},
    "routes": [{"pattern": "shop.example/*", "zone_name": "shop.example"}],
    "vars": {"A": "1", "B": {"c": [2]}},
    "queues": {
        "consumers": [{"queue": "q", "max_batch_size": 10}],
        "producers": [{"binding": "Q", "queue": "q"}],
    },
    "kv_namespaces": [{"binding": "KV"}],
    "d1_databases": [{"binding": "DB", "database_name": "d", "migrations_pattern": "m/*.sql"}],
    "r2_buckets": [{"binding": "R", "jurisdiction": "eu"}],
    "services": [{"binding": "S", "service": "s"}],
    "durable_objects": {"bindings": [{"name": "O", "class_name": "C"}]},
    "migrations": [{"tag": "v1", "new_sqlite_classes": ["C"]}],
    "secrets": {"required": ["KEY"]},
    "assets": {"directory": "public", "binding": "ASSETS"},
    "ai": {"binding": "AI"},
    "workflows": [{"name": "w", "binding": "W", "class_name": "C"}],
    "observability": {"enabled": True},
    "tail_consumers": [{"service": "s"}],
    "workers_dev": True,
    "limits": {"cpu_ms": 50},
    "placement": {"mode": "smart"},
}


@fuzzed
@given(content=mutated(WRANGLER))
@example(content={**WRANGLER, "triggers": 7})
@example(content={**WRANGLER, "triggers": {"crons": [7]}})
@example(content={**WRANGLER, "routes": {"a": 1}})
@example(content={**WRANGLER, "queues": [1]})
@example(content={**WRANGLER, "routes": [None]})
@example(content={**WRANGLER, "main": "\ud800.js"})
@example(content={**WRANGLER, "assets": {"directory": "\0"}})
@example(content={**WRANGLER, "d1_databases": [{"binding": "DB", "migrations_pattern": "/*"}]})
def test_wrangler_structures(root: Path, chosen: Settings, content: Any) -> None:
    with suppress(UnicodeEncodeError):
        (root / "worker" / "wrangler.jsonc").write_text(json.dumps(content))
    read(lambda: wrangler.read(chosen))
    read(lambda: triggers.described(chosen))
    read(lambda: unversioned.described(chosen))
    read(lambda: resources.produced(chosen))
    read(lambda: list(d1.migrated(chosen)))
    read(lambda: _looked_at(chosen))


def _looked_at(chosen: Settings) -> None:
    content = wrangler.read(chosen)
    list(binding_kinds.bindings(content))
    configuration.require_deployable(content)
    configuration.unknown(content)
    list(twin.resources(content))
    static.described(chosen)


@fuzzed
@given(content=st.binary(max_size=60), suffix=st.sampled_from(["jsonc", "json", "toml"]))
@example(content=b"[" * 20_000, suffix="jsonc")
def test_wrangler_bytes(root: Path, content: bytes, suffix: str) -> None:
    file = root / f"wrangler.{suffix}"
    file.write_bytes(content)
    read(lambda: wrangler.parsed(file))


@fuzzed
@given(text=st.text(max_size=120))
@example(text="-- depends: a\n-- depends: b\n-- migrate:up\n'")
def test_migrations(text: str) -> None:
    read(lambda: migrations.parse("one.sql", text).faults)


# Files of the tool


@fuzzed
@given(content=st.one_of(st.binary(max_size=80), anything.map(lambda v: json.dumps(v).encode())))
def test_journals(root: Path, content: bytes) -> None:
    journal = Journal(root / "journal.jsonl")
    journal.path.write_bytes(content + b"\n")
    read(journal.read)


MANIFEST: Final = {
    "environment": "local",
    "created": "2026-01-01T00:00:00+00:00",
    "version": "",
    "format": "db",
    "size": 1,
    "rows": 1,
    "sha256": "0" * 64,
    "tables": {"users": [1, "0"]},
    "beside": ["CREATE TABLE a (v)"],
    "ledger": ["first"],
}


@fuzzed
@given(text=st.one_of(st.text(max_size=60), mutated(MANIFEST).map(json.dumps)))
@example(text="[" * 100_000)
def test_manifests(text: str) -> None:
    read(lambda: manifest.parse(text, "a.json"))


# Replies of services

REPLY: Final = {
    "success": True,
    "errors": [],
    "messages": [],
    "result_info": {"total_pages": 1, "cursor": ""},
    "result": {
        "deployments": [
            {"id": "a", "created_on": "x", "versions": [{"version_id": "v", "percentage": 1}]}
        ],
        "items": [{"id": "v", "metadata": {"created_on": "x"}, "annotations": {}}],
        "schedules": [{"cron": "* * * * *"}],
        "enabled": True,
        "previews_enabled": True,
        "subdomain": "s",
        "id": "v",
        "resources": {"bindings": [{"name": "a", "type": "secret_text"}]},
        "canonical_deployment": {"id": "d"},
        "buckets": [{"name": "b"}],
        "name": "n",
    },
}
CALLS: Final[Mapping[str, Callable[[Site], object]]] = {
    "deployments": lambda site: site.cloudflare.deployments("w"),
    "versions": lambda site: site.cloudflare.versions("w"),
    "version": lambda site: site.cloudflare.version("w", "v"),
    "schedules": lambda site: site.cloudflare.schedules("w"),
    "secrets": lambda site: site.cloudflare.secrets("w"),
    "subdomain": lambda site: site.cloudflare.worker_subdomain("w"),
    "script settings": lambda site: site.cloudflare.script_settings("w"),
    "buckets": lambda site: site.cloudflare.buckets(),
    "zone": lambda site: site.cloudflare.zone("z"),
    "token": lambda site: site.cloudflare.verify_token(),
    "accounts": lambda site: site.cloudflare.accounts(),
    "project": lambda site: site.cloudflare.pages.project("p"),
    "page deployments": lambda site: site.cloudflare.pages.deployments("p"),
    "page deployment": lambda site: site.cloudflare.pages.deployment("p", "d"),
    "endpoints": lambda site: site.stripe.endpoints(),
    "account": lambda site: site.stripe.account(),
    "number": lambda site: site.twilio.number("+15005550006"),
    "webhooks": lambda site: site.sendgrid.event_webhooks(),
    "parse settings": lambda site: site.sendgrid.parse_settings(),
    "scopes": lambda site: site.sendgrid.scopes(),
}


def answered(body: bytes | str, status: int, act: Callable[[Site], object], site: Site) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST"):
            mock.add(method, re.compile(".*"), body=body, status=status, content_type=JSON)
        read(lambda: act(site))


@pytest.fixture
def site(chosen: Settings) -> Iterator[Site]:
    made = Site(chosen)
    still = Clock(sleep=lambda _seconds: None)
    made.cloudflare.http.clock = made.cloudflare.pages._http.clock = still
    for client in (made.stripe, made.twilio, made.sendgrid):
        client.http.clock = still
    yield made
    made.database.close()


@fuzzed
@given(
    call=st.sampled_from(sorted(CALLS)), reply=mutated(REPLY), status=st.sampled_from([200, 400])
)
@example(call="deployments", reply=[7], status=200)
@example(call="endpoints", reply={"data": [{"id": 7}]}, status=200)
@example(call="number", reply={"incoming_phone_numbers": 7}, status=200)
def test_api_replies(site: Site, call: str, reply: Any, status: int) -> None:
    answered(json.dumps(reply), status, CALLS[call], site)


@fuzzed
@given(call=st.sampled_from(sorted(CALLS)), body=st.binary(max_size=40))
@example(call="deployments", body=b"[" * 100_000)
@example(call="deployments", body=b'{"success": true, "result": 1e999}')
def test_api_bytes(site: Site, call: str, body: bytes) -> None:
    answered(body, 200, CALLS[call], site)


@fuzzed
@given(content=anything, text=st.text(max_size=40))
def test_error_bodies(content: Any, text: str) -> None:
    codes, message = read_error(content, text)
    assert all(isinstance(each, str) for each in (*codes, message))


HRANA: Final = {
    "baton": None,
    "base_url": None,
    "results": [
        {
            "type": "ok",
            "response": {
                "type": "execute",
                "result": {
                    "cols": [{"name": "a", "decltype": "TEXT"}],
                    "rows": [[{"type": "text", "value": "x"}]],
                    "affected_row_count": 0,
                    "last_insert_rowid": None,
                    "replication_index": "1",
                    "rows_read": 1,
                    "rows_written": 0,
                    "query_duration_ms": 0.1,
                },
            },
        },
        {"type": "ok", "response": {"type": "close"}},
    ],
}


# What a Worker's tail says

EVENT: Final = {
    "event": {
        "request": {
            "url": "https://shop.example/a?b=1",
            "method": "GET",
            "headers": {"x-deployment-run": "r1", "x-deployment-probe": "p"},
        },
        "response": {"status": 200},
    },
    "eventTimestamp": 1_700_000_000_000,
    "wallTime": 12,
    "outcome": "ok",
    "scriptVersion": {"id": "v1"},
    "logs": [{"level": "log", "message": ["a", 1], "timestamp": 1}],
    "exceptions": [{"name": "Error", "message": "m", "stack": "s"}],
}


@fuzzed
@given(event=mutated(EVENT))
@example(event={**EVENT, "wallTime": 10**400})
@example(event={**EVENT, "wallTime": float("inf")})
@example(event={**EVENT, "event": {"request": EVENT["event"], "response": {"status": 1e400}}})
def test_tail_events(event: Any) -> None:
    message = json.dumps(event)
    tails.met_by(message)
    tails.told_by(message)
    logs.parsed(message)
    metrics = Metrics()
    with suppress(ValueError):
        measure(message.encode(), metrics, "token")
    assert metrics.total().dump()


@fuzzed
@given(content=mutated({"name": "shop", "dependencies": {"hono": "^4"}}))
@example(content={"dependencies": ["hono"]})
@example(content={"dependencies": {"\0": "1"}})
def test_package_json(root: Path, chosen: Settings, content: Any) -> None:
    (root / "worker/package.json").write_text(json.dumps(content))
    read(lambda: packages.installed(Site(chosen), {}))


@fuzzed
@given(reply=mutated(HRANA))
def test_hrana_replies(reply: Any) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add("POST", re.compile(".*"), json.dumps(reply), content_type="application/json")
        with connect("http://127.0.0.1:9") as database:
            read(lambda: database.query("SELECT 1"))
