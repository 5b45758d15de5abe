"""Every kind of binding that wrangler knows: where the account has what it leads to.

The kinds are those of ``config-schema.json`` in the installed wrangler; a test compares. A kind is
looked for by its path, or in a way of its own (:mod:`bindings`), or there is nothing to look for
and ``why`` says so: none passes in silence. Paths: Cloudflare's API reference, and wrangler's
source where that is silent (K2, Agent Memory, Flagship).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple


class Kind(NamedTuple):
    """One kind of binding.

    Args:
        target: the keys of the file that name what is bound; the first that is there counts.
        at: where the account has it, below its path; ``{}`` stands for the target.
        why: why nothing is looked for; empty: it is.
        made: the command that makes one, ``{}`` for its name.
        listed: the command that lists them.
        list: where in the file the bindings are, when not directly below the kind.
        within: the key that says in what it is: a jurisdiction, a Worker, a store.
    """

    target: tuple[str, ...] = ()
    at: str = ""
    why: str = ""
    made: str = ""
    listed: str = ""
    list: str = ""
    within: str = ""


@dataclass(frozen=True)
class Binding:
    """One binding: its kind (the key in the file), its name in ``env``, what it leads to.

    ``within`` is the jurisdiction of a bucket, the Worker that has the class or the workflow, or
    the store of a secret; ``entrypoint`` is the other Worker's.
    """

    kind: str
    name: str
    target: str = ""
    within: str = ""
    entrypoint: str = ""


_PRODUCT: Final = "a product of the account, without a name to look for"
_UNSAFE: Final = "sent as it is written, so that only Cloudflare knows what it needs"

KINDS: Final[Mapping[str, Kind]] = {
    "agent_memory": Kind(("namespace",), "agent-memory/namespaces/{}"),
    "ai": Kind(why=_PRODUCT),
    "ai_search": Kind(("instance_name",), "ai-search/namespaces/default/instances/{}"),
    "ai_search_namespaces": Kind(("namespace",), "ai-search/namespaces/{}"),
    "analytics": Kind(why=_PRODUCT),
    "analytics_engine_datasets": Kind(("dataset",), why="made by its first data point"),
    "artifacts": Kind(("namespace",), why="made with its first repository"),
    "assets": Kind(why="the Worker's own files"),
    "browser": Kind(why=_PRODUCT),
    "d1_databases": Kind(
        ("database_id",),
        "d1/database/{}",
        made="npx wrangler d1 create {}",
        listed="npx wrangler d1 list",
    ),
    "dispatch_namespaces": Kind(("namespace",), "workers/dispatch/namespaces/{}"),
    "durable_objects": Kind(("class_name",), list="bindings", within="script_name"),
    "flagship": Kind(("app_id",), "flagship/apps/{}"),
    "hyperdrive": Kind(
        ("id",),
        "hyperdrive/configs/{}",
        made='npx wrangler hyperdrive create {} --connection-string "$DATABASE"',
        listed="npx wrangler hyperdrive list",
    ),
    "images": Kind(why=_PRODUCT),
    "k2": Kind(("stream",), "k2/streams/{}"),
    "kv_namespaces": Kind(
        ("id",),
        "storage/kv/namespaces/{}",
        made="npx wrangler kv namespace create {}",
        listed="npx wrangler kv namespace list",
    ),
    "logfwdr": Kind(("destination",), list="bindings", why="no API tells which there are"),
    "media": Kind(why=_PRODUCT),
    "mtls_certificates": Kind(
        ("certificate_id",),
        "mtls_certificates/{}",
        made="npx wrangler mtls-certificate upload --cert cert.pem --key key.pem --name {}",
        listed="npx wrangler mtls-certificate list",
    ),
    "pipelines": Kind(
        ("stream", "pipeline"),
        "pipelines/v1/streams/{}",
        made="npx wrangler pipelines streams create {}",
        listed="npx wrangler pipelines streams list",
    ),
    "queues": Kind(("queue",), list="producers"),
    "r2_buckets": Kind(
        ("bucket_name",),
        made="npx wrangler r2 bucket create {}",
        listed="npx wrangler r2 bucket list",
        within="jurisdiction",
    ),
    "ratelimits": Kind(("namespace_id",), why="counts by itself"),
    "secrets_store_secrets": Kind(
        ("secret_name",),
        made="npx wrangler secrets-store secret create STORE --name {} --scopes workers --remote",
        listed="npx wrangler secrets-store secret list STORE --remote",
        within="store_id",
    ),
    "send_email": Kind(why="addresses are looked at when a message is sent"),
    "services": Kind(("service",)),
    "stream": Kind(why=_PRODUCT),
    "unsafe": Kind(("type",), list="bindings", why=_UNSAFE),
    "unsafe_hello_world": Kind(why="wrangler's example"),
    "vectorize": Kind(
        ("index_name",),
        "vectorize/v2/indexes/{}",
        made="npx wrangler vectorize create {} --dimensions 768 --metric cosine",
        listed="npx wrangler vectorize list",
    ),
    "version_metadata": Kind(why="the version itself"),
    "vpc_networks": Kind(("tunnel_id",), "cfd_tunnel/{}"),
    "vpc_services": Kind(("service_id",), "connectivity/directory/services/{}"),
    "worker_loaders": Kind(why="loads what the Worker gives it"),
    "workflows": Kind(("name",), within="script_name"),
}


def bindings(content: Mapping[str, Any]) -> Iterator[Binding]:
    """Return the bindings of a wrangler configuration."""
    for name, kind in KINDS.items():
        for one in _entries(content.get(name), kind.list):
            named = str(one.get("binding") or one.get("name") or "")
            if named:
                yield _binding(name, named, kind, one)


def _entries(written: Any, below: str) -> Iterator[Mapping[str, Any]]:
    """Return the entries of a kind: of a list, of one below a key, or the only one."""
    if isinstance(written, Mapping):
        written = (written.get(below) or ()) if below else [written]
    yield from (one for one in written or () if isinstance(one, Mapping))


def _binding(name: str, named: str, kind: Kind, one: Mapping[str, Any]) -> Binding:
    target = next((str(one[key]) for key in kind.target if one.get(key)), "")
    within = str(one.get(kind.within) or "") if kind.within else ""
    return Binding(name, named, target, within, str(one.get("entrypoint") or ""))
