"""What the Worker is bound to, against what the account has, or the local twin offers."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.preflight.looking import Seen
from xswarm_deploy.steps import resources

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

NO_RESOURCE: Final = frozenset({"assets", "version_metadata"})
ABSENT: Final = frozenset(
    {
        "ai",
        "browser",
        "images",
        "vectorize",
        "pipelines",
        "mtls_certificates",
        "dispatch_namespaces",
    }
)
"""What the local twin takes, and answers that it does not have."""
TWIN: Final = NO_RESOURCE | {
    "r2_buckets",
    "kv_namespaces",
    "d1_databases",
    "durable_objects",
    "queues",
    "services",
    "workflows",
    "hyperdrive",
    "analytics_engine_datasets",
    "ratelimits",
    "send_email",
    "secrets_store_secrets",
    *ABSENT,
}
"""What the local twin offers; tests hold it to the twin."""
LISTS: Final = {
    "r2_buckets": "bucket_name",
    "kv_namespaces": "id",
    "d1_databases": "database_id",
    "services": "service",
    "hyperdrive": "id",
    "vectorize": "index_name",
    "analytics_engine_datasets": "dataset",
    "dispatch_namespaces": "namespace",
    "mtls_certificates": "certificate_id",
    "pipelines": "pipeline",
    "ratelimits": "namespace_id",
    "secrets_store_secrets": "secret_name",
    "send_email": "name",
    "workflows": "name",
}
"""A list of bindings each, and the key that names what one is bound to."""
NESTED: Final = {"durable_objects": ("bindings", "class_name"), "queues": ("producers", "queue")}
SINGLE: Final = ("ai", "browser", "images", "media", *sorted(NO_RESOURCE))


@dataclass(frozen=True)
class Binding:
    """One binding: its kind (the key in the file), its name in ``env``, what it leads to.

    ``within`` is the jurisdiction of a bucket, or the Worker that has the class.
    """

    kind: str
    name: str
    target: str = ""
    within: str = ""


def bound(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look for everything the Worker is bound to."""
    found = [_ours(site, one) for one in bindings(content)]
    local = is_loopback(site.settings.text("CLOUDFLARE_API_BASE_URL"))
    if local:
        foreign = [f"{one.name} ({one.kind})" for one in found if one.kind not in TWIN]
        if foreign:
            remedy = "deploy this Worker to staging; locally: npx wrangler dev"
            return Seen("fail", f"the local twin offers no {', '.join(foreign)}", remedy)
    there, missing, made = _compared(site, found)
    deaf = list(_absent_consumers(site, content))
    missing += [] if local else deaf
    if missing:
        named = ", ".join(map(_labelled, missing))
        return Seen("fail", f"the account has no {named}", _remedy(site, missing[0], local=local))
    lacking = list(_lacking_here(found, deaf)) if local else []
    if lacking:
        return Seen("warn", "; ".join(lacking), "what needs them can be tried on staging only")
    return "; ".join([*made, *there]) or "none"


def _lacking_here(found: Iterable[Binding], deaf: Iterable[Binding]) -> Iterator[str]:
    """Return what the local twin takes, and has not."""
    absent = ", ".join(f"{one.name} ({one.kind})" for one in found if one.kind in ABSENT)
    if absent:
        yield f"on the local twin these only answer that they are not there: {absent}"
    unheard = ", ".join(one.target for one in deaf)
    if unheard:
        yield f"the twin has no {unheard} (tail_consumers): nobody gets the tail"


def bindings(content: Mapping[str, Any]) -> Iterator[Binding]:
    """Return the bindings of a wrangler configuration."""
    for kind, target in LISTS.items():
        for one in content.get(kind) or ():
            yield _binding(kind, one, target)
    for kind, (key, target) in NESTED.items():
        for one in (content.get(kind) or {}).get(key) or ():
            yield _binding(kind, one, target)
    for kind in SINGLE:
        if (content.get(kind) or {}).get("binding"):
            yield Binding(kind, str(content[kind]["binding"]))


def _absent_consumers(site: Site, content: Mapping[str, Any]) -> Iterator[Binding]:
    """Return the Workers that are to get the tail, and are not there: Cloudflare refuses them.

    The release would be undone by it, at its end. Source: workers-sdk, issue 3367 (10007).
    """
    for one in content.get("tail_consumers") or ():
        name = str(one.get("service") or "")
        if not _is_deployed(site, name):
            yield Binding("tail_consumers", "tail", name)


def _is_deployed(site: Site, worker: str) -> bool:
    return worker == site.worker or site.cloudflare.worker_exists(worker)


def _ours(site: Site, one: Binding) -> Binding:
    """Return the binding as the environment has it: its own bucket in the place of another's."""
    r2 = site.settings.project.r2
    own = one.kind == "r2_buckets" and r2.replaces and one.target == r2.replaces
    return replace(one, target=r2.bucket) if own else one


def _binding(kind: str, one: Mapping[str, Any], target: str) -> Binding:
    name = str(one.get("binding") or one.get("name", ""))
    within = one.get("jurisdiction") or one.get("script_name")
    return Binding(kind, name, str(one.get(target, "")), str(within or ""))


def _labelled(one: Binding) -> str:
    of = f" of {one.within}" if one.kind == "durable_objects" and one.within else ""
    return f"{one.name} ({one.kind} {one.target or 'without an id or name'}{of})"


def _remedy(site: Site, one: Binding, *, local: bool) -> str:
    """Return how what is missing is made, or named."""
    worker = one.within if one.kind == "durable_objects" else one.target
    if one.kind in ("services", "tail_consumers", "durable_objects"):
        # Each project has a twin of its own, which knows only the Workers deployed to that.
        ours = shlex.quote(str(site.settings.root / ".sandbox/endpoints.env"))
        here = f", to this twin: set -a; . {ours}; npx wrangler deploy" if local else ""
        return f"deploy {worker} first, in its own folder{here}; or correct its name"
    command, listed = _MAKING.get(one.kind, ("", ""))
    if not command:
        return "make it, or correct its id or name"
    key = LISTS.get(one.kind) or NESTED[one.kind][1]
    named = "" if key.endswith("id") else one.target
    made = command.format(named or f"{site.worker}-{one.name.lower().replace('_', '-')}")
    if one.target:
        return f"correct it ({listed}), or make it: {made}"
    told = f'{made}; then write what it prints into wrangler\'s file, as "{key}" of {one.name}'
    return f"{told} (for the twin alone any id does)" if local else told


def _compared(site: Site, found: list[Binding]) -> tuple[list[str], list[Binding], list[str]]:
    """Ask for each: return what is there, what is missing, and what the release makes."""
    there: list[str] = []
    missing: list[Binding] = []
    made: list[str] = []
    needed = {one.binding: one for one in resources.needed(site)}
    for one in found:
        asked = _ASKED.get(one.kind)
        if one.kind in NO_RESOURCE:
            continue
        if one.name in needed:
            named = f"{resources.KINDS[one.kind].label} {needed[one.name].name}"
            if resources.is_there(site, needed[one.name]):
                there.append(f"{one.name} ({named})")
            else:
                made.append(f"{named} is made by the release")
        elif asked is None and one.kind not in resources.KINDS:
            there.append(f"{one.name} ({one.kind}): not looked at")
        elif _is_there(site, one, asked):
            there.append(_labelled(one))
        elif one.kind == "r2_buckets" and one.target:
            made.append(f"R2 bucket {one.target} is made by the release")
        else:
            missing.append(one)
    return there, missing, made


def _is_there(site: Site, one: Binding, asked: Callable[[Site, Binding], bool] | None) -> bool:
    """Return whether the account has it; without an id, whether the live version is bound to it."""
    if asked is None or not one.target:
        return one.name in resources.live_names(site)
    return asked(site, one)


_MAKING: Final[Mapping[str, tuple[str, str]]] = {
    "r2_buckets": ("npx wrangler r2 bucket create {}", "npx wrangler r2 bucket list"),
    "kv_namespaces": ("npx wrangler kv namespace create {}", "npx wrangler kv namespace list"),
    "d1_databases": ("npx wrangler d1 create {}", "npx wrangler d1 list"),
}
"""By what command each is made, and by which they are listed."""
_ASKED: Final[Mapping[str, Callable[[Site, Binding], bool]]] = {
    "r2_buckets": lambda site, one: site.cloudflare.bucket(one.target, one.within) is not None,
    "kv_namespaces": lambda site, one: site.cloudflare.has(f"storage/kv/namespaces/{one.target}"),
    "d1_databases": lambda site, one: site.cloudflare.has(f"d1/database/{one.target}"),
    "hyperdrive": lambda site, one: site.cloudflare.has(f"hyperdrive/configs/{one.target}"),
    "services": lambda site, one: _is_deployed(site, one.target),
    "durable_objects": lambda site, one: _is_deployed(site, one.within or site.worker),
}
