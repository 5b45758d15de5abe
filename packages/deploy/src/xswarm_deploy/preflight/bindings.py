"""What the Worker is bound to, against what the account has, or the local twin offers."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.preflight.binding_kinds import KINDS, Binding, bindings
from xswarm_deploy.preflight.looking import Seen
from xswarm_deploy.services.errors import Forbidden
from xswarm_deploy.steps import resources

if TYPE_CHECKING:
    from xswarm_deploy.bundling.resources import Resource
    from xswarm_deploy.site import Site

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
TWIN: Final = ABSENT | {
    "assets",
    "version_metadata",
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
    "worker_loaders",
}
"""What the local twin offers; tests hold it to the twin."""
_WORKERS: Final = ("services", "tail_consumers", "durable_objects", "workflows", "outbound")
"""What another Worker has, or is."""


@dataclass
class _Looked:
    """What was seen of each binding."""

    there: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    missing: list[Binding] = field(default_factory=list)
    unseen: list[tuple[str, str]] = field(default_factory=list)
    """What could not be looked at, or looks wrong; each with what to do."""


def bound(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look for everything the Worker is bound to."""
    found = [_ours(site, one) for one in bindings(content)]
    local = is_loopback(site.settings.text("CLOUDFLARE_API_BASE_URL"))
    if local:
        foreign = [f"{one.name} ({one.kind})" for one in found if one.kind not in TWIN]
        if foreign:
            remedy = "deploy this Worker to staging; locally: npx wrangler dev"
            return Seen("fail", f"the local twin does not support {', '.join(foreign)}", remedy)
    looked = _compared(site, [*found, *_references(content)])
    looked.unseen += [] if local else _without_destination(site, content)
    if looked.missing:
        named = ", ".join(map(_labelled, looked.missing))
        remedy = _remedy(site, looked.missing[0], local=local)
        return Seen("fail", f"the account has no {named}", remedy)
    if looked.unseen:
        evidence = "; ".join(told for told, _ in looked.unseen)
        return Seen("warn", evidence, looked.unseen[0][1])
    absent = ", ".join(f"{one.name} ({one.kind})" for one in found if one.kind in ABSENT)
    if local and absent:
        told = f"on the local twin these only answer that they are not there: {absent}"
        return Seen("warn", told, "what needs them can be tried on staging only")
    return "; ".join([*looked.made, *looked.there]) or "none"


def _references(content: Mapping[str, Any]) -> Iterator[Binding]:
    """Return the Workers that are named and bound to nothing: Cloudflare refuses what is not there.

    The release would be undone by it, at its end. Source: workers-sdk, issues 3367 and 8275.
    """
    for one in content.get("tail_consumers") or ():
        yield Binding("tail_consumers", "tail", str(one.get("service") or ""))
    for one in content.get("dispatch_namespaces") or ():
        to = one.get("outbound") or {}
        if to.get("service"):
            yield Binding("outbound", str(one.get("binding") or ""), str(to["service"]))


def _is_deployed(site: Site, worker: str) -> bool:
    return worker == site.worker or site.cloudflare.worker_exists(worker)


def _ours(site: Site, one: Binding) -> Binding:
    """Return the binding as the environment has it: its own bucket in the place of another's."""
    r2 = site.settings.project.r2
    own = one.kind == "r2_buckets" and r2.replaces and one.target == r2.replaces
    return replace(one, target=r2.bucket) if own else one


def _labelled(one: Binding) -> str:
    of = f" of {one.within}" if one.kind in ("durable_objects", "workflows") and one.within else ""
    return f"{one.name} ({one.kind} {one.target or 'without an id or name'}{of})"


def _remedy(site: Site, one: Binding, *, local: bool) -> str:
    """Return how what is missing is made, or named."""
    if one.kind in _WORKERS:
        worker = one.within if one.kind in ("durable_objects", "workflows") else one.target
        # Each project has a twin of its own, which knows only the Workers deployed to that.
        ours = shlex.quote(str(site.settings.root / ".sandbox/endpoints.env"))
        here = f", to this twin: set -a; . {ours}; npx wrangler deploy" if local else ""
        return f"deploy {worker} first, in its own folder{here}; or correct its name"
    kind = KINDS[one.kind]
    if not kind.made:
        return "make it, or correct its id or name"
    key = kind.target[0]
    named = "" if key.endswith("id") else one.target
    made = kind.made.format(named or f"{site.worker}-{one.name.lower().replace('_', '-')}")
    made, listed = (text.replace("STORE", one.within or "STORE") for text in (made, kind.listed))
    if one.target:
        return f"correct it ({listed}), or make it: {made}"
    told = f'{made}; then write what it prints into wrangler\'s file, as "{key}" of {one.name}'
    return f"{told} (for the twin alone any id does)" if local else told


def _compared(site: Site, found: Iterable[Binding]) -> _Looked:
    """Ask for each: what is there, what is missing, what the release makes, what nobody tells."""
    looked = _Looked()
    needed = {one.binding: one for one in resources.needed(site)}
    for one in found:
        try:
            _look(site, one, needed, looked)
        except Forbidden as error:
            if one.kind in resources.KINDS or one.kind in _WORKERS:
                raise  # the release itself needs the permission
            told = f"{_labelled(one)} was not checked: {error.call} is refused"
            looked.unseen.append((told, error.remedy))
    return looked


def _look(site: Site, one: Binding, needed: Mapping[str, Resource], looked: _Looked) -> None:
    if why := _unasked(one):
        looked.there.append(f"{one.name} ({' '.join(filter(None, (one.kind, one.target)))}): {why}")
    elif one.kind in resources.KINDS and one.name in needed:
        _look_by_name(site, one, needed[one.name], looked)
    elif _is_there(site, one):
        looked.there.append(_labelled(one))
        looked.unseen += _without_entrypoint(site, one)
    elif one.kind == "r2_buckets" and one.target:
        looked.made.append(f"R2 bucket {one.target} is made by the release")
    else:
        looked.missing.append(one)


def _unasked(one: Binding) -> str:
    """Return why nothing is looked for; empty: it is."""
    if one.kind == "workflows" and not one.within:
        return "the Worker's own"
    if one.kind == "vpc_networks" and not one.target:
        return "a network without a tunnel of its own"
    return KINDS[one.kind].why if one.kind in KINDS else ""


def _look_by_name(site: Site, one: Binding, resource: Resource, looked: _Looked) -> None:
    named = f"{resources.KINDS[one.kind].label} {resource.name}"
    if resources.is_there(site, resource):
        looked.there.append(f"{one.name} ({named})")
    else:
        looked.made.append(f"{named} is made by the release")


def _is_there(site: Site, one: Binding) -> bool:
    """Return whether the account has it; without an id, whether the live version is bound to it."""
    asked = _ASKED.get(one.kind)
    if not one.target or (asked is None and not KINDS[one.kind].at):
        return one.name in resources.live_names(site)
    if asked is None:
        return site.cloudflare.has(KINDS[one.kind].at.format(one.target))
    return asked(site, one)


def _without_entrypoint(site: Site, one: Binding) -> Iterator[tuple[str, str]]:
    """Return that the live version of the other Worker exports no such entrypoint: calls fail.

    A Worker whose versions tell no exports is taken at its word.
    """
    if one.kind != "services" or not one.entrypoint or one.target == site.worker:
        return
    newest = next(iter(site.cloudflare.deployments(one.target)), None)
    for version in newest.split if newest else ():
        exported = site.cloudflare.version(one.target, version).exports
        if exported and one.entrypoint not in {*exported, "default"}:
            told = f"{one.name}: {one.target} exports no {one.entrypoint}, so that calls fail"
            yield told, f"deploy {one.target} with it first; or correct the entrypoint's name"
            return


def _without_destination(site: Site, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return where logs or traces are to go, and the account has no such destination."""
    told = content.get("observability") or {}
    parts = ((part, (told.get(part) or {}).get("destinations")) for part in ("logs", "traces"))
    named = {str(name): part for part, names in parts for name in names or ()}
    try:
        known = site.cloudflare.destinations() if named else set[str]()
    except Forbidden as error:
        yield f"{', '.join(named)} (observability) was not checked: {error}", error.remedy
        return
    for name, part in named.items():
        if name not in known:
            remedy = f"make {name} in the dashboard (Workers & Pages, Observability), or correct it"
            yield f"observability.{part} goes to {name}, which the account has not", remedy


def _has_class(site: Site, one: Binding) -> bool:
    """Return whether a Worker has the class of Durable Objects; its own the release brings."""
    if not one.within or one.within == site.worker:
        return True
    return _is_deployed(site, one.within) and site.cloudflare.has_objects(one.within, one.target)


def _has_workflow(site: Site, one: Binding) -> bool:
    """Return whether another Worker runs the workflow."""
    found = site.cloudflare.workflows.find(one.target)
    return found is not None and found.get("script_name") == one.within


_ASKED: Final[Mapping[str, Callable[[Site, Binding], bool]]] = {
    "r2_buckets": lambda site, one: site.cloudflare.bucket(one.target, one.within) is not None,
    "secrets_store_secrets": lambda site, one: site.cloudflare.has_secret(one.within, one.target),
    "services": lambda site, one: _is_deployed(site, one.target),
    "tail_consumers": lambda site, one: _is_deployed(site, one.target),
    "outbound": lambda site, one: _is_deployed(site, one.target),
    "durable_objects": _has_class,
    "workflows": _has_workflow,
}
"""What is looked for in a way of its own."""
