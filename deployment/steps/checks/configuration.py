"""The wrangler configuration: read by its own rules, compared with project and account."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deployment.errors import Refused
from deployment.steps.checks import jsonc
from deployment.steps.checks.looking import Seen, probe
from deployment.variables import VARIABLES, Sent

if TYPE_CHECKING:
    from deployment.steps.report import Probe
    from deployment.steps.site import Site

GROUP: Final = "configuration"
ACCOUNT: Final = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": jsonc.loads,  # wrangler takes comments in both
    ".jsonc": jsonc.loads,
}


def probes(site: Site) -> list[Probe]:
    """Look at the file; nothing but the bindings asks the network."""
    looks = {
        "wrangler configuration": _readable,
        "worker name": _name,
        "worker account": _account,
        "worker main": _main,
        "compatibility date": _compatibility_date,
        "plain variables": _collisions,
    }
    made = [probe(name, GROUP, _of(site, look)) for name, look in looks.items()]
    made.append(probe("environments", GROUP, _of(site, _environments), critical=False))
    bindings = _of(site, _bindings)
    return [*made, probe("bindings", GROUP, bindings, needs=ACCOUNT, needed=True)]


def read(file: Path) -> Mapping[str, Any]:
    """Read a wrangler configuration: TOML, JSON or JSONC.

    Raises:
        Refused: there is none, or it cannot be read; the place is told.
    """
    reader = READERS.get(file.suffix)
    if reader is None or not file.is_file():
        why = "no such file" if reader else f"{file.suffix} is none of {', '.join(READERS)}"
        raise Refused(f"{file.name} is no wrangler configuration", why, "set deploy.worker.config")
    try:
        content = reader(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(
            f"{file.name} cannot be read", str(error), f"correct {file.name} there"
        ) from None
    if not isinstance(content, Mapping):
        raise Refused(f"{file.name} is no wrangler configuration", "it is no table")
    return content


Looked = Callable[["Site", Mapping[str, Any]], "Seen | str"]


def _of(site: Site, look: Looked) -> Callable[[], Seen | str]:
    """Read the file and look; only the first look tells that it cannot be read."""

    def looked() -> Seen | str:
        try:
            content = read(site.settings.path(site.settings.project.worker.config))
        except Refused:
            if look is _readable:
                raise
            return Seen("skip", "not looked at: the wrangler configuration cannot be read")
        return look(site, content)

    return looked


def _readable(site: Site, content: Mapping[str, Any]) -> str:
    return f"{site.settings.project.worker.config}, {len(content)} keys"


def _name(site: Site, content: Mapping[str, Any]) -> Seen | str:
    name = content.get("name")
    if name == site.worker:
        return site.worker
    evidence = f"{name!r} in the file, {site.worker!r} in invoke.yaml"
    remedy = "write the same name in both; invoke.yaml's is the one that is deployed"
    return Seen("warn", evidence, remedy)


def _account(site: Site, content: Mapping[str, Any]) -> Seen | str:
    account, ours = content.get("account_id"), site.settings.text("CLOUDFLARE_ACCOUNT_ID")
    if account in (None, ours):
        return "of the environment file"
    remedy = "remove account_id from the file: the environment file names the account"
    return Seen("fail", "account_id is not CLOUDFLARE_ACCOUNT_ID", remedy)


def _main(site: Site, content: Mapping[str, Any]) -> Seen | str:
    main = content.get("main")
    if main is None and "assets" in content:
        return "static assets only"
    folder = site.settings.path(site.settings.project.worker.config).parent
    if isinstance(main, str) and (folder / main).is_file():
        return main
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
    """Find plain variables with a secret's name: wrangler would replace the secret by them."""
    plain = set(content.get("vars", {}))
    secret = {v.name for v in VARIABLES if v.sent is Sent.WORKER_SECRET}
    taken = sorted(plain & (secret | set(site.settings.worker_secrets())))
    if not taken:
        return f"{len(plain)} in vars, none a secret's name"
    remedy = f"remove {', '.join(taken)} from vars: a plain value would be public"
    return Seen("fail", f"vars names what is a secret: {', '.join(taken)}", remedy)


def _environments(site: Site, content: Mapping[str, Any]) -> Seen | str:
    names = sorted(content.get("env", {}))
    if not names:
        return "none in the file: deployment/config holds them"
    evidence = f"the file's env ({', '.join(names)}) is not used; its top level is deployed"
    return Seen("warn", evidence, f"move what {site.settings.environment} needs to the top level")


def _bindings(site: Site, content: Mapping[str, Any]) -> str:
    """Look for every R2 bucket that is bound."""
    bound = [str(one.get("bucket_name", "")) for one in content.get("r2_buckets", ())]
    missing = [name for name in bound if site.cloudflare.bucket(name) is None]
    if missing:
        return f"R2 bucket {', '.join(missing)} is made by the release"
    return f"R2 bucket {', '.join(bound)}" if bound else "no R2 bucket is bound"


def _today() -> date:
    return datetime.now(UTC).date()
