"""What the Worker needs beside its version: addresses, settings, secrets, Durable Objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import d1
from xswarm_deploy.database import d1_pending
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.record import noted
from xswarm_deploy.preflight.configuration import ACCOUNT, GROUP, of_file
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.settings import dev_vars
from xswarm_deploy.settings.settings import sent
from xswarm_deploy.settings.variables import BY_NAME, LOCAL
from xswarm_deploy.steps import compared, durable_objects, traffic, worker
from xswarm_deploy.steps.unversioned import subdomain
from xswarm_deploy.verification import target

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

KEEP: Final = (
    'what is to stay: write it into wrangler\'s file, or "keep_vars": true for all variables'
)
_OTHERS: Final = (
    "SELECT DISTINCT worker FROM _releases WHERE environment = ? AND worker NOT IN ('', ?)"
    " AND status = 'succeeded' ORDER BY worker"
)
REGISTER: Final = "choose one: Cloudflare, Workers & Pages, Account details, Subdomain"


def probes(site: Site) -> list[Probe]:
    """Ask the account for each, as the release will."""
    looks = {
        "live version": _live,
        "settings and addresses": _settings,
        "workers.dev": _workers_dev,
        "version override": _override,
        "required secrets": _secrets,
        "durable objects": _objects,
    }
    made = [
        probe(name, GROUP, of_file(site, look), needs=ACCOUNT, needed=True)
        for name, look in looks.items()
    ]
    pending = of_file(site, _d1_migrations)
    return [*made, probe("D1 migrations", GROUP, pending, needs=ACCOUNT, critical=False)]


def _live(site: Site, _content: Mapping[str, Any]) -> Seen | str:
    """Look at what is to be left: one version, and nothing of it that no file has.

    What a release made is compared by the plan alone: its files were its own.
    """
    live = traffic.live_split(site)
    if not live:
        return _first(site)
    leaving = traffic.to_leave(site, live, traffic.deployable(site))
    if noted(site.history(), leaving):
        return f"{leaving[:8]}, made by a release"
    changed = compared.told(site, leaving)
    told = f"{leaving[:8]}, made by no release"
    if not changed:
        return f"{told}; its bindings stay"
    return Seen("warn", f"{told}; of its bindings {changed}", KEEP)


def _first(site: Site) -> Seen | str:
    """Look whether the Worker is one that had another name: the old one would go on beside it."""
    others = [name for name in _released(site) if site.cloudflare.worker_exists(name)]
    if not others:
        return "none yet"
    named = ", ".join(others)
    return Seen(
        "warn",
        f"none yet; the releases of this database are of {named}, which stays live beside it",
        f"where {site.worker} is its new name: npx wrangler delete --name {others[0]} after the"
        " release (environments, another name); where both are to be: nothing; where the name is"
        " wrong: deploy.worker.name in invoke.yaml",
    )


def _released(site: Site) -> list[str]:
    """Return the other Workers of which the database holds releases of this environment."""
    with suppress(DeployError):  # there is no ledger yet, or the database has a line of its own
        rows = site.database.query(_OTHERS, (site.settings.environment, site.worker))
        return [row.text("worker") for row in rows]
    return []


def _settings(site: Site, _content: Mapping[str, Any]) -> str:
    """Plan what belongs to no version: that asks for each queue, zone, route and workflow."""
    planned = worker.beside(site, traffic.live_split(site))
    return f"to be set: {', '.join(c.resource for c in planned)}" if planned else "as the file says"


def _workers_dev(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look for the account's own name: a first release is verified below it, too."""
    wanted = subdomain.described(content, site.worker)
    first = not site.cloudflare.worker_exists(site.worker)
    if not (first or wanted["enabled"] or wanted["previews"]):
        return "not used"
    name = site.cloudflare.account_subdomain()
    if name:
        return f"{name}.workers.dev"
    return Seen("fail", "the account has no name under workers.dev", REGISTER)


def _override(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look whether a version at 0 % can be asked before users meet it."""
    if target.overridable(site.worker):
        return f"{site.worker} is a valid key of the header"
    told = f"{site.worker} begins with no letter, so that no header chooses one of its versions"
    if subdomain.described(content, site.worker)["previews"]:
        return f"{told}: they are verified at their preview URLs"
    remedy = 'write "preview_urls": true, or deploy under a name that begins with a letter'
    return Seen("fail", f"{told}, and it has no preview URLs", remedy)


def _secrets(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look for a value of each secret that the configuration requires, or invoke.yaml names."""
    asked = (content.get("secrets") or {}).get("required") or ()
    required = list(dict.fromkeys([*asked, *sorted(site.settings.own_secrets())]))
    given = {*site.settings.worker_secrets(), *site.settings.worker_variables()}
    absent = [name for name in required if name not in given]
    there = set(site.cloudflare.secrets(site.worker)) if absent else set()
    missing = [name for name in absent if name not in there]
    if missing:
        names = ", ".join(missing)
        if set(missing) <= _spared_here(site, asked):
            told = f"without a value here: {names}; the Worker on the twin has none of that name"
            way_on = f"as far as the Worker needs it here: {_entered(site, missing)}"
            return Seen("warn", told, way_on)
        spared = [name for name in missing if name not in asked]
        without = "; or take out of deploy.worker.secrets what it does without" if spared else ""
        way_on = f"{_entered(site, missing)}{without}"
        return Seen("fail", f"required, without a value: {names}", way_on)
    return f"{len(required)} required, all there" if required else "none"


def _spared_here(site: Site, asked: Collection[str]) -> set[str]:
    """Return the names that the twin does without, as ``wrangler dev`` does: a clone has no values.

    Those that wrangler's file requires (``asked``) only where a person has left them empty.
    """
    if site.settings.environment != LOCAL:
        return set()
    worker = site.settings.project.worker
    there = dev_vars.read(site.settings.path(worker.config).parent, worker.environment)
    empty = {name for name, value in there.items() if not value.strip()}
    return empty | (site.settings.own_secrets() - {*asked})


def _entered(site: Site, missing: Sequence[str]) -> str:
    """Return where values are written, by the names that the file has for them."""
    environment = site.settings.environment
    known = {} if environment == LOCAL else BY_NAME
    named = [known[n].file_name(environment) if n in known else n for n in missing]
    told = f"put {', '.join(named)} into {_places(site)}"
    declared = {variable.name for variable in sent(site.settings.project)}
    left = [name for name in missing if name not in declared]
    return f"{told}, and {', '.join(left)} under deploy.worker.secrets" if left else told


def _places(site: Site) -> str:
    """Return where a secret's value may stand."""
    local = site.settings.environment == LOCAL
    return f".dev.vars or {site.settings.source}" if local else site.settings.source


def _objects(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Return whether the release applies a step of the Durable Objects' lifecycle."""
    if not (content.get("migrations") or content.get("exports")):
        return "no lifecycle"
    live = traffic.live_split(site)
    lifecycle = durable_objects.of_live(site, live)
    if lifecycle is None:
        return "nothing new: the version is verified at 0 % first"
    if not live:
        return f"{lifecycle.told}, with the first version"
    told = f"{lifecycle.told}: the upload takes all traffic at once, and cannot be taken back"
    return Seen("warn", told, "release it alone, with no other change")


def _part(site: Site) -> str:
    """Return what chooses the environment's part of wrangler's file, on wrangler's line."""
    part = site.settings.project.worker.environment
    return f" --env {part}" if part else ""


def _d1_migrations(site: Site, _content: Mapping[str, Any]) -> Seen | str:
    """Look for files that wrangler has not applied to a database that the Worker is bound to."""
    found = {
        one.binding: d1_pending.pending(site.d1, one.database, one.ledger, one.files)
        for one in d1.migrated(site.settings)
    }
    lacking = {binding: names for binding, names in found.items() if names}
    if not lacking:
        return f"applied: {', '.join(found)}" if found else "none of wrangler's"
    told = "; ".join(f"{one} has not had {', '.join(names)}" for one, names in lacking.items())
    first = next(iter(lacking))
    remedy = f"npx wrangler d1 migrations apply {first}{_part(site)} --remote"
    return Seen("warn", told, f"{remedy}; or let releases do it: TURSO_DATABASE_URL=d1:{first}")
