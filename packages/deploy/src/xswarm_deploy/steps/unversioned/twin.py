"""What a configuration takes for granted in an account, made on the local twin by its own ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import calling, d1, functions, wrangler
from xswarm_deploy.database import d1_pending
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.steps import affinity
from xswarm_deploy.steps.unversioned import zones

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_BY_NAME_ALONE: Final = (
    ("vectorize", "index_name", "vectorize"),
    ("mtls_certificates", "certificate_id", "certificates"),
    ("pipelines", "stream", "streams"),
    ("pipelines", "pipeline", "streams"),
)
"""What the twin knows by its name alone: kind, key, and place among the twin's own routes."""
_NOWHERE: Final = "postgres://local:local@127.0.0.1:5432/local"


def provide(site: Site) -> None:
    """Make the zones, queues, namespaces and databases that the configuration names by their ids.

    In production a person makes them once; on the twin a release would be refused for want of
    them after each reset. A D1 database gets the migrations that wrangler would apply.

    Args:
        site: the local environment; any other is left alone.
    """
    if not is_loopback(site.settings.text("CLOUDFLARE_API_BASE_URL")):
        return
    try:
        content = wrangler.read(site.settings)
    except Refused:
        return  # the check says why it cannot be read
    if affinity.asked(site.settings):
        _add_zone(site, affinity.HERE)
    make(site, content)
    for own in _of_environments(site):
        make(site, own)
    for own in _of_pages(site):
        make(site, own)
    for one in d1.migrated(site.settings):
        if d1_pending.pending(site.d1, one.database, one.ledger, one.files):
            _apply(site, one)


def _of_environments(site: Site) -> Iterator[Mapping[str, Any]]:
    """Yield what wrangler's file says of each environment: a rehearsal releases those here."""
    content = wrangler.parsed(wrangler.file(site.settings))
    for name in content.get("env") or {}:
        with suppress(DeployError):  # the check of that environment says why
            yield wrangler.environment(content, name)


def _of_pages(site: Site) -> Iterator[Mapping[str, Any]]:
    """Yield what the Functions of the static site are bound to, by their own configuration."""
    pages = site.settings.project.pages
    if pages.directory:
        folder = site.settings.path(pages.directory)
        file = functions.configuration(folder, site.settings.root)
        with suppress(DeployError):  # wrangler says why it cannot be read
            yield from [wrangler.parsed(file)] if file else ()


def make(site: Site, content: Mapping[str, Any]) -> None:
    """Make on the twin what a configuration names by its ids.

    Args:
        site: the local environment.
        content: of this Worker, or of another one that it is bound to.
    """
    for name in dict.fromkeys(_zones(content)):
        _add_zone(site, name)
    for name in dict.fromkeys(_queues(content)):
        if site.cloudflare.queues.find(name) is None:
            path = f"/accounts/{site.cloudflare.account_id}/queues"
            site.cloudflare.http.post(path, json={"queue_name": name})
    for place, told in resources(content):
        path = f"/accounts/{site.cloudflare.account_id}/__sandbox/{place}"
        site.cloudflare.http.put(path, json=told)


def _add_zone(site: Site, name: str) -> None:
    if site.cloudflare.zone(name) is None:
        site.cloudflare.http.post("/zones", json={"name": name})


def _apply(site: Site, migrated: d1.Migrated) -> None:
    """Let wrangler apply its migrations, as the Worker's people do in production."""
    worker = site.settings.project.worker
    config = site.settings.path(worker.config)
    calling.wrangler(
        site,
        config.parent,
        *("d1", "migrations", "apply", migrated.binding, "--remote"),
        *("--config", str(config), "--env", worker.environment),
        failed=f"the migrations of {migrated.binding} were not applied to the twin",
    )


def resources(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Return what is named by an id, as the twin's own route takes it.

    A database behind Hyperdrive is the one of ``wrangler dev``; a secret of the Secrets Store has
    a text of its own here.
    """
    for one in _listed(content, "kv_namespaces", "id"):
        yield f"kv/{one['id']}", {"name": str(one["binding"])}
    for one in _listed(content, "d1_databases", "database_id"):
        yield f"d1/{one['database_id']}", {"name": str(one.get("database_name") or one["binding"])}
    for one in _listed(content, "hyperdrive", "id"):
        yield f"hyperdrive/{one['id']}", {"url": str(one.get("localConnectionString") or _NOWHERE)}
    for one in _listed(content, "secrets_store_secrets", "store_id"):
        name = str(one["secret_name"])
        yield f"secrets/{one['store_id']}", {"name": name, "text": f"local-{name}"}
    for kind, key, place in _BY_NAME_ALONE:
        for one in _listed(content, kind, key):
            yield f"{place}/{one[key]}", {}


def _listed(content: Mapping[str, Any], kind: str, key: str) -> Iterator[Mapping[str, Any]]:
    for one in content.get(kind) or ():
        if _ID.fullmatch(str(one.get(key) or "")):
            yield one


def _zones(content: Mapping[str, Any]) -> Iterator[str]:
    """Return a zone for each route: the named one, else the last two labels of its host."""
    for custom in (False, True):
        for pattern, given in zones.listed(content, custom=custom).items():
            host = ".".join(zones.host(pattern).split(".")[-2:])
            if "zone_id" not in given and (named := given.get("zone_name") or host):
                yield named


def _queues(content: Mapping[str, Any]) -> Iterator[str]:
    """Return the queues of consumers; those that a Worker sends to are made by its release."""
    for one in (content.get("queues") or {}).get("consumers") or ():
        yield from (str(one[key]) for key in ("queue", "dead_letter_queue") if one.get(key))
