"""Every key of wrangler's configuration, and what a release does with it.

The list is that of ``config-schema.json`` in the installed wrangler; a test compares the two, so
that a key which a newer wrangler knows fails the build until it is decided here. The guide's
chapter on the configuration is made from this table, and the check refuses by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Fate(StrEnum):
    """What becomes of a key."""

    UPLOADED = "uploaded with the version"
    SET = "set beside the version"
    WRANGLER = "wrangler's own"
    COMPARED = "compared by the check"
    REFUSED = "refused by the check"


class Scope(StrEnum):
    """Where a named environment (``env.NAME``) takes a key from."""

    INHERITED = "the top level, unless the environment has its own"
    OWN = "the environment alone"
    TOP = "the top level alone"


class Key(NamedTuple):
    """One key.

    Args:
        fate: what becomes of it.
        told: what a release does with it, in one sentence; of a refused key the way on.
        scope: where a named environment takes it from.
        harmless: values of a refused key that ask for nothing.
    """

    fate: Fate
    told: str
    scope: Scope = Scope.INHERITED
    harmless: tuple[object, ...] = ()


def _bound(to: str) -> Key:
    return Key(Fate.UPLOADED, f"A binding: {to}.", Scope.OWN)


def _building(told: str, scope: Scope = Scope.INHERITED) -> Key:
    return Key(Fate.WRANGLER, told, scope)


def _refused(way_on: str, scope: Scope = Scope.INHERITED, *harmless: object) -> Key:
    return Key(Fate.REFUSED, way_on, scope, harmless)


_BUNDLED: Final = "Read by wrangler when it bundles the Worker."
_LEGACY: Final = "Import the file in the Worker's code, which must be an ES module."

KEYS: Final[Mapping[str, Key]] = {
    # What the Worker is
    "name": Key(Fate.COMPARED, "`deploy.worker.name` in invoke.yaml is the name that is deployed."),
    "account_id": Key(Fate.COMPARED, "Must be CLOUDFLARE_ACCOUNT_ID of the environment file."),
    "main": Key(Fate.UPLOADED, "The code; it must be an ES module."),
    "compatibility_date": Key(Fate.UPLOADED, "The runtime's behaviour."),
    "compatibility_flags": Key(Fate.UPLOADED, "The runtime's behaviour."),
    "limits": Key(Fate.UPLOADED, "CPU time and subrequests of one request."),
    "placement": Key(Fate.UPLOADED, "Where the Worker runs."),
    "cache": Key(Fate.UPLOADED, "Caching in front of the Worker."),
    "assets": Key(Fate.UPLOADED, "The files are uploaded, and named in the version."),
    "vars": Key(
        Fate.UPLOADED,
        "Plain variables; those of the environment file take the place of the same names.",
        Scope.OWN,
    ),
    "keep_vars": Key(
        Fate.UPLOADED,
        "Plain variables of the version that is live are kept, also those set in the dashboard.",
        Scope.TOP,
    ),
    "secrets": Key(
        Fate.UPLOADED,
        "Each name of `required` must have a value in the environment file or in the live version.",
        Scope.OWN,
    ),
    # Bindings
    "agent_memory": _bound("an Agent Memory namespace"),
    "ai": _bound("Workers AI"),
    "ai_search": _bound("an AI Search instance"),
    "ai_search_namespaces": _bound("an AI Search namespace"),
    "analytics": _bound("Analytics SQL"),
    "analytics_engine_datasets": _bound("an Analytics Engine dataset"),
    "artifacts": _bound("Artifacts"),
    "browser": _bound("Browser Rendering"),
    "d1_databases": _bound(
        "a D1 database; one without an id is created, unless migrations are written for it"
    ),
    "dispatch_namespaces": _bound("a dispatch namespace; one that is missing is created"),
    "durable_objects": _bound("a Durable Object's class; see `migrations` and `exports`"),
    "flagship": _bound("Flagship feature flags"),
    "hyperdrive": _bound("a Hyperdrive configuration"),
    "images": _bound("Cloudflare Images"),
    "k2": _bound("a K2 stream"),
    "kv_namespaces": _bound("a KV namespace; one without an id is created"),
    "logfwdr": Key(Fate.UPLOADED, "A binding: logfwdr."),
    "media": _bound("Media Transformations"),
    "mtls_certificates": _bound("an mTLS certificate"),
    "pipelines": _bound("a pipeline"),
    "r2_buckets": _bound("an R2 bucket; one that is missing is created, in its jurisdiction"),
    "ratelimits": _bound("a rate limit"),
    "secrets_store_secrets": _bound("a secret of the Secrets Store"),
    "send_email": _bound("e-mail from the Worker"),
    "services": _bound("another Worker, which must exist"),
    "stream": _bound("Cloudflare Stream"),
    "unsafe_hello_world": _bound("wrangler's example"),
    "vectorize": _bound("a Vectorize index"),
    "version_metadata": _bound("the version's id and tag"),
    "vpc_networks": _bound("a VPC network"),
    "vpc_services": _bound("a VPC service"),
    "worker_loaders": _bound("a Worker loader"),
    "unsafe": Key(
        Fate.UPLOADED, "`bindings` and `metadata` are uploaded as they are written.", Scope.OWN
    ),
    # Durable Objects
    "migrations": Key(
        Fate.UPLOADED,
        "A new tag makes the upload take all traffic at once; the plan says so. See below.",
    ),
    "exports": Key(
        Fate.UPLOADED,
        "A Durable Object that is changed there makes the upload take all traffic at once; a"
        " Workflow is also registered beside the version.",
    ),
    # Set beside the version
    "observability": Key(
        Fate.SET, "Logs, traces and their sampling; absent: switched off, as wrangler does."
    ),
    "logpush": Key(Fate.SET, "Trace events for Logpush; absent: left as it is."),
    "tail_consumers": Key(
        Fate.SET, "Workers that get this one's logs; absent: left as it is.", Scope.OWN
    ),
    "triggers": Key(Fate.SET, "Cron triggers; absent: left as they are."),
    "queues": Key(
        Fate.SET,
        "`producers` are bindings of the version; `consumers` are set beside it.",
        Scope.OWN,
    ),
    "workflows": Key(
        Fate.SET,
        "A binding of the version; one that this Worker defines is also registered beside it.",
        Scope.OWN,
    ),
    "route": Key(Fate.SET, "As `routes`, with one entry."),
    "routes": Key(
        Fate.SET, "Routes and custom domains; what the file no longer names is taken away."
    ),
    "workers_dev": Key(
        Fate.SET, "Whether the Worker answers on workers.dev; absent: only without routes."
    ),
    "preview_urls": Key(Fate.SET, "Whether versions have preview URLs; absent: as `workers_dev`."),
    # wrangler's own
    "$schema": _building("For editors.", Scope.TOP),
    "env": _building("`deploy.worker.environment` chooses one of them.", Scope.TOP),
    "alias": _building(_BUNDLED, Scope.TOP),
    "base_dir": _building(_BUNDLED),
    "build": _building("The command is run before the Worker is bundled."),
    "cloudchamber": _building("Defaults of `wrangler cloudchamber`.", Scope.OWN),
    "define": _building(_BUNDLED, Scope.OWN),
    "dependencies_instrumentation": _building(
        "Whether the names of npm packages go along with the upload.", Scope.TOP
    ),
    "dev": _building("For `wrangler dev`.", Scope.TOP),
    "access": _building("For `wrangler dev`."),
    "connect": _building("For `wrangler dev`.", Scope.OWN),
    "find_additional_modules": _building(_BUNDLED),
    "jsx_factory": _building(_BUNDLED),
    "jsx_fragment": _building(_BUNDLED),
    "keep_names": _building(_BUNDLED),
    "minify": _building(_BUNDLED),
    "no_bundle": _building(_BUNDLED),
    "preserve_file_names": _building(_BUNDLED),
    "previews": _building("For `wrangler preview`."),
    "python_modules": _building(_BUNDLED),
    "rules": _building(_BUNDLED),
    "send_metrics": _building(
        "wrangler's telemetry, which a release always switches off.", Scope.TOP
    ),
    "tsconfig": _building(_BUNDLED),
    "upload_source_maps": _building("Source maps go along with the code."),
    # Refused
    "addresses": _refused(
        "Set them with `npx wrangler triggers deploy`, and keep them in a file of their own.",
        Scope.TOP,
    ),
    "compliance_region": _refused(
        "Only the public region is deployed to: deploy this Worker with `npx wrangler deploy`.",
        Scope.INHERITED,
        "public",
    ),
    "containers": _refused(
        "Container images are built, pushed and rolled out by `npx wrangler deploy` alone; give"
        " them a Worker of their own, and bind this one to it (`services`, or `script_name`).",
        Scope.OWN,
    ),
    "data_blobs": _refused(_LEGACY, Scope.TOP),
    "first_party_worker": _refused(
        "It is for Cloudflare's own Workers: remove it.", Scope.INHERITED, False
    ),
    "pages_build_output_dir": _refused(
        "This is the file of a Pages project: name its folder as `deploy.pages.directory`.",
        Scope.TOP,
    ),
    "site": _refused(
        "Workers Sites are deprecated: write its `bucket` as `assets.directory`, with a `binding`;"
        " code that calls getAssetFromKV asks `env.BINDING.fetch(request)`, or is not needed.",
        Scope.TOP,
    ),
    "streaming_tail_consumers": _refused(
        "The API sets them with a new Worker only: use `tail_consumers`.", Scope.OWN
    ),
    "text_blobs": _refused(_LEGACY, Scope.TOP),
    "wasm_modules": _refused(_LEGACY, Scope.TOP),
}
"""The keys at the top level; each of them may also stand below ``env.NAME``, by its scope."""

_SENT: Final = Key(Fate.SET, "Sent as it is written.")
_VERSIONED: Final = Key(Fate.UPLOADED, "A part of the version.")
_NAMING: Final = Key(Fate.SET, "Names the resource.")

PARTS: Final[Mapping[str, Mapping[str, Key]]] = {
    "assets": {
        "directory": _VERSIONED,
        "binding": _VERSIONED,
        "html_handling": _VERSIONED,
        "not_found_handling": _VERSIONED,
        "base_path": _VERSIONED,
        "run_worker_first": _VERSIONED,
    },
    "durable_objects": {
        "bindings": _VERSIONED,
        "code_update_strategy": _refused("Remove it: Cloudflare's default applies.", Scope.OWN),
    },
    "secrets": {"required": KEYS["secrets"]},
    "triggers": {
        "crons": KEYS["triggers"],
        "events": _refused(
            "Set them with `npx wrangler triggers deploy`, and keep them in a file of their own."
        ),
    },
    "queues": {
        "producers": Key(Fate.UPLOADED, "Bindings to queues; one that is missing is created."),
        "consumers": Key(
            Fate.SET, "Set beside the version; one that is no longer named is removed."
        ),
    },
    "queues.consumers": {
        "queue": _NAMING,
        "type": _SENT,
        "dead_letter_queue": _SENT,
        "max_batch_size": _SENT,
        "max_batch_timeout": _SENT,
        "max_retries": _SENT,
        "max_concurrency": _SENT,
        "retry_delay": _SENT,
        "visibility_timeout_ms": _refused("Remove it: only a pull consumer has it.", Scope.OWN),
    },
    "workflows": {
        "binding": _VERSIONED,
        "name": _NAMING,
        "class_name": _SENT,
        "script_name": _VERSIONED,
        "limits": _SENT,
        "concurrency": _SENT,
        "schedules": _SENT,
        "default_retention": _SENT,
        "jurisdiction": _SENT,
    },
    "routes": {
        "pattern": _NAMING,
        "zone_id": _NAMING,
        "zone_name": _NAMING,
        "custom_domain": _SENT,
        "enabled": _refused(
            "Remove it: a custom domain that is named is switched on.", Scope.INHERITED, True
        ),
        "previews_enabled": _refused(
            "Remove it, and set preview URLs with `preview_urls`.", Scope.INHERITED, False
        ),
    },
    "observability": dict.fromkeys(
        ("enabled", "head_sampling_rate", "redact_query_string", "issues", "logs", "traces"), _SENT
    ),
    "tail_consumers": {"service": _SENT, "environment": _SENT},
}
"""The keys below those that a release reads itself; the rest wrangler writes into the version."""
