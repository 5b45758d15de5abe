"""Cloudflare's API v4, as far as it is called: facts of its documents, not of our code."""

from __future__ import annotations

from typing import Final

from tests.contracts.call import Call

API: Final = "https://developers.cloudflare.com/api/resources/"
WRANGLER: Final = "wrangler alone"
"""Documented by the source of wrangler only; tests pin it."""

_SCRIPT: Final = "/accounts/{account_id}/workers/scripts/{script_name}"
_PAGES: Final = "/accounts/{account_id}/pages/projects"
_QUEUES: Final = "/accounts/{account_id}/queues"
_BUCKETS: Final = "/accounts/{account_id}/r2/buckets"
_NAMESPACES: Final = "/accounts/{account_id}/storage/kv/namespaces"
_DATABASES: Final = "/accounts/{account_id}/d1/database"
_DISPATCH: Final = "/accounts/{account_id}/workers/dispatch/namespaces"
_ANNOTATIONS: Final = {"workers/message?": str, "workers/tag?": str}
_TRUE: Final = {"true"}
_CONSUMER: Final = {
    "type": {"worker"},
    "script_name": str,
    "dead_letter_queue?": str,
    "settings?": {
        "batch_size?": float,
        "max_concurrency?": (float, None),
        "max_retries?": float,
        "max_wait_time_ms?": float,
        "retry_delay?": float,
    },
}

_ENTRY: Final = "/zones/{zone_id}/rulesets/phases/http_request_late_transform/entrypoint"
RULES: Final = API + "rulesets/subresources/"
_OF_SET: Final = "/zones/{zone_id}/rulesets/{ruleset_id}/rules"
_RULE: Final = {
    "action": {"rewrite"},
    "action_parameters": {"headers": {"*": {"operation": {"set"}, "expression": str}}},
    "description": str,
    "enabled": bool,
    "expression": str,
}

CALLS: Final = (
    Call(
        "GET",
        "/user/tokens/verify",
        API + "user/subresources/tokens/methods/verify",
        reads=("id", "status", "expires_on"),
    ),
    Call(
        "GET",
        "/accounts/{account_id}/tokens/verify",
        API + "accounts/subresources/tokens/methods/verify",
        reads=("id", "status", "expires_on"),
    ),
    Call(
        "GET",
        "/accounts",
        API + "accounts/methods/list",
        {"page": int, "per_page": int},
        reads=("id", "name"),
    ),
    # Workers
    Call(
        "GET",
        "/accounts/{account_id}/workers/services/{name}",
        WRANGLER,
        reads=("default_environment.script.migration_tag",),
    ),
    Call(
        "GET",
        _SCRIPT + "/script-settings",
        API + "workers/subresources/scripts/subresources/settings/methods/get",
        reads=("observability", "logpush", "tail_consumers", "tags"),
    ),
    Call(
        "PATCH",
        _SCRIPT + "/script-settings",
        API + "workers/subresources/scripts/subresources/settings/methods/edit",
        kind="json",
        body={
            "observability?": object,
            "logpush?": bool,
            "tail_consumers?": ([object], None),
            "tags?": [str],
        },
    ),
    Call(
        "GET",
        _SCRIPT + "/deployments",
        API + "workers/subresources/scripts/subresources/deployments/methods/list",
        reads=(
            "deployments.id",
            "deployments.created_on",
            "deployments.versions",
            "deployments.annotations",
        ),
    ),
    Call(
        "POST",
        _SCRIPT + "/deployments",
        API + "workers/subresources/scripts/subresources/deployments/methods/create",
        {"force": _TRUE},
        "json",
        {
            "strategy": {"percentage"},
            "versions": [{"version_id": str, "percentage": float}],
            "annotations?": _ANNOTATIONS,
        },
        ("id",),
    ),
    Call(
        "GET",
        _SCRIPT + "/versions",
        API + "workers/subresources/scripts/subresources/versions/methods/list",
        {"deployable": _TRUE},
        reads=("items.id", "items.number", "items.metadata.created_on"),
    ),
    Call(
        "GET",
        _SCRIPT + "/versions/{version_id}",
        API + "workers/subresources/scripts/subresources/versions/methods/get",
        reads=(
            *("id", "number", "metadata.created_on", "resources.bindings"),
            "resources.script_runtime.migration_tag",
            "resources.script.named_handlers.name",
        ),
    ),
    Call(
        "POST",
        _SCRIPT + "/versions",
        API + "workers/subresources/scripts/subresources/versions/methods/create",
        {"bindings_inherit": {"strict"}},
        "multipart",
        reads=("id", "startup_time_ms"),
    ),
    Call(
        "PUT",
        _SCRIPT,
        API + "workers/subresources/scripts/methods/update",
        {"excludeScript": _TRUE, "bindings_inherit": {"strict"}},
        "multipart",
        reads=("deployment_id",),
    ),
    Call("DELETE", _SCRIPT, API + "workers/subresources/scripts/methods/delete", {"force": _TRUE}),
    Call(
        "GET",
        "/accounts/{account_id}/workers/subdomain",
        API + "workers/subresources/subdomains/methods/get",
        reads=("subdomain",),
    ),
    Call(
        "GET",
        "/accounts/{account_id}/workers/workers/{worker_id}",
        API + "workers/subresources/beta/subresources/workers/methods/get",
        reads=("subdomain.enabled", "subdomain.previews_enabled"),
    ),
    Call(
        "POST",
        _SCRIPT + "/subdomain",
        API + "workers/subresources/scripts/subresources/subdomain/methods/create",
        kind="json",
        body={"enabled": bool, "previews_enabled?": bool},
        reads=("enabled", "previews_enabled"),
    ),
    Call(
        "GET",
        _SCRIPT + "/schedules",
        API + "workers/subresources/scripts/subresources/schedules/methods/get",
        reads=("schedules.cron",),
    ),
    Call(
        "PUT",
        _SCRIPT + "/schedules",
        API + "workers/subresources/scripts/subresources/schedules/methods/update",
        kind="json",
        body=[{"cron": str}],
    ),
    Call(
        "GET",
        _SCRIPT + "/secrets",
        API + "workers/subresources/scripts/subresources/secrets/methods/list",
        reads=("name",),
    ),
    Call(
        "PATCH",
        "/accounts/{account_id}/workers/workers/{worker_id}/versions/latest",
        WRANGLER,
        kind="json",
        body={
            "env": {"*": ({"type": {"secret_text"}, "text": str}, None)},
            "annotations?": _ANNOTATIONS,
        },
        reads=("id",),
    ),
    Call(
        "GET",
        _SCRIPT + "/tails",
        API + "workers/subresources/scripts/subresources/tail/methods/get",
    ),
    Call(
        "POST",
        _SCRIPT + "/tails",
        API + "workers/subresources/scripts/subresources/tail/methods/create",
        kind="json",
        body={"filters?": [object]},
        reads=("id", "url"),
    ),
    Call(
        "DELETE",
        _SCRIPT + "/tails/{id}",
        API + "workers/subresources/scripts/subresources/tail/methods/delete",
    ),
    Call(
        "POST",
        "/accounts/{account_id}/workers/observability/telemetry/query",
        API + "workers/subresources/observability/subresources/telemetry/methods/query",
        kind="json",
        body={
            "queryId": str,
            "timeframe": {"from": int, "to": int},
            "view": {"events"},
            "limit": int,
            "offset?": str,
            "offsetDirection?": {"next", "prev"},
            "parameters": {
                "datasets": [str],
                "filterCombination": {"and", "or"},
                "filters": [object],
                "needle?": {"value": str},
            },
        },
        reads=(
            "events.events.dataset",
            "events.events.source",
            "events.events.timestamp",
            *(f"events.events.$metadata.{name}" for name in ("id", "requestId", "level")),
            *(f"events.events.$metadata.{name}" for name in ("message", "trigger")),
            *(f"events.events.$workers.{name}" for name in ("event", "outcome", "wallTimeMs")),
            "events.events.$workers.scriptVersion.id",
        ),
    ),
    Call(
        "POST",
        _SCRIPT + "/assets-upload-session",
        API + "workers/subresources/scripts/subresources/assets/subresources/upload/methods/create",
        kind="json",
        body={"manifest": {"*": {"hash": str, "size": int}}},
        reads=("jwt", "buckets"),
    ),
    Call(
        "POST",
        "/accounts/{account_id}/workers/assets/upload",
        API + "workers/subresources/assets/subresources/upload/methods/create",
        {"base64": _TRUE},
        "multipart",
        reads=("jwt",),
    ),
    Call(
        "GET",
        "/accounts/{account_id}/workers/domains",
        API + "workers/subresources/domains/methods/list",
        {"service": str, "hostname": str},
        reads=("id", "hostname", "zone_id", "service"),
    ),
    Call(
        "PUT",
        "/accounts/{account_id}/workers/domains",
        API + "workers/subresources/domains/methods/update",
        kind="json",
        body={"hostname": str, "service": str, "zone_id?": str},
    ),
    Call(
        "DELETE",
        "/accounts/{account_id}/workers/domains/{domain_id}",
        API + "workers/subresources/domains/methods/delete",
    ),
    # What a Worker uses
    Call(
        "GET",
        _QUEUES,
        API + "queues/methods/list",
        {"page": int, "name": str},
        reads=("queue_id", "queue_name", "consumers"),
    ),
    Call("POST", _QUEUES, API + "queues/methods/create", kind="json", body={"queue_name": str}),
    Call(
        "GET",
        _NAMESPACES,
        API + "kv/subresources/namespaces/methods/list",
        {"page": int, "per_page": int},
        reads=("id", "title"),
    ),
    Call(
        "POST",
        _NAMESPACES,
        API + "kv/subresources/namespaces/methods/create",
        kind="json",
        body={"title": str},
    ),
    Call(
        "DELETE",
        _NAMESPACES + "/{namespace_id}",
        API + "kv/subresources/namespaces/methods/delete",
    ),
    Call(
        "PUT",
        _NAMESPACES + "/{namespace_id}/bulk",
        API + "kv/subresources/namespaces/methods/bulk_update",
        kind="json",
        body=[{"key": str, "value": str}],
        reads=("unsuccessful_keys",),
    ),
    Call(
        "GET",
        _NAMESPACES + "/{namespace_id}/keys",
        API + "kv/subresources/namespaces/subresources/keys/methods/list",
        {"limit": int},
    ),
    Call(
        "GET",
        _DATABASES,
        API + "d1/subresources/database/methods/list",
        {"name": str, "page": int, "per_page": int},
        reads=("uuid", "name"),
    ),
    Call(
        "POST",
        _DATABASES,
        API + "d1/subresources/database/methods/create",
        kind="json",
        body={"name": str, "jurisdiction?": str},
    ),
    Call(
        "DELETE",
        _DATABASES + "/{database_id}",
        API + "d1/subresources/database/methods/delete",
    ),
    Call(
        "POST",
        _DISPATCH,
        API + "workers_for_platforms/subresources/dispatch/subresources/namespaces/methods/create",
        kind="json",
        body={"name": str},
    ),
    Call(
        "POST",
        _QUEUES + "/{queue_id}/consumers",
        API + "queues/subresources/consumers/methods/create",
        kind="json",
        body=_CONSUMER,
    ),
    Call(
        "PUT",
        _QUEUES + "/{queue_id}/consumers/{consumer_id}",
        API + "queues/subresources/consumers/methods/update",
        kind="json",
        body=_CONSUMER,
    ),
    Call(
        "DELETE",
        _QUEUES + "/{queue_id}/consumers/{consumer_id}",
        API + "queues/subresources/consumers/methods/delete",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/workflows/{workflow_name}",
        API + "workflows/methods/get",
        reads=("class_name", "script_name"),
    ),
    Call(
        "PUT",
        "/accounts/{account_id}/workflows/{workflow_name}",
        API + "workflows/methods/update",
        kind="json",
        body={
            "class_name": str,
            "script_name": str,
            "limits?": object,
            "concurrency?": object,
            "default_retention?": object,
            "jurisdiction?": str,
            "schedules?": [{"cron": str}],
        },
    ),
    Call(
        "DELETE",
        "/accounts/{account_id}/workflows/{workflow_name}",
        API + "workflows/methods/delete",
    ),
    Call(
        "GET",
        _NAMESPACES + "/{namespace_id}",
        API + "kv/subresources/namespaces/methods/get",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/hyperdrive/configs/{hyperdrive_id}",
        API + "hyperdrive/subresources/configs/methods/get",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/vectorize/v2/indexes/{index_name}",
        API + "vectorize/subresources/indexes/methods/get",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/mtls_certificates/{mtls_certificate_id}",
        API + "mtls_certificates/methods/get",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/pipelines/v1/streams/{stream_id}",
        API + "pipelines/subresources/streams/methods/get",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/ai-search/namespaces/{name}",
        API + "ai_search/subresources/namespaces/methods/read",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/ai-search/namespaces/{name}/instances/{id}",
        API + "ai_search/subresources/namespaces/subresources/instances/methods/read",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/connectivity/directory/services/{service_id}",
        API + "connectivity/subresources/directory/subresources/services/methods/get",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/cfd_tunnel/{tunnel_id}",
        API + "zero_trust/subresources/tunnels/subresources/cloudflared/methods/get",
    ),
    Call(
        "GET",
        "/accounts/{account_id}/flagship/apps/{app_id}",
        API + "flagship/subresources/apps/methods/get",
    ),
    Call("GET", "/accounts/{account_id}/agent-memory/namespaces/{namespace}", WRANGLER),
    Call("GET", "/accounts/{account_id}/k2/streams/{stream_id}", WRANGLER),
    Call(
        "GET",
        "/accounts/{account_id}/secrets_store/stores/{store_id}/secrets",
        API + "secrets_store/subresources/stores/subresources/secrets/methods/list",
        {"page": int, "per_page": int},
        reads=("name",),
    ),
    Call(
        "GET",
        "/accounts/{account_id}/workers/durable_objects/namespaces",
        API + "durable_objects/subresources/namespaces/methods/list",
        {"page": int, "per_page": int},
        reads=("script", "class"),
    ),
    Call(
        "GET",
        "/accounts/{account_id}/workers/observability/destinations",
        API + "workers/subresources/observability/subresources/destinations/methods/list",
        {"page": int, "per_page": int},
        reads=("name", "slug"),
    ),
    Call(
        "GET",
        _DISPATCH + "/{dispatch_namespace}",
        API + "workers_for_platforms/subresources/dispatch/subresources/namespaces/methods/get",
    ),
    Call(
        "GET",
        _DATABASES + "/{database_id}",
        API + "d1/subresources/database/methods/get",
    ),
    Call(
        "GET",
        _BUCKETS,
        API + "r2/subresources/buckets/methods/list",
        {"per_page": int, "cursor": str},
        reads=("buckets.name",),
    ),
    Call(
        "POST",
        _BUCKETS,
        API + "r2/subresources/buckets/methods/create",
        kind="json",
        body={"name": str},
    ),
    Call(
        "GET",
        _BUCKETS + "/{bucket_name}",
        API + "r2/subresources/buckets/methods/get",
        reads=("name", "location"),
    ),
    Call("DELETE", _BUCKETS + "/{bucket_name}", API + "r2/subresources/buckets/methods/delete"),
    Call("PUT", _BUCKETS + "/{bucket_name}/objects/{object_key+}", WRANGLER, kind="bytes"),
    # Zones
    Call(
        "GET",
        "/zones",
        API + "zones/methods/list",
        {"name": str, "page": int, "per_page": int},
        reads=("id", "name", "status"),
    ),
    Call(
        "POST",
        "/zones",
        API + "zones/methods/create",
        kind="json",
        body={"name": str, "account?": {"id": str}, "type?": str},
    ),
    Call(
        "GET",
        "/zones/{zone_id}/dns_records",
        API + "dns/subresources/records/methods/list",
        {"name.exact": str, "page": int, "per_page": int},
        reads=("id", "type", "name", "content", "proxied"),
    ),
    Call(
        "GET",
        "/zones/{zone_id}/settings/{setting_id}",
        API + "zones/subresources/settings/methods/get",
        reads=("value",),
    ),
    Call(
        "GET",
        "/zones/{zone_id}/workers/routes",
        API + "workers/subresources/routes/methods/list",
        reads=("id", "pattern", "script"),
    ),
    Call(
        "POST",
        "/zones/{zone_id}/workers/routes",
        API + "workers/subresources/routes/methods/create",
        kind="json",
        body={"pattern": str, "script?": str},
    ),
    Call(
        "DELETE",
        "/zones/{zone_id}/workers/routes/{route_id}",
        API + "workers/subresources/routes/methods/delete",
    ),
    # Rules
    Call("GET", _ENTRY, RULES + "phases/methods/get", reads=("id", "rules")),
    Call("PUT", _ENTRY, RULES + "phases/methods/update", kind="json", body={"rules": [_RULE]}),
    Call("POST", _OF_SET, RULES + "rules/methods/create", kind="json", body=_RULE),
    Call("PATCH", _OF_SET + "/{rule_id}", RULES + "rules/methods/edit", kind="json", body=_RULE),
    Call("DELETE", _OF_SET + "/{rule_id}", RULES + "rules/methods/delete"),
    # Pages
    Call(
        "GET",
        _PAGES + "/{project_name}",
        API + "pages/subresources/projects/methods/get",
        reads=("production_branch", "subdomain", "domains", "canonical_deployment.id"),
    ),
    Call(
        "POST",
        _PAGES,
        API + "pages/subresources/projects/methods/create",
        kind="json",
        body={"name": str, "production_branch": str},
    ),
    Call("DELETE", _PAGES + "/{project_name}", API + "pages/subresources/projects/methods/delete"),
    Call(
        "GET",
        _PAGES + "/{project_name}/deployments",
        API + "pages/subresources/projects/subresources/deployments/methods/list",
        reads=(
            "id",
            "environment",
            "url",
            "created_on",
            "deployment_trigger",
            "latest_stage",
            "aliases",
        ),
    ),
    Call(
        "GET",
        _PAGES + "/{project_name}/deployments/{deployment_id}",
        API + "pages/subresources/projects/subresources/deployments/methods/get",
        reads=("id", "latest_stage.name", "latest_stage.status"),
    ),
    Call(
        "GET",
        _PAGES + "/{project_name}/deployments/{deployment_id}/history/logs",
        API
        + "pages/subresources/projects/subresources/deployments/subresources/history/subresources"
        "/logs/methods/get",
        reads=("data.line",),
    ),
    Call(
        "POST",
        _PAGES + "/{project_name}/deployments",
        API + "pages/subresources/projects/subresources/deployments/methods/create",
        kind="multipart",
        reads=("id",),
    ),
    Call(
        "POST",
        _PAGES + "/{project_name}/deployments/{deployment_id}/rollback",
        API + "pages/subresources/projects/subresources/deployments/methods/rollback",
    ),
    Call(
        "GET",
        _PAGES + "/{project_name}/upload-token",
        API + "pages/subresources/projects/methods/upload_token",
        reads=("jwt",),
    ),
    Call("POST", "/pages/assets/check-missing", WRANGLER, kind="json", body={"hashes": [str]}),
    Call(
        "POST",
        "/pages/assets/upload",
        WRANGLER,
        kind="json",
        body=[{"key": str, "value": str, "metadata": {"contentType": str}, "base64": bool}],
    ),
    Call("POST", "/pages/assets/upsert-hashes", WRANGLER, kind="json", body={"hashes": [str]}),
    Call(
        "POST",
        "/graphql",
        "https://developers.cloudflare.com/analytics/graphql-api/",
        kind="json",
        body={"query": str, "variables": {"*": object}},
        reads=("viewer.accounts",),
    ),
)

_ERRORS: Final = "https://developers.cloudflare.com/workers/observability/errors/"
_ISSUES: Final = "https://github.com/cloudflare/workers-sdk/issues"

CODES: Final = {
    "10006": (
        "there is no such R2 bucket",
        "https://developers.cloudflare.com/r2/api/error-codes/",
    ),
    "10007": ("there is no such Worker, or no name under workers.dev", WRANGLER),
    "10013": (
        "there is no such KV namespace",
        API + "kv/subresources/namespaces/methods/delete",
    ),
    "10021": (
        "the script does not start",
        "https://developers.cloudflare.com/workers/observability/errors/",
    ),
    "10027": (
        "the script is too large",
        "https://developers.cloudflare.com/workers/observability/errors/",
    ),
    "10026": ("the deployment is never taken", WRANGLER),
    "10015": ("the account may use no Workers", _ERRORS),
    "10034": (
        "the account's e-mail address is not verified",
        "https://docs.rs/wrangler/1.8.3/src/wrangler/upload/mod.rs.html",
    ),
    "10035": ("somebody else changes the same", _ERRORS),
    "10037": ("the account has all the Workers it may have", _ERRORS),
    "10042": ("R2 is not switched on; or a KV namespace is not valid", _ISSUES),
    "10063": ("the account has no name under workers.dev", WRANGLER),
    "10067": ("the account has no Containers", _ISSUES),
    "10072": ("the account has all the cron triggers it may have", _ISSUES),
    "100328": ("the free plan takes no limits of CPU time", _ISSUES),
    "10089": ("Analytics Engine is not switched on", _ISSUES),
    "10097": ("the free plan has Durable Objects of SQLite alone", _ISSUES),
    "100158": ("the account has no Vectorize", _ISSUES + "/5601"),
    "10208": ("schedules of workflows need the paid plan", WRANGLER),
    "10090": ("there is no such service", WRANGLER),
    "10200": ("there is no such workflow", WRANGLER),
    "10214": ("the latest version is not the one that is live", WRANGLER),
    "10215": ("the latest version is not the one that is live", WRANGLER),
    "10222": ("there are no versions yet", WRANGLER),
    "8000007": ("there is no such Pages project", API + "pages/subresources/projects/methods/get"),
    "8000013": ("the token of the upload has expired", WRANGLER),
}
"""The error codes that anything is decided on: what each means, and who says so."""
