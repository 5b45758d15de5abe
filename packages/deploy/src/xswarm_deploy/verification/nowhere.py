"""A Worker that no request reaches: by its address, or because it handles events alone."""

from __future__ import annotations

from typing import Final

from xswarm_deploy.model.report import UNPROVEN, Finding
from xswarm_deploy.site import Site
from xswarm_deploy.verification import kind
from xswarm_deploy.verification.asker import Ask, Asker
from xswarm_deploy.verification.prospect import ALLOW, NOWHERE, live_version, no_preview, ways
from xswarm_deploy.verification.target import Target, has_none, preview

_NAME: Final = "version"


def instead(site: Site, target: Target) -> Target | Finding:
    """Return where to ask; where there is nowhere, what is known all the same.

    Args:
        site: the environment.
        target: where one would ask a Worker that has an address.
    """
    version = target.version or live_version(site)
    handlers, where = kind.handlers(site, version), _where(site, target, version)
    if kind.is_events_alone(site, handlers) and not (where and _serves(site, where)):
        return _of_events(site, version, handlers)
    return where or _unasked(site)


def _where(site: Site, target: Target, version: str) -> Target | None:
    """Return where a version can be asked; None: nowhere."""
    if target.alone or not has_none(site):
        return target
    return preview(site, version) if version and not no_preview(site) else None


def _serves(site: Site, where: Target) -> bool:
    """Return whether the root is answered: then requests do reach it, whatever its handlers say.

    A Worker without a handler for requests answers each by a server's error.
    """
    answer = Asker(site, where, site.connections.session()).once(Ask("/"))
    site.connections.returned()
    return 0 < answer.status < 500


def _of_events(site: Site, version: str, handlers: tuple[str, ...]) -> Finding:
    """Return whether a version handles the events that the configuration lets it have.

    Cloudflare ran its code when it was uploaded: that is where it has the handlers from.
    """
    told = f"{version} handles {', '.join(handlers)}"
    missing = {name: key for name, key in kind.required(site).items() if name not in handlers}
    if missing:
        name, key = next(iter(missing.items()))
        remedy = f"export a handler {name}, or take {key} out of wrangler's file"
        return Finding(_NAME, _NAME, "fail", True, f"{told}, and not {name}: see {key}", remedy)
    return Finding(_NAME, _NAME, "pass", True, f"{told}; no request reaches it, so none was made")


def _unasked(site: Site) -> Finding:
    """Return as a line of a report that nothing was asked."""
    allowed = site.settings.project.verify.unproven == ALLOW
    evidence = f"{UNPROVEN}: {NOWHERE}; {no_preview(site)}"
    return Finding(
        _NAME, _NAME, "warn" if allowed else "unknown", not allowed, evidence, ways(site)
    )
