"""Why the API refuses: Cloudflare's statuses, error codes and messages under their names.

The codes are those of Cloudflare's documents and of wrangler's source; reference: Workers
"Errors and exceptions", R2 "Error codes", Pages API. Reports of users confirm 9106
(https://github.com/cloudflare/cloudflare-python/issues/2678), 6003 with 6111
(https://github.com/kissgyorgy/cloudflare-dyndns/issues/40), 9109
(https://github.com/jeessy2/ddns-go/issues/1341), 10040
(https://github.com/cloudflare/workers-sdk/issues/8486), 10203
(https://github.com/cloudflare/workers-sdk/issues/8275) and 10143
(https://github.com/jonbeckman/solstatus/issues/24); notes in public repositories 1000, 10041,
10059, 10061, 10085, 10157, 10159, 10181, 100119.
What nothing confirms is listed in ``deployment/docs/guide/twin.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from xswarm_twin.cloudflare.envelope import Refusal

POLICY: Final = '"default";q=1200;w=300'
"""How many calls in how many seconds, as the header ``Ratelimit-Policy`` has it."""


@dataclass(frozen=True)
class Kind:
    """A kind of refusal; called with what its message names, it makes one to be raised.

    Args:
        status: the HTTP status.
        code: Cloudflare's error code.
        message: a sentence, with ``{}`` for each thing that it names; never a secret.
    """

    status: int
    code: int
    message: str

    def __call__(self, *named: object, status: int = 0, code: int = 0) -> Refusal:
        """Return the refusal; where another endpoint has another status or code, say which."""
        if self.message.count("{}") != len(named):
            raise TypeError(f"{self.message!r} does not name {len(named)} things")
        return Refusal(status or self.status, code or self.code, self.message.format(*named))


def rate_limited(seconds: float) -> Refusal:
    """Refuse a call of somebody who made too many, and say when the next is taken."""
    left = math.ceil(seconds)
    headers = {
        "Retry-After": str(left),
        "Ratelimit": f'"default";r=0;t={left}',
        "Ratelimit-Policy": POLICY,
    }
    return Refusal(429, 10429, "Rate limited. Please wait.", headers)


# Who calls, and what

unauthorised = Kind(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
authorisation_malformed = Kind(400, 6003, "Invalid request headers")
token_invalid = Kind(401, 1000, "Invalid API Token")
unauthenticated = Kind(401, 10000, "Authentication error")  # 403: another account's data
token_elsewhere = Kind(403, 9109, "Cannot use the access token from location: {}")
no_route = Kind(404, 7003, "Could not route to {}, perhaps your object identifier is invalid?")
not_offered = Kind(403, 10403, "The local twin has no {}: use an account at Cloudflare for it.")
method_not_allowed = Kind(405, 10405, "The local twin has no {} of this path.")
body_invalid = Kind(400, 10026, "Could not parse the request body: {}")
body_too_large = Kind(413, 10027, "{} is larger than {} bytes")
media_type_unsupported = Kind(415, 10415, "Content-Type must be {}")
failed = Kind(500, 10013, "An unknown error has occurred.")
part_missing = Kind(500, 10013, "{}")

# Workers, versions and deployments

worker_not_found = Kind(404, 10007, "This Worker does not exist on your account.")
tail_worker_not_found = Kind(
    *(404, 10203),
    "Tail Worker does not exist on this account. Check the Worker name and try again.",
)
worker_name_invalid = Kind(400, 10016, "'{}' is not a valid Worker name")
too_many_workers = Kind(403, 10037, "This account has reached the limit of {} Workers.")
worker_too_large = Kind(400, 10027, "Your Worker exceeded the size limit of {} MiB.")
subdomain_not_registered = Kind(404, 10007, "workers.api.error.subdomain_not_found")
subdomain_required = Kind(
    *(403, 10063),
    "You need a workers.dev subdomain in order to proceed. Opening the Workers landing page for"
    " the first time creates one.",
)
version_not_found = Kind(404, 100146, "Version {} could not be found.")
no_versions = Kind(404, 10222, "This Worker has no versions.")
script_invalid = Kind(400, 10021, "{}")  # the message is the runtime's own
flag_experimental = Kind(
    *(400, 10021),
    "The compatibility flag {} is experimental and cannot yet be used in Workers deployed to"
    " Cloudflare.",
)
no_handlers = Kind(400, 10068, "The uploaded script has no registered event handlers.")
deployment_not_found = Kind(404, 10007, "Deployment {} could not be found.")
deployment_invalid = Kind(400, 10026, "Invalid deployment: {}")
cron_invalid = Kind(400, 10100, "invalid cron string: {}")
too_many_crons = Kind(
    400, 10072, "This account has reached the limit of {} cron triggers per account."
)
redirects_invalid = Kind(
    *(400, 100324),
    "Invalid _redirects configuration:\nLine {}: Infinite loop detected in this rule.",
)

# Bindings and secrets

inherit_invalid = Kind(400, 10057, "inherit binding '{}' does not exist in the previous version")
binding_unnamed = Kind(400, 10052, "A binding was uploaded without a name.")
binding_in_use = Kind(400, 10053, "Binding name '{}' already in use.")
variable_too_large = Kind(400, 10054, "{} exceeds the size limit of {} bytes")
too_many_variables = Kind(400, 10055, "A Worker has {} variables and secrets at most")
secret_not_found = Kind(404, 10056, "Secret {} was not found")
secrets_changed = Kind(400, 10220, "The following secrets have changed: {}")
latest_not_deployed = Kind(  # of one secret; 10214 in bulk
    *(400, 10215),
    "Secret edit failed. You attempted to modify a secret, but the latest version of your Worker"
    " isn't currently deployed.",
)
bucket_of_binding_not_found = Kind(
    400, 10085, "R2 bucket '{}' not found. Please use a different name and try again."
)
_BOUND: Final = {
    "kv_namespace": (10041, "KV namespace '{named}' not found."),
    "d1": (10181, "D1 binding '{binding}' references database '{named}' which was not found."),
    "queue": (11000, "Queue '{named}' not found."),
    "service": (
        10143,
        "Service binding '{binding}' references Worker '{named}' which was not found.",
    ),
    "hyperdrive": (10157, "Hyperdrive config '{named}' not found."),
    "dispatch_namespace": (
        100119,
        "The specified dispatch namespace does not exist on this account.",
    ),
    "vectorize": (
        10159,
        "Vectorize binding '{binding}' references index '{named}' which was not found.",
    ),
    "mtls_certificate": (
        10021,
        "mTLS binding '{binding}' references certificate '{named}' which was not found.",
    ),
    "pipelines": (
        10021,
        "Pipelines binding '{binding}' references stream '{named}' which was not found.",
    ),
    "secrets_store_secret": (
        10182,
        "Secrets Store binding '{binding}' references the secret '{named}' which was not found.",
    ),
}


def bound_not_found(binding: str, kind: str, named: str) -> Refusal:
    """Refuse an upload that binds a resource which is not there."""
    code, text = _BOUND[kind]
    return Refusal(400, code, text.format(binding=binding, named=named))


# Durable Objects

migration_tag_wrong = Kind(
    412, 10079, "Expected old_tag to be '{}': the Worker's migration tag is another."
)
migration_in_version = Kind(
    *(400, 10211),
    "Version upload failed. You attempted to upload a version with a Durable Object migration,"
    " which only a deployment can apply.",
)
class_not_configured = Kind(
    *(400, 10061),
    "Cannot create binding for class '{}' because it is not currently configured to implement"
    " Durable Objects. Configure a migration in your Wrangler configuration to add this class.",
)
class_of_no_worker = Kind(
    400, 10061, "Cannot create binding for class in script '{}' that does not exist."
)
new_class_not_exported = Kind(
    400, 10070, "Cannot apply new-class migration to class '{}' that is not exported by script"
)
class_not_exported = Kind(
    *(400, 10064),
    "New version of script does not export class '{}' which is depended on by existing Durable"
    " Objects.",
)
class_in_use = Kind(
    *(400, 10074),
    "Cannot apply new-class migration to class '{}' that is already depended on by existing"
    " Durable Objects.",
)
class_unknown = Kind(400, 10076, "Cannot apply --{} migration to class '{}' that does not exist.")

# R2

bucket_not_found = Kind(404, 10006, "The specified bucket does not exist.")
bucket_exists = Kind(409, 10004, "The bucket you tried to create already exists, and you own it.")
bucket_name_invalid = Kind(400, 10005, "The specified bucket name is not valid.")
bucket_not_empty = Kind(409, 10008, "The bucket you tried to delete is not empty.")
object_not_found = Kind(404, 10007, "The specified key does not exist.")
cors_not_found = Kind(404, 10059, "The CORS configuration does not exist.")
policy_invalid = Kind(400, 10040, "The JSON you provided was not well formed: {}")
notifications_not_found = Kind(404, 11015, "No event notification configuration was found.")
object_key_invalid = Kind(400, 10020, "{}")

# Pages

project_not_found = Kind(
    *(404, 8000007),
    "Project not found. The specified project name does not match any of your existing projects.",
)
project_exists = Kind(409, 8000002, "A project with this name already exists.")
project_name_invalid = Kind(
    400, 8000001, "A project name has 1 to 58 lower-case letters, digits and dashes"
)
pages_deployment_not_found = Kind(404, 8000009, "Deployment not found.")
pages_deployment_active = Kind(400, 8000034, "Cannot delete the active production deployment.")
pages_token_expired = Kind(401, 8000013, "Authorization failed")
pages_manifest_missing = Kind(
    400, 8000096, "A 'manifest' field was expected in the request body but was not provided."
)
pages_manifest_invalid = Kind(400, 8000096, "The manifest is not valid: {}")

# Zones, routes and domains

zone_not_found = Kind(404, 1001, "Invalid zone identifier")
zone_exists = Kind(400, 1061, "{} already exists")
zone_setting_unknown = Kind(400, 1006, "Unrecognized zone setting name: {}")
record_not_found = Kind(404, 81044, "Record does not exist.")
route_exists = Kind(409, 10020, "A route with the same pattern already exists: {} ({})")
route_not_found = Kind(404, 10009, "The requested route does not exist.")
route_invalid = Kind(400, 10022, "Your route {} is not within this zone.")
domain_not_found = Kind(404, 100114, "The custom domain could not be found.")
domain_taken = Kind(409, 100117, "Hostname '{}' already has externally managed DNS records.")

# KV, D1, queues, workflows and the rest

kv_invalid = Kind(400, 10147, "invalid request: '{}'")
kv_namespace_not_found = Kind(404, 10013, "get namespace: 'namespace not found'")
kv_key_not_found = Kind(404, 10009, "get: 'key not found'")
kv_title_taken = Kind(
    *(400, 10014),
    "create namespace: 'a namespace with this account ID and title already exists'",
)
database_not_found = Kind(404, 7404, "The database {} could not be found")
queue_not_found = Kind(404, 11000, "Queue does not exist.")
queue_of_messages_not_found = Kind(404, 10104, "Queue does not exist.")
queue_exists = Kind(409, 11009, "Queue name '{}' is already taken.")
queue_has_consumer = Kind(400, 11004, "Queue '{}' already has a consumer.")
queue_not_pulled = Kind(400, 10228, "Queue '{}' has no consumer of the type http_pull.")
consumer_not_found = Kind(404, 11002, "Consumer does not exist.")
workflow_not_found = Kind(404, 10200, "workflow.not_found")
index_not_found = Kind(404, 3000, "vectorize.index.not_found")
index_exists = Kind(409, 3002, "vectorize.index.duplicate_name - {}")
certificate_not_found = Kind(404, 1001, "certificate_not_found")
stream_not_found = Kind(404, 1001, "stream_not_found")
hyperdrive_not_found = Kind(404, 2004, "The Hyperdrive config was not found")
hyperdrive_exists = Kind(409, 2017, "A Hyperdrive config with the name {} already exists")
hyperdrive_origin_invalid = Kind(400, 2015, "the origin has no {}")
namespace_not_found = Kind(404, 100119, "workers.api.error.dispatch_namespace_not_found")
namespace_exists = Kind(409, 100120, "A namespace with the name {} already exists")
store_not_found = Kind(404, 1001, "store_not_found")
stored_secret_not_found = Kind(404, 1001, "secret_not_found")
stored_secret_exists = Kind(409, 1002, "secret_name_already_exists")
too_many_stores = Kind(400, 1003, "maximum_stores_exceeded")
