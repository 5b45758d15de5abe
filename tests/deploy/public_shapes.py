"""Twenty configurations of the kinds that public projects have, each named by what it exercises.

They were written after what such projects' files look like; none is a copy of one.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

HELLO: Final = 'export default { fetch() { return new Response("hello"); } };\n'
OBJECT: Final = """\
import { DurableObject } from "cloudflare:workers";
export class Memory extends DurableObject {}
"""
WASM: Final = base64.b64decode("AGFzbQEAAAA=").decode("latin-1")
"""The smallest module there is."""
DB: Final = {
    "binding": "DB",
    "database_name": "main",
    "database_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
}
KV: Final = {"binding": "CACHE", "id": "a" * 32}
PAGE: Final = {"dist/index.html": "<h1>page</h1>", "dist/assets/app-1a2b3c4d.js": "export {}"}
Shape = tuple[dict[str, Any], dict[str, str]]

SHAPES: Final[dict[str, Shape]] = {
    "a rate limit as an unsafe binding, beside D1": (
        {
            "d1_databases": [DB],
            "unsafe": {
                "bindings": [
                    {
                        "name": "LIMITER",
                        "type": "ratelimit",
                        "namespace_id": "1001",
                        "simple": {"limit": 10, "period": 60},
                    }
                ]
            },
            "vars": {"ENABLE_REGISTRATION": True, "PREFIX": "tmp", "DOMAINS": ["a.example"]},
            "triggers": {"crons": ["0 0 * * *"]},
        },
        {"index.js": HELLO},
    ),
    "modules by rules: text, data and WebAssembly": (
        {
            "rules": [
                {"type": "Text", "globs": ["**/*.html", "**/*.sql"], "fallthrough": True},
                {"type": "Data", "globs": ["**/*.bin"]},
                {"type": "CompiledWasm", "globs": ["**/*.wasm"], "fallthrough": True},
            ]
        },
        {
            "index.js": 'import page from "./page.html"; import raw from "./raw.bin";'
            ' import code from "./code.wasm";\n'
            "export default { fetch() { return new Response(page + raw + code); } };\n",
            "page.html": "<h1>page</h1>",
            "raw.bin": "raw",
            "code.wasm": WASM,
        },
    ),
    "a Next.js build that calls itself": (
        {
            "main": ".open-next/worker.js",
            "compatibility_flags": ["nodejs_compat", "global_fetch_strictly_public"],
            "assets": {"directory": ".open-next/assets", "binding": "ASSETS"},
            "services": [{"binding": "WORKER_SELF_REFERENCE", "service": "shop"}],
            "r2_buckets": [{"binding": "NEXT_INC_CACHE", "bucket_name": "cache"}],
            "env": {"production": {"vars": {"STAGE": "production"}}},
        },
        {".open-next/worker.js": HELLO, ".open-next/assets/_next/a.js": "export {}"},
    ),
    "an Astro site with two custom domains and traces": (
        {
            "compatibility_flags": ["global_fetch_strictly_public"],
            "assets": {
                "directory": "dist",
                "binding": "ASSETS",
                "html_handling": "drop-trailing-slash",
                "not_found_handling": "404-page",
            },
            "routes": [
                {"pattern": "site.example", "custom_domain": True},
                {"pattern": "www.site.example", "custom_domain": True},
            ],
            "observability": {
                "enabled": True,
                "head_sampling_rate": 1,
                "logs": {"enabled": True, "head_sampling_rate": 1, "invocation_logs": True},
                "traces": {"enabled": True, "head_sampling_rate": 1},
            },
            "preview_urls": True,
            "workers_dev": True,
        },
        {"index.js": HELLO, **PAGE, "dist/404.html": "nothing"},
    ),
    "a single-page application without code": (
        {
            "main": None,
            "assets": {"directory": "./dist", "not_found_handling": "single-page-application"},
        },
        PAGE,
    ),
    "a single-page application with an API": (
        {
            "assets": {
                "directory": "dist",
                "not_found_handling": "single-page-application",
                "run_worker_first": ["/api/*"],
            },
            "observability": {"enabled": True},
            "placement": {"mode": "smart"},
        },
        {"index.js": HELLO, **PAGE},
    ),
    "a job by cron with a cache": (
        {
            "workers_dev": False,
            "kv_namespaces": [{**KV, "preview_id": "b" * 32}],
            "triggers": {"crons": ["*/10 * * * *", "0 9 * * MON-FRI"]},
            "limits": {"cpu_ms": 30000},
        },
        {"index.js": "export default { async scheduled() {} };\n"},
    ),
    "a database with migrations, environments with names of their own": (
        {
            "d1_databases": [{**DB, "migrations_dir": "../db/migrations", "migrations_table": "m"}],
            "kv_namespaces": [KV],
            "vars": {"ENVIRONMENT": "production"},
            "env": {"preview": {"name": "shop-preview", "vars": {"ENVIRONMENT": "preview"}}},
        },
        {"index.js": HELLO},
    ),
    "AI with an index of vectors and source maps": (
        {
            "ai": {"binding": "AI"},
            "vectorize": [{"binding": "INDEX", "index_name": "documents"}],
            "upload_source_maps": True,
            "observability": {"enabled": True},
        },
        {"index.js": HELLO},
    ),
    "a chat that remembers in a Durable Object": (
        {
            "ai": {"binding": "AI"},
            "durable_objects": {"bindings": [{"name": "MEMORY", "class_name": "Memory"}]},
            "migrations": [{"tag": "v1", "new_sqlite_classes": ["Memory"]}],
        },
        {"index.js": OBJECT + HELLO},
    ),
    "queues that hand on what fails": (
        {
            "queues": {
                "producers": [{"binding": "JOBS", "queue": "jobs"}],
                "consumers": [
                    {
                        "queue": "jobs",
                        "max_batch_size": 10,
                        "max_batch_timeout": 5,
                        "max_retries": 3,
                        "max_concurrency": 2,
                        "dead_letter_queue": "jobs-dead",
                    }
                ],
            },
            "r2_buckets": [{"binding": "FILES", "bucket_name": "files"}],
        },
        {"index.js": "export default { async queue() {} };\n"},
    ),
    "Postgres by Hyperdrive": (
        {
            "compatibility_flags": ["nodejs_compat"],
            "hyperdrive": [
                {
                    "binding": "PG",
                    "id": "c" * 32,
                    "localConnectionString": "postgres://u:p@127.0.0.1/x",
                }
            ],
            "placement": {"mode": "smart"},
        },
        {"index.js": HELLO},
    ),
    "mail to listed addresses": (
        {
            "send_email": [
                {"name": "ANY"},
                {
                    "name": "SOME",
                    "allowed_destination_addresses": ["a@example.com", "b@example.com"],
                },
            ]
        },
        {"index.js": HELLO},
    ),
    "routes of two zones, nothing on workers.dev": (
        {
            "workers_dev": False,
            "preview_urls": False,
            "routes": [
                {"pattern": "api.first.example/*", "zone_name": "first.example"},
                {"pattern": "*.second.example/hook/*", "zone_name": "second.example"},
            ],
        },
        {"index.js": HELLO},
    ),
    "one route as of old": (
        {"route": "old.example/*", "compatibility_date": "2023-05-18"},
        {"index.js": HELLO},
    ),
    "TypeScript with definitions, aliases and minification": (
        {
            "main": "src/index.ts",
            "minify": True,
            "define": {"RELEASE": '"1.2.3"'},
            "alias": {"words": "./src/words.ts"},
            "keep_names": False,
        },
        {
            "src/index.ts": 'import { word } from "words"; declare const RELEASE: string;\n'
            "export default { fetch(): Response { return new Response(word + RELEASE); } };\n",
            "src/words.ts": 'export const word: string = "hello";\n',
            "tsconfig.json": json.dumps({"compilerOptions": {"target": "es2022"}}),
        },
    ),
    "events counted, logs pushed and tailed": (
        {
            "analytics_engine_datasets": [{"binding": "EVENTS"}],
            "logpush": True,
            "tail_consumers": [{"service": "logs"}],
            "observability": {"enabled": False},
        },
        {"index.js": HELLO},
    ),
    "services with entrypoints and properties": (
        {
            "services": [
                {"binding": "AUTH", "service": "auth", "entrypoint": "Auth", "props": {"tier": 1}},
                {"binding": "BILLING", "service": "billing"},
            ],
            "version_metadata": {"binding": "CF_VERSION_METADATA"},
        },
        {"index.js": HELLO},
    ),
    "a platform that dispatches to its users' Workers": (
        {
            "dispatch_namespaces": [
                {
                    "binding": "DISPATCH",
                    "namespace": "customers",
                    "outbound": {"service": "outbound", "parameters": ["customer"]},
                }
            ],
            "routes": [{"pattern": "*/*", "zone_name": "platform.example"}],
        },
        {"index.js": HELLO},
    ),
    "modules as another build left them": (
        {
            "main": "build/worker/shim.mjs",
            "no_bundle": True,
            "find_additional_modules": True,
            "base_dir": "build/worker",
            "build": {"command": "true", "watch_dir": "src"},
            "rules": [
                {"type": "CompiledWasm", "globs": ["**/*.wasm"]},
                {"type": "ESModule", "globs": ["**/*.mjs"]},
            ],
        },
        {
            "build/worker/shim.mjs": 'import { greet } from "./lib.mjs";\n'
            'import code from "./index.wasm";\n'
            "export default { fetch() { return new Response(greet(code)); } };\n",
            "build/worker/lib.mjs": "export const greet = (_) => 'hello';\n",
            "build/worker/index.wasm": WASM,
        },
    ),
}
