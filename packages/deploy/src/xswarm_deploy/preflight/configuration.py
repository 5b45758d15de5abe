"""The wrangler configuration: read by its own rules, compared with project and account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import configuration, functions, programs, schema_keys, wrangler
from xswarm_deploy.errors import DeployError, Refused, Unavailable
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.preflight import bindings, limits, packages
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.settings.settings import sent
from xswarm_deploy.settings.variables import LOCAL, VARIABLES, Sent
from xswarm_deploy.steps import publishing, triggers
from xswarm_deploy.steps.unversioned import zones

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe
    from xswarm_deploy.site import Site

NAMED: Final = "choose 1 to 63 small letters, digits, dashes and underscores, no dash at either end"
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
GROUP: Final = "configuration"
ACCOUNT: Final = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")


def probes(site: Site) -> list[Probe]:
    """Look at the file; nothing but the bindings asks the network."""
    looks = {
        "wrangler configuration": _readable,
        "configuration keys": _keys,
        "worker name": _name,
        "worker account": _account,
        "worker main": _main,
        "compatibility date": _compatibility_date,
        "plain variables": _collisions,
        "limits": limits.variables,
        "what the Worker gets": _asked_for,
        "static files": _static,
        "published files": _published,
        "packages": packages.installed,
        "triggers": _triggers,
    }
    made = [probe(name, GROUP, of_file(site, look)) for name, look in looks.items()]
    made.append(probe("environments", GROUP, of_file(site, _environments), critical=False))
    made.append(probe("wrangler's verdict", GROUP, of_file(site, _accepted)))
    made.append(probe("code size", GROUP, _if_accepted(site)))
    if site.settings.project.pages.directory and functions.found(_site(site), site.settings.root):
        made.append(probe("Pages Functions", GROUP, of_file(site, _functions)))
    bound = of_file(site, bindings.bound)
    return [*made, probe("bindings", GROUP, bound, needs=ACCOUNT, needed=True)]


Looked = Callable[["Site", Mapping[str, Any]], "Seen | str"]


def _if_accepted(site: Site) -> Callable[[], Seen | str]:
    """Measure what wrangler bundled; what it did not is told by its verdict."""
    measured = of_file(site, limits.code)

    def looked() -> Seen | str:
        try:
            return measured()
        except (DeployError, OSError):
            return Seen("skip", "skipped: see wrangler's verdict")

    return looked


def of_file(site: Site, look: Looked) -> Callable[[], Seen | str]:
    """Read the file and look; only the first look tells that it cannot be read.

    Args:
        site: the environment.
        look: takes the environment and what the file says.
    """

    def looked() -> Seen | str:
        try:
            content = wrangler.read(site.settings)
        except Refused:
            if look is _readable:
                raise
            return Seen("skip", "skipped: the wrangler configuration cannot be read")
        return look(site, content)

    return looked


def _readable(site: Site, content: Mapping[str, Any]) -> str:
    wrangler.require_built(site.settings)
    return f"{site.settings.project.worker.config}, {len(content)} keys"


def _keys(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Hold the file against the table of keys: all of it is deployed, or it is refused."""
    refused = configuration.refused(content)
    if refused:
        named, way_on = ", ".join(refused), next(iter(refused.values()))
        return Seen("fail", f"a release does not deploy {named}", way_on)
    left_out = _left_out(site, content)
    if left_out:
        return left_out
    counts = configuration.counted(content)
    return ", ".join(f"{count} {fate.value}" for fate, count in counts.items()) or "no keys"


def _left_out(site: Site, content: Mapping[str, Any]) -> Seen | None:
    """Find what nobody deploys: keys that wrangler does not know, or that only a newer one does."""
    written = site.settings.path(site.settings.project.worker.config)
    if wrangler.file(site.settings) != written:
        return None  # a build adds keys of its own
    schema = _schema(written.parent)
    unknown = (
        schema_keys.unknown(_meant(site, written), schema)
        if schema
        else configuration.unknown(content)
    )
    if unknown:
        told = (
            f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items()
        )
        return Seen("warn", f"wrangler ignores {', '.join(told)}", "correct the name, or remove it")
    own = ", ".join(sorted(configuration.unknown(content)))
    if own and programs.is_older(programs.wrangler(written.parent)):
        evidence = f"your wrangler knows {own}, and newer ones do not any more"
        return Seen("warn", f"{evidence}: a release leaves it out", "remove it")
    if own:
        evidence = f"your wrangler knows {own}, and this tool does not yet"
        return Seen("warn", f"{evidence}: a release may leave it out", "update this tool")
    return None


def _schema(folder: Path) -> schema_keys.Schema | None:
    with suppress(Unavailable):  # wrangler's verdict says that there is none
        return schema_keys.of(programs.wrangler(folder))
    return None


def _meant(site: Site, file: Path) -> Mapping[str, Any]:
    """Return the file as it is written, with no other environment than the one deployed."""
    chosen = site.settings.project.worker.environment
    whole = dict(wrangler.parsed(file))
    parts = whole.pop("env", None)
    if not isinstance(parts, Mapping) or chosen not in parts:
        return whole
    return {**whole, "env": {chosen: parts[chosen]}}


def _accepted(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Ask wrangler itself, by the dry run that the release's upload is made of."""
    if configuration.refused(content):
        return Seen("skip", "skipped: see configuration keys")
    made = site.bundling.result()
    modules = len(made.upload.modules)
    return f"accepted: {modules} module(s), {len(made.body) / 1024:.0f} KiB"


def _name(site: Site, content: Mapping[str, Any]) -> Seen | str:
    name = content.get("name")
    if not _NAME.fullmatch(site.worker):
        return Seen("fail", f"{site.worker!r} is no name of a Worker", NAMED)
    if name == site.worker:
        return site.worker
    evidence = f"{name!r} in the file, {site.worker!r} in invoke.yaml"
    remedy = "write the same name in both; invoke.yaml's is the one that is deployed"
    return Seen("warn", evidence, remedy)


def _account(site: Site, content: Mapping[str, Any]) -> Seen | str:
    account, ours = content.get("account_id"), site.settings.text("CLOUDFLARE_ACCOUNT_ID")
    if account in (None, ours):
        return "of the environment file"
    if is_loopback(site.settings.text("CLOUDFLARE_API_BASE_URL")):  # a rehearsal's, too
        return "the twin's own; the file's account_id is production's"
    remedy = "remove account_id from the file: the environment file names the account"
    return Seen("fail", "account_id is not CLOUDFLARE_ACCOUNT_ID", remedy)


def _main(site: Site, content: Mapping[str, Any]) -> Seen | str:
    main = content.get("main")
    if main is None and "assets" in content:
        return "static assets only"
    folder = wrangler.file(site.settings).parent
    if isinstance(main, str) and (folder / main).is_file():
        return main
    if (content.get("build") or {}).get("command"):
        return f"{main}, made by build.command"
    if main is None:
        told = "neither main nor assets.directory is named: there is nothing to deploy"
        return Seen("fail", told, "write main, the file that the Worker begins with")
    return Seen("fail", f"main is {main!r}: no such file", "correct main in the configuration")


def _compatibility_date(_site: Site, content: Mapping[str, Any]) -> Seen | str:
    given = str(content.get("compatibility_date", ""))
    try:
        day = date.fromisoformat(given)
    except ValueError:
        remedy = f'write "compatibility_date": "{_today()}"'
        return Seen("fail", f"{given or 'missing'}: no date", remedy)
    if day > _today():
        return Seen("fail", f"{given} is in the future", f"write {_today()} at the latest")
    return given


def _collisions(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Find what wrangler's file and the environment's both name: one would replace the other."""
    plain = set(content.get("vars") or {})
    ours = {v.name for v in sent(site.settings.project) if v.sent is Sent.WORKER_SECRET}
    taken = ", ".join(sorted(plain & (ours | set(site.settings.worker_secrets()))))
    if taken:
        remedy = f"remove {taken} from vars: a plain value would be public"
        return Seen("fail", f"vars names what is a secret: {taken}", remedy)
    twice = ", ".join(sorted(plain & {v.name for v in sent(site.settings.project)}))
    if twice:
        remedy = f"remove {twice} from vars, or from deploy.worker.variables in invoke.yaml"
        return Seen("fail", f"vars names what the release sends: {twice}", remedy)
    usual = {v.name for v in VARIABLES if v.sent is Sent.WORKER_SECRET}
    shown = ", ".join(sorted(plain & usual))
    if shown:
        told = f"vars has in plain text what is a secret elsewhere: {shown}"
        return Seen("warn", told, f"take {shown} out of vars, and name it in deploy.worker.secrets")
    return f"{len(plain)} in vars, none a secret's name"


def _asked_for(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Find secrets the Worker says it needs (``secrets.required``) and no environment sends."""
    required = {str(name) for name in (content.get("secrets") or {}).get("required") or ()}
    names = [variable.name for variable in sent(site.settings.project)]
    missing = ", ".join(sorted(required - set(names)))
    if missing:
        remedy = f"add {missing} to deploy.worker.secrets in invoke.yaml, and to the file"
        return Seen("fail", f"secrets.required names what no release sends: {missing}", remedy)
    return f"the Worker gets {len(names)}: {', '.join(names) or 'none'}"


def _static(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look for the folder of static files: what builds it has often not run yet."""
    directory = (content.get("assets") or {}).get("directory")
    if not directory:
        return "none"
    folder = wrangler.file(site.settings).parent / str(directory)
    if folder.is_dir():
        return str(directory)
    if (content.get("build") or {}).get("command"):
        return f"{directory}, made by build.command"
    remedy = "build it (npm run build), or correct assets.directory"
    return Seen("fail", f"assets.directory is {directory!r}: no such folder", remedy)


def _published(site: Site, _content: Mapping[str, Any]) -> Seen | str:
    """Look into all that would be published for private files and secrets."""
    files, rules = publishing.published(site.settings)
    found = publishing.private(files, rules)
    if not found:
        return f"{len(files)} files, none private"
    remedy = "take it out of the folder, or correct the folder's name"
    return Seen("fail", "; ".join(found[:5]), remedy)


def _functions(site: Site, _content: Mapping[str, Any]) -> str:
    """Let wrangler bundle the site's Functions."""
    folder, root = _site(site), site.settings.root
    functions.digest(folder, root)
    places = functions.found(folder, root)
    return f"accepted: {', '.join(place.relative_to(root).as_posix() for place in places)}"


def _site(site: Site) -> Path:
    return site.settings.path(site.settings.project.pages.directory or ".")


def _environments(site: Site, _content: Mapping[str, Any]) -> Seen | str:
    worker = site.settings.project.worker
    names = sorted(wrangler.parsed(wrangler.file(site.settings)).get("env") or {})
    if not names:
        return "none in the file: deployment/config holds them"
    if worker.environment:
        return f"{worker.environment} of {', '.join(names)}"
    if site.settings.environment == LOCAL:
        return "the top level, as wrangler dev takes it"
    evidence = f"the file's env ({', '.join(names)}) is not used; its top level is deployed"
    return Seen(
        "warn", evidence, "name the one to deploy: deploy.worker.environment in invoke.yaml"
    )


def _triggers(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Count cron triggers, routes and custom domains; the release sets all of them."""
    crons = triggers.described(site.settings) or ()
    if len(crons) > limits.CRONS_FREE:
        told = f"{len(crons)} crons; the free plan takes {limits.CRONS_FREE}, of all Workers"
        return Seen("warn", told, "see the account's plan")
    timed = f"{len(crons)} cron(s)" if crons else "no cron"
    routes, hosts = (zones.listed(content, custom=custom) for custom in (False, True))
    if not routes and not hosts:
        return f"{timed}; the Worker answers at its own address"
    return f"{timed}; {len(routes)} route(s), {len(hosts)} custom domain(s)"


def _today() -> date:
    return datetime.now(UTC).date()
