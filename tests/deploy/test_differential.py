"""Each key of wrangler's configuration, deployed by wrangler and by a release: nothing differs.

``DIFFERENTIAL=20`` compares all of the public shapes, too; the suite takes two of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.differential import compare
from tests.deploy.public_shapes import SHAPES

pytestmark = pytest.mark.slow

HELLO = 'export default { fetch() { return new Response("hello"); } };\n'
BASE: dict[str, Any] = {"name": "shop", "main": "index.js", "compatibility_date": "2026-01-01"}
CLASSES = """\
import { DurableObject, WorkflowEntrypoint } from "cloudflare:workers";
import words from "./words.txt";
export class Room extends DurableObject {}
export class Billing extends WorkflowEntrypoint { async run() { return words; } }
"""
BOUND: dict[str, Any] = {
    "compatibility_flags": ["nodejs_compat"],
    "limits": {"cpu_ms": 50},
    "placement": {"mode": "smart"},
    "cache": {"enabled": True},
    "vars": {"PLAIN": "text", "NESTED": {"list": [1, None]}},
    "kv_namespaces": [{"binding": "KV", "id": "0" * 32}],
    "d1_databases": [{"binding": "DB", "database_id": "d1", "database_name": "shop"}],
    "r2_buckets": [{"binding": "FILES", "bucket_name": "files"}],
    "services": [{"binding": "OTHER", "service": "other", "entrypoint": "Api"}],
    "hyperdrive": [{"binding": "PG", "id": "1" * 32}],
    "vectorize": [{"binding": "INDEX", "index_name": "index"}],
    "analytics_engine_datasets": [{"binding": "EVENTS", "dataset": "events"}],
    "ratelimits": [{"name": "LIMIT", "namespace_id": "1", "simple": {"limit": 10, "period": 60}}],
    "secrets_store_secrets": [{"binding": "KEY", "store_id": "s", "secret_name": "key"}],
    "send_email": [{"name": "MAIL", "destination_address": "boss@example.com"}],
    "mtls_certificates": [{"binding": "CERTIFICATE", "certificate_id": "2" * 32}],
    "pipelines": [{"binding": "PIPE", "pipeline": "pipe"}],
    "ai": {"binding": "AI"},
    "browser": {"binding": "BROWSER"},
    "images": {"binding": "IMAGES"},
    "version_metadata": {"binding": "VERSION"},
    "worker_loaders": [{"binding": "LOADER"}],
    "unsafe": {
        "bindings": [{"name": "ODD", "type": "odd", "value": 1}],
        "metadata": {"build_options": {"stable_id": "shop/api"}},
    },
    "upload_source_maps": True,
}
SET: dict[str, Any] = {
    "observability": {"enabled": True, "head_sampling_rate": 0.5},
    "logpush": True,
    "tail_consumers": [{"service": "logs"}],
    "triggers": {"crons": ["0 2 * * *", "*/5 * * * *"]},
    "queues": {
        "producers": [{"binding": "ORDERS", "queue": "orders", "delivery_delay": 5}],
        "consumers": [
            {"queue": "orders", "max_batch_size": 5, "dead_letter_queue": "letters"},
            {"queue": "letters", "max_batch_timeout": 2, "max_retries": 1, "retry_delay": 3},
        ],
    },
    "workflows": [
        {
            "binding": "BILLING",
            "name": "billing",
            "class_name": "Billing",
            "limits": {"steps": 5},
            "schedules": "0 3 * * *",
        }
    ],
    "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
    "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"]}],
    "routes": [
        "example.com/api/*",
        {"pattern": "*.example.com/x", "zone_name": "example.com"},
        {"pattern": "shop.example.com", "custom_domain": True},
    ],
}
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
    "directory": "public",
    "binding": "ASSETS",
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
OBJECTS = {"Room": {"type": "durable-object", "storage": "sqlite"}}

WORKERS: dict[str, tuple[dict[str, Any], dict[str, str], int]] = {
    "every binding, and environments that are grouped": ({**BOUND, "env": {"staging": {}}}, {}, 1),
    "every setting beside the version": (
        SET,
        {"index.js": CLASSES + HELLO, "words.txt": "words"},
        2,
    ),
    "resources without an id, made and then inherited": (NAMELESS, {}, 2),
    "static files and code, behind a route alone": (
        {"assets": ASSETS, "workers_dev": False, "routes": ["example.com/*"]},
        PUBLIC,
        1,
    ),
    "static files alone": ({"main": None, "assets": {"directory": "public"}}, PUBLIC, 1),
    "exports": (
        {
            "exports": OBJECTS,
            "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
        },
        {"index.js": CLASSES + HELLO, "words.txt": "words"},
        2,
    ),
    "a configuration that a framework built": (
        {"main": "nowhere.ts"},
        {
            ".wrangler/deploy/config.json": '{"configPath": "../../dist/wrangler.json"}',
            "dist/wrangler.json": json.dumps({**BASE, "vars": {"BUILT": "yes"}}),
            "dist/index.js": HELLO,
        },
        1,
    ),
}
ASKED = int(os.environ.get("DIFFERENTIAL", "2"))
"""How many of the public shapes are compared; all of them by command."""
PUBLIC_SHAPES = {name: (*shape, 1) for name, shape in list(SHAPES.items())[:ASKED]}


@pytest.mark.parametrize("name", [*WORKERS, *PUBLIC_SHAPES])
def test_a_release_leaves_what_wrangler_would(tmp_path: Path, name: str) -> None:
    keys, files, times = {**WORKERS, **PUBLIC_SHAPES}[name]
    content = {key: value for key, value in {**BASE, **keys}.items() if value is not None}
    written = {"wrangler.json": json.dumps(content), **files}
    if "main" not in keys and "index.js" not in files:
        written["index.js"] = HELLO
    for path, text in written.items():
        file = tmp_path / "worker" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("latin-1"))
    assert compare(tmp_path / "worker", times) == []


def test_toml_with_a_byte_order_mark_and_a_build(tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    folder.mkdir()
    (folder / "index.js").write_text(HELLO)
    keys = {**BASE, "main": "built.js"}
    lines = [f'{key} = "{value}"' for key, value in keys.items()]
    more = ["preview_urls = false", "[build]", 'command = "cp index.js built.js"']
    text = "\n".join([*lines, *more, "[observability]", "enabled = true", ""])
    (folder / "wrangler.toml").write_text(text, encoding="utf-8-sig")
    assert compare(folder, 2) == []
