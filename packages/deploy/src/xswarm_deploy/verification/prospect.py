"""How a release will know which version answers: told, or refused, before it begins."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from xswarm_deploy.errors import Refused
from xswarm_deploy.model.report import UNPROVEN
from xswarm_deploy.model.split import met
from xswarm_deploy.site import Site
from xswarm_deploy.verification import kind
from xswarm_deploy.verification.target import has_none, overridable

ALLOW: Final = "allow"
WAYS: Final = (
    "let a route answer with env.CF_VERSION_METADATA.id and name it in deploy.verify.version_path;"
    " or give the token Workers Tail: Read; or switch preview URLs on;"
    " or accept it by deploy.verify.unproven: allow in invoke.yaml"
)
NOWHERE: Final = "the Worker has no address (workers.dev is off, and there is no route)"
_PREVIEWS: Final = (
    'write "preview_urls": true into wrangler\'s file: each version has an address of its own then,'
    " which Cloudflare Access can guard;"
    " or accept it by deploy.verify.unproven: allow in invoke.yaml"
)
_EVENTS: Final = "by its handlers, as Cloudflare tells them: no request reaches it"
Means = Literal["word", "tail", "preview", "files", "handlers", "none"]


class Prospect(NamedTuple):
    """How it will be known which version answers."""

    means: Means
    evidence: str


def foreseen(site: Site, *, live: bool) -> Prospect:
    """Return how a release will know which version answers; reads only.

    Args:
        site: the environment.
        live: whether a version is live already; a first one is verified at its preview host.
    """
    if live and kind.is_events_alone(site, kind.handlers(site, live_version(site))):
        return Prospect("handlers", _EVENTS)
    named = live and overridable(site.worker) and not has_none(site)
    named = named and not kind.is_files_alone(site)
    if named and site.settings.project.verify.version_path:
        return Prospect("word", "by the Worker's own word (verify.version_path)")
    if named and site.cloudflare.may_tail(site.worker):
        return Prospect("tail", "by a tail, which names the version of each answer")
    lacking = no_preview(site) if live else _no_subdomain(site)
    if not lacking:
        return Prospect("preview", "at the version's own preview host")
    return Prospect("none", f"{UNPROVEN}: {_why_none(site, live)}; {lacking}")


def _why_none(site: Site, live: bool) -> str:
    if not live:
        return "a first version can only be asked at its preview host"
    if has_none(site):
        return NOWHERE
    if kind.is_files_alone(site):
        return kind.FILES
    if not overridable(site.worker):
        return f"the override header cannot name {site.worker!r} (RFC 8941)"
    return "no version_path, and the token may not tail"


def ways(site: Site) -> str:
    """Return what can be done about a version that nothing proves, for a Worker of its kind."""
    return _PREVIEWS if has_none(site) or kind.is_files_alone(site) else WAYS


def live_version(site: Site) -> str:
    """Return the version that has most of the traffic; empty: there is none."""
    deployments = site.cloudflare.deployments(site.worker)
    split = met(deployments[0].split) if deployments else {}
    return max(split, key=lambda version: split[version], default="")


def required(site: Site, *, live: bool) -> str:
    """Refuse a release of which nobody will know which version answers, unless that is allowed.

    Args:
        site: the environment.
        live: whether a version is live already.

    Returns:
        How it will be known, or that it will not, for the plan.

    Raises:
        Refused: with the ways on.
    """
    found = foreseen(site, live=live)
    if found.means == "none" and site.settings.project.verify.unproven != ALLOW:
        raise Refused(
            "nothing would prove that the new version answers", found.evidence, ways(site)
        )
    return (
        f"which version answers is known {found.evidence}"
        if found.means != "none"
        else (f"{found.evidence}; verify.unproven allows that")
    )


def no_preview(site: Site) -> str:
    """Return why versions of the Worker have no preview host; empty: they have one."""
    if not site.cloudflare.worker_subdomain(site.worker).previews_enabled:
        return "preview URLs are off"
    return _no_subdomain(site)


def _no_subdomain(site: Site) -> str:
    """Return that the account has no name under workers.dev; empty: it has one."""
    if site.cloudflare.account_subdomain():
        return ""
    return (
        "the account has no name under workers.dev"
        " (it gets one when Workers & Pages is opened in Cloudflare's dashboard)"
    )
