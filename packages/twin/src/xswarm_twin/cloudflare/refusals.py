"""Why the API refuses: Cloudflare's error codes under their names.

The codes are those of Cloudflare's documents and of wrangler's source; reference: Workers
"Errors and exceptions", R2 "Error codes", Pages API.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from xswarm_twin.cloudflare.envelope import Refusal

POLICY: Final = '"default";q=1200;w=300'
"""How many calls in how many seconds, as the header ``Ratelimit-Policy`` has it."""


def rate_limited(seconds: float) -> Refusal:
    """Refuse a call of somebody who made too many, and say when the next is taken."""
    left = math.ceil(seconds)
    headers = {
        "Retry-After": str(left),
        "Ratelimit": f'"default";r=0;t={left}',
        "Ratelimit-Policy": POLICY,
    }
    return Refusal(429, 10429, "Rate limited. Please wait.", headers)


def unauthorised() -> Refusal:
    """Refuse a call that does not say who calls."""
    return Refusal(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")


def authorisation_malformed() -> Refusal:
    """Refuse a call whose Authorization has no form that there is (6111 says which header)."""
    return Refusal(400, 6003, "Invalid request headers")


def token_invalid() -> Refusal:
    """Refuse to verify a token that is none."""
    return Refusal(401, 1000, "Invalid API Token")


def unauthenticated(status: int = 401) -> Refusal:
    """Refuse a missing, wrong or expired token (401), or another account's data (403)."""
    return Refusal(status, 10000, "Authentication error")


def no_route(path: str) -> Refusal:
    """Refuse a path that the API does not have."""
    message = f"Could not route to {path}, perhaps your object identifier is invalid?"
    return Refusal(404, 7003, message)


def method_not_allowed(method: str) -> Refusal:
    """Refuse a method that a path does not have."""
    return Refusal(405, 10405, f"Method {method} not allowed for this path")


def body_invalid(why: str) -> Refusal:
    """Refuse a body that is not what the endpoint takes."""
    return Refusal(400, 10026, f"Could not parse the request body: {why}")


def body_too_large(what: str, limit: int) -> Refusal:
    """Refuse a body over its limit in bytes."""
    return Refusal(413, 10027, f"{what} is larger than {limit} bytes")


def internal(why: str = "An unknown error has occurred.") -> Refusal:
    """Own up to a fault of the API itself."""
    return Refusal(500, 10013, why)


def worker_not_found(code: int = 10007) -> Refusal:
    """Refuse an unknown Worker (10090 on ``services``, 10007 elsewhere)."""
    return Refusal(404, code, "This Worker does not exist on your account.")


def subdomain_not_registered() -> Refusal:
    """Report that the account has no name under workers.dev."""
    return Refusal(404, 10007, "workers.api.error.subdomain_not_found")


def subdomain_required() -> Refusal:
    """Refuse a first Worker of an account that has no name under workers.dev."""
    message = (
        "You need a workers.dev subdomain in order to proceed."
        " Opening the Workers landing page for the first time creates one."
    )
    return Refusal(403, 10063, message)


def worker_name_invalid(name: str) -> Refusal:
    """Refuse a Worker's name that is no host name's label."""
    return Refusal(400, 10016, f"{name!r} is not a valid Worker name")


def version_not_found(version: str) -> Refusal:
    """Refuse an unknown version of a Worker."""
    return Refusal(404, 100146, f"Version {version} could not be found.")


def deployment_not_found(deployment: str) -> Refusal:
    """Refuse an unknown deployment of a Worker."""
    return Refusal(404, 10007, f"Deployment {deployment} could not be found.")


def no_versions() -> Refusal:
    """Refuse to build on the latest version of a Worker that has none."""
    return Refusal(404, 10222, "This Worker has no versions.")


def script_invalid(message: str) -> Refusal:
    """Refuse a script, its metadata or a binding; the message is the runtime's own."""
    return Refusal(400, 10021, message)


def flag_experimental(flag: str) -> Refusal:
    """Refuse a compatibility flag that only runs outside of Cloudflare."""
    message = f"The compatibility flag {flag} is experimental and cannot yet be used in Workers"
    return Refusal(400, 10021, f"{message} deployed to Cloudflare.")


def worker_too_large(limit: int) -> Refusal:
    """Refuse a Worker over the limit of its compressed size."""
    message = f"Your Worker exceeded the size limit of {limit // 1024 // 1024} MiB."
    return Refusal(400, 10027, message)


def no_handlers() -> Refusal:
    """Refuse a Worker that handles no event."""
    return Refusal(400, 10068, "The uploaded script has no registered event handlers.")


def too_many_workers(limit: int) -> Refusal:
    """Refuse another Worker of an account that has as many as it may."""
    return Refusal(403, 10037, f"This account has reached the limit of {limit} Workers.")


def cron_invalid(why: str) -> Refusal:
    """Refuse a cron trigger that names no time."""
    return Refusal(400, 10100, f"invalid cron string: {why}")


def too_many_crons(limit: int) -> Refusal:
    """Refuse more cron triggers than an account may have."""
    message = f"This account has reached the limit of {limit} cron triggers per account."
    return Refusal(400, 10072, message)


def redirects_invalid(line: int) -> Refusal:
    """Refuse a rule of ``_redirects`` that leads to itself."""
    message = (
        f"Invalid _redirects configuration:\nLine {line}: Infinite loop detected in this rule."
    )
    return Refusal(400, 100324, message)


def media_type_unsupported(wanted: str) -> Refusal:
    """Refuse a body of another media type than the call takes."""
    return Refusal(415, 10415, f"Content-Type must be {wanted}")


def bucket_of_binding_not_found(bucket: str) -> Refusal:
    """Refuse an upload that binds a bucket which is not there."""
    return Refusal(400, 10085, f"R2 bucket '{bucket}' not found.")


def inherit_invalid(name: str) -> Refusal:
    """Refuse, in strict mode, a binding that has nothing to inherit from."""
    return Refusal(400, 10057, f"inherit binding '{name}' does not exist in the previous version")


def binding_unnamed() -> Refusal:
    """Refuse a binding without a name."""
    return Refusal(400, 10052, "A binding was uploaded without a name.")


def binding_in_use(name: str) -> Refusal:
    """Refuse two bindings of one name."""
    return Refusal(400, 10053, f"Binding name '{name}' already in use.")


def variable_too_large(name: str, limit: int) -> Refusal:
    """Refuse a variable or secret over its limit in bytes."""
    return Refusal(400, 10054, f"{name} exceeds the size limit of {limit} bytes")


def too_many_variables(limit: int) -> Refusal:
    """Refuse more variables and secrets than a Worker may have."""
    return Refusal(400, 10055, f"A Worker has {limit} variables and secrets at most")


def secret_not_found(name: str) -> Refusal:
    """Refuse to delete a secret that is not there."""
    return Refusal(404, 10056, f"Secret {name} was not found")


def latest_not_deployed(code: int) -> Refusal:
    """Refuse a secret's edit beside an undeployed latest version (10214 in bulk, 10215 single)."""
    message = (
        "Secret edit failed. You attempted to modify a secret, but the latest version of your"
        " Worker isn't currently deployed."
    )
    return Refusal(400, code, message)


def secrets_changed(names: Iterable[str]) -> Refusal:
    """Refuse a rollback that brings other secrets back, unless it is forced."""
    message = f"The following secrets have changed: {', '.join(names)}"
    return Refusal(400, 10220, message)


def deployment_invalid(why: str) -> Refusal:
    """Refuse a split of traffic that cannot be."""
    return Refusal(400, 10026, f"Invalid deployment: {why}")


def bucket_not_found() -> Refusal:
    """Refuse an unknown R2 bucket."""
    return Refusal(404, 10006, "The specified bucket does not exist.")


def bucket_exists() -> Refusal:
    """Refuse to make a bucket twice."""
    message = "The bucket you tried to create already exists, and you own it."
    return Refusal(409, 10004, message)


def bucket_name_invalid() -> Refusal:
    """Refuse a bucket's name."""
    return Refusal(400, 10005, "The specified bucket name is not valid.")


def bucket_not_empty() -> Refusal:
    """Refuse to delete a bucket that has objects."""
    return Refusal(409, 10008, "The bucket you tried to delete is not empty.")


def object_not_found() -> Refusal:
    """Refuse an unknown key of a bucket."""
    return Refusal(404, 10007, "The specified key does not exist.")


def object_key_invalid(why: str) -> Refusal:
    """Refuse an object's key."""
    return Refusal(400, 10020, why)


def project_not_found() -> Refusal:
    """Refuse an unknown Pages project."""
    message = "Project not found. The specified project name does not match any of your existing"
    return Refusal(404, 8000007, f"{message} projects.")


def project_exists() -> Refusal:
    """Refuse to make a Pages project twice."""
    return Refusal(409, 8000002, "A project with this name already exists.")


def project_name_invalid() -> Refusal:
    """Refuse a Pages project's name."""
    return Refusal(400, 8000001, "A project name has 1 to 58 lower-case letters, digits and dashes")


def pages_deployment_not_found() -> Refusal:
    """Refuse an unknown deployment of a Pages project."""
    return Refusal(404, 8000009, "Deployment not found.")


def pages_deployment_active() -> Refusal:
    """Refuse to delete what a Pages project serves now."""
    return Refusal(400, 8000034, "Cannot delete the active production deployment.")


def pages_token_expired() -> Refusal:
    """Refuse an expired or wrong upload token of Pages."""
    return Refusal(401, 8000013, "Authorization failed")


def pages_manifest_missing() -> Refusal:
    """Refuse a Pages deployment without its manifest."""
    message = "A 'manifest' field was expected in the request body but was not provided."
    return Refusal(400, 8000096, message)


def pages_manifest_invalid(why: str) -> Refusal:
    """Refuse a manifest that names what cannot be served."""
    return Refusal(400, 8000096, f"The manifest is not valid: {why}")


def zone_not_found() -> Refusal:
    """Refuse an unknown zone."""
    return Refusal(404, 1001, "Invalid zone identifier")


def zone_exists(name: str) -> Refusal:
    """Refuse to add a zone twice."""
    return Refusal(400, 1061, f"{name} already exists")


def zone_setting_unknown(name: str) -> Refusal:
    """Refuse a setting that zones do not have here."""
    return Refusal(400, 1006, f"Unrecognized zone setting name: {name}")


def record_not_found() -> Refusal:
    """Refuse an unknown DNS record."""
    return Refusal(404, 81044, "Record does not exist.")


def route_exists(pattern: str, script: str) -> Refusal:
    """Refuse a route twice in a zone."""
    return Refusal(
        409, 10020, f"A route with the same pattern already exists: {pattern} ({script})"
    )


def route_not_found() -> Refusal:
    """Refuse an unknown route."""
    return Refusal(404, 10009, "The requested route does not exist.")


def route_invalid(pattern: str) -> Refusal:
    """Refuse a pattern that lies outside its zone."""
    return Refusal(400, 10022, f"Your route {pattern} is not within this zone.")


def domain_not_found() -> Refusal:
    """Refuse an unknown custom domain."""
    return Refusal(404, 100114, "The custom domain could not be found.")


def domain_taken(hostname: str) -> Refusal:
    """Refuse a host that has a DNS record which nobody allowed to overwrite."""
    message = f"Hostname '{hostname}' already has externally managed DNS records."
    return Refusal(409, 100117, message)


def queue_not_found() -> Refusal:
    """Refuse an unknown queue."""
    return Refusal(404, 11000, "Queue does not exist.")


def queue_of_messages_not_found() -> Refusal:
    """Refuse messages to an unknown queue: where they are sent, the codes are others."""
    return Refusal(404, 10104, "Queue does not exist.")


def queue_exists(name: str) -> Refusal:
    """Refuse to make a queue twice."""
    return Refusal(409, 11009, f"Queue name '{name}' is already taken.")


def queue_has_consumer(name: str) -> Refusal:
    """Refuse a second Worker that consumes a queue."""
    return Refusal(400, 11004, f"Queue '{name}' already has a consumer.")


def consumer_not_found() -> Refusal:
    """Refuse an unknown consumer of a queue."""
    return Refusal(404, 11002, "Consumer does not exist.")


def workflow_not_found() -> Refusal:
    """Refuse an unknown workflow."""
    return Refusal(404, 10200, "workflow.not_found")


def migration_tag_wrong(expected: str) -> Refusal:
    """Refuse Durable Object migrations that begin at another tag than the Worker's."""
    message = f"Expected old_tag to be '{expected}': the Worker's migration tag is another."
    return Refusal(412, 10079, message)


def migration_in_version() -> Refusal:
    """Refuse Durable Object migrations with a version: only a direct upload takes them."""
    message = "Version upload failed. You attempted to upload a version with a Durable Object"
    return Refusal(400, 10211, f"{message} migration, which only a deployment can apply.")


def database_not_found(database: str) -> Refusal:
    """Refuse an unknown D1 database."""
    return Refusal(404, 7404, f"The database {database} could not be found")


def kv_invalid(why: str, status: int = 400) -> Refusal:
    """Refuse a key, a value, or what is said of them."""
    return Refusal(status, 10147, f"invalid request: '{why}'")


def bound_not_found(binding: str, kind: str, named: str) -> Refusal:
    """Refuse an upload that binds a resource which is not there."""
    code, text = _NOT_THERE[kind]
    return Refusal(400, code, text.format(binding=binding, named=named))


def class_not_configured(name: str) -> Refusal:
    """Refuse to bind a class that no migration has made a class of Durable Objects."""
    message = (
        f"Cannot create binding for class '{name}' because it is not currently configured to"
        " implement Durable Objects. Configure a migration in your Wrangler configuration to add"
        " this class."
    )
    return Refusal(400, 10061, message)


def class_not_exported(name: str, *, new: bool) -> Refusal:
    """Refuse a script without a class that its Durable Objects run by."""
    if new:
        message = f"Cannot apply new-class migration to class '{name}' that is not exported by"
        return Refusal(400, 10070, f"{message} script")
    message = f"New version of script does not export class '{name}' which is depended on by"
    return Refusal(400, 10064, f"{message} existing Durable Objects.")


def class_in_use(name: str) -> Refusal:
    """Refuse to make a class anew that has objects."""
    message = f"Cannot apply new-class migration to class '{name}' that is already depended on by"
    return Refusal(400, 10074, f"{message} existing Durable Objects.")


def class_unknown(name: str, migration: str) -> Refusal:
    """Refuse to rename, move or delete a class that is none of Durable Objects."""
    message = f"Cannot apply --{migration} migration to class '{name}' that does not exist."
    return Refusal(400, 10076, message)


_NOT_THERE = {
    "kv_namespace": (10041, "KV namespace '{named}' not found."),
    "d1": (10181, "D1 binding '{binding}' references database '{named}' which was not found."),
    "queue": (11000, "Queue '{named}' not found."),
    "service": (
        10143,
        "Service binding '{binding}' references Worker '{named}' which was not found.",
    ),
    "hyperdrive": (10157, "Hyperdrive config '{named}' not found."),
    "dispatch_namespace": (100119, "Dispatch namespace '{named}' not found."),
    "secrets_store_secret": (
        10182,
        "Secrets Store binding '{binding}' references the secret '{named}' which was not found.",
    ),
}
