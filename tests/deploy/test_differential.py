"""Each key of wrangler's configuration, deployed by wrangler and by a release: nothing differs.

``DIFFERENTIAL=20`` compares all of the public shapes, too; the suite takes two of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.differential import Asked, compare
from tests.deploy.public_shapes import SHAPES

pytestmark = pytest.mark.slow

HELLO = 'export default { fetch() { return new Response("hello"); } };\n'
BASE: dict[str, Any] = {"name": "shop", "main": "index.js", "compatibility_date": "2026-01-01"}
CLASSES = """\
import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint } from "cloudflare:workers";
import words from "./words.txt";
export class Room extends DurableObject {}
export class Billing extends WorkflowEntrypoint { async run() { return words; } }
export class Api extends WorkerEntrypoint {}
"""
BOUND: dict[str, Any] = {
    "compatibility_flags": ["nodejs_compat"],
    "limits": {"cpu_ms": 50},
    "placement": {"mode": "smart"},
    "cache": {"enabled": True},
    "keep_vars": True,
    "vars": {
        **{
            "PLAIN": "text",
            "EMPTY": "",
            "UNICODE": "ünï💥\n",
            "ZERO": 0,
            "NO": False,
            "NULL": None,
        },
        **{"NESTED": {"list": [1, None, []]}, "SMALL": 1e-9, "DOLLAR": "$X ${Y}"},
    },
    "kv_namespaces": [{"binding": "KV", "id": "0" * 32, "preview_id": "p", "remote": True}],
    "d1_databases": [
        {"binding": "DB", "database_id": "d1", "database_name": "shop", "preview_database_id": "x"}
    ],
    "r2_buckets": [
        {"binding": "FILES", "bucket_name": "files", "preview_bucket_name": "other"},
        {"binding": "EU", "bucket_name": "files-eu", "jurisdiction": "eu"},
    ],
    "services": [
        {
            "binding": "OTHER",
            "service": "other",
            "entrypoint": "Api",
            "props": {"a": [{"b": None}]},
        },
        {"binding": "OLD", "service": "old", "environment": "production"},
    ],
    "durable_objects": {
        "bindings": [
            {"name": "FAR", "class_name": "Far", "script_name": "far", "environment": "production"}
        ]
    },
    "dispatch_namespaces": [
        {
            "binding": "TENANTS",
            "namespace": "tenants",
            "outbound": {"service": "o", "parameters": ["a"]},
        }
    ],
    "hyperdrive": [{"binding": "PG", "id": "1" * 32}],
    "vectorize": [{"binding": "INDEX", "index_name": "index"}],
    "analytics_engine_datasets": [{"binding": "EVENTS", "dataset": "events"}],
    "ratelimits": [{"name": "LIMIT", "namespace_id": "1", "simple": {"limit": 10, "period": 60}}],
    "secrets_store_secrets": [{"binding": "KEY", "store_id": "s", "secret_name": "key"}],
    "send_email": [
        {"name": "MAIL", "destination_address": "boss@example.com"},
        {"name": "ANY"},
        {"name": "SOME", "allowed_destination_addresses": ["a@b.c"]},
    ],
    "mtls_certificates": [{"binding": "CERTIFICATE", "certificate_id": "2" * 32}],
    "pipelines": [{"binding": "PIPE", "pipeline": "pipe"}],
    "ai": {"binding": "AI"},
    "browser": {"binding": "BROWSER"},
    "images": {"binding": "IMAGES"},
    "version_metadata": {"binding": "VERSION"},
    "worker_loaders": [{"binding": "LOADER"}],
    "vpc_services": [{"binding": "VPC", "service_id": "v"}],
    "media": {"binding": "MEDIA"},
    "logfwdr": {"bindings": [{"name": "LOGS", "destination": "d"}]},
    "unsafe": {
        "bindings": [{"name": "ODD", "type": "odd", "value": 1}],
        "metadata": {"build_options": {"stable_id": "shop/api"}},
    },
    "upload_source_maps": True,
}
SET: dict[str, Any] = {
    "observability": {
        "enabled": False,
        "head_sampling_rate": 0,
        "logs": {"enabled": True, "head_sampling_rate": 1, "persist": False, "destinations": []},
        "traces": {"enabled": True, "head_sampling_rate": 0, "destinations": ["otel"]},
    },
    "logpush": True,
    "tail_consumers": [{"service": "logs", "environment": "production"}],
    "triggers": {"crons": ["0 2 * * *", "*/5 * * * *", "0 2 * * *"]},
    "queues": {
        "producers": [{"binding": "ORDERS", "queue": "orders", "delivery_delay": 5}],
        "consumers": [
            {"queue": "orders", "max_batch_size": 5, "dead_letter_queue": "letters"},
            {"queue": "letters", "max_batch_timeout": 0, "max_retries": 0, "retry_delay": 0},
        ],
    },
    "workflows": [
        {
            "binding": "BILLING",
            "name": "billing",
            "class_name": "Billing",
            "limits": {"steps": 5},
            "schedules": "0 3 * * *",
        },
        {"binding": "FAR", "name": "far", "class_name": "Far", "script_name": "far"},
    ],
    "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
    "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"]}],
    "routes": [
        "example.com/api/*",
        {"pattern": "*.example.com/x", "zone_name": "example.com"},
        {"pattern": "shop.example.com", "custom_domain": True},
    ],
}
LATER: dict[str, Any] = {
    **SET,
    "observability": {"logs": {"enabled": True, "invocation_logs": False}},
    "logpush": False,
    "tail_consumers": [],
    "triggers": {"crons": []},
    "queues": {
        "producers": SET["queues"]["producers"],
        "consumers": [{"queue": "orders", "max_concurrency": 2}, {"queue": "letters"}],
    },
    "workflows": [{"binding": "BILLING", "name": "billing", "class_name": "Billing"}],
    "workers_dev": True,
    "preview_urls": False,
}
"""What stands there at the second deployment."""
UNLIKE: dict[str, Any] = {
    **{"observability": {"enabled": True}, "logpush": False, "route": "example.com/other"},
    **{"tail_consumers": [{"service": "top"}], "triggers": {"crons": ["1 1 1 1 *"]}},
    **{"workers_dev": False, "preview_urls": True, "limits": {"cpu_ms": 7}},
    **{"placement": {"mode": "smart"}, "vars": {"TOP": "x"}, "queues": {"consumers": []}},
}
"""At the top level, beside an environment that says something else, or inherits it."""
NAMELESS: dict[str, Any] = {
    "kv_namespaces": [{"binding": "SESSION_CACHE"}],
    "d1_databases": [
        {"binding": "DB"},
        {"binding": "NAMED", "database_name": "shop-orders"},
        {"binding": "EMPTY", "database_name": "shop-empty", "database_id": ""},
        {"binding": "BARE", "database_id": ""},
    ],
    "r2_buckets": [{"binding": "FILES"}, {"binding": "EU", "jurisdiction": "eu"}],
    "queues": {
        "producers": [{"binding": "ORDERS", "queue": "orders"}, {"binding": "MAIL"}],
        "consumers": [{"queue": "orders", "max_batch_size": 5}],
    },
    "dispatch_namespaces": [{"binding": "TENANTS"}, {"binding": "OLD", "namespace": "customers"}],
}
ASSETS: dict[str, Any] = {
    "directory": "./public/",
    "binding": "ASSETS",
    "base_path": "/docs",
    "html_handling": "drop-trailing-slash",
    "not_found_handling": "single-page-application",
    "run_worker_first": ["/api/*", "!/api/docs/*"],
}
PUBLIC = {
    "public/index.html": "<h1>hello</h1>",
    "public/deep/page.txt": "text",
    "public/_headers": "/deep/*\n  X-Deep: yes\n",
    "public/_redirects": "/old /index.html 301\n",
    "public/.assetsignore": "*.secret\n",
    "public/a.secret": "no",
}
EXPORTS = {
    "Room": {"type": "durable-object", "storage": "sqlite"},
    "Billing": {
        "type": "workflow",
        "name": "bills",
        "limits": {"steps": 3},
        "schedules": ["0 1 * * *"],
    },
    "Api": {"type": "worker", "cache": {"enabled": True}},
}

WORKERS: dict[str, tuple[dict[str, Any], dict[str, str], Asked]] = {
    "every binding, and environments that are grouped": (
        {**BOUND, "env": {"staging": {}}},
        {},
        Asked(1),
    ),
    "every setting beside the version, of an environment, and then another": (
        {**UNLIKE, "env": {"e": SET}},
        {"index.js": CLASSES + HELLO, "words.txt": "words"},
        Asked(2, "e", {**BASE, **UNLIKE, "env": {"e": LATER}}),
    ),
    "resources without an id, made and then inherited": (NAMELESS, {}, Asked(2)),
    "static files and code, behind a route alone": (
        {"assets": ASSETS, "workers_dev": False, "routes": ["example.com/*"]},
        PUBLIC,
        Asked(1),
    ),
    "static files alone": ({"main": None, "assets": {"directory": "public"}}, PUBLIC, Asked(1)),
    "exports": (
        {
            "exports": EXPORTS,
            "cache": {"enabled": True},
            "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
        },
        {"index.js": CLASSES + HELLO, "words.txt": "words"},
        Asked(2),
    ),
    "a configuration that a framework built": (
        {"main": "nowhere.ts"},
        {
            ".wrangler/deploy/config.json": '{"configPath": "../../dist/wrangler.json"}',
            "dist/wrangler.json": json.dumps({**BASE, "vars": {"BUILT": "yes"}}),
            "dist/index.js": HELLO,
        },
        Asked(1),
    ),
}
ASKED = int(os.environ.get("DIFFERENTIAL", "2"))
"""How many of the public shapes are compared; all of them by command."""
PUBLIC_SHAPES = {name: (*shape, Asked(1)) for name, shape in list(SHAPES.items())[:ASKED]}


@pytest.mark.parametrize("name", [*WORKERS, *PUBLIC_SHAPES])
def test_a_release_leaves_what_wrangler_would(tmp_path: Path, name: str) -> None:
    keys, files, asked = {**WORKERS, **PUBLIC_SHAPES}[name]
    content = {key: value for key, value in {**BASE, **keys}.items() if value is not None}
    written = {"wrangler.json": json.dumps(content), **files}
    if "main" not in keys and "index.js" not in files:
        written["index.js"] = HELLO
    for path, text in written.items():
        file = tmp_path / "worker" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("latin-1"))
    assert compare(tmp_path / "worker", asked) == []


def test_toml_with_a_byte_order_mark_and_a_build(tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    folder.mkdir()
    (folder / "index.js").write_text(HELLO)
    keys = {**BASE, "main": "built.js"}
    lines = [f'{key} = "{value}"' for key, value in keys.items()]
    more = ["preview_urls = false", "[build]", 'command = "cp index.js built.js"']
    text = "\n".join([*lines, *more, "[observability]", "enabled = true", ""])
    (folder / "wrangler.toml").write_text(text, encoding="utf-8-sig")
    assert compare(folder, Asked(2)) == []
