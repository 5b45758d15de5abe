"""Sticky users: whoever was given a version of a canary stays with it, by a key of his own.

Cloudflare chooses the version by the header ``Cloudflare-Workers-Version-Key`` where a request has
it. ``deploy.worker.affinity`` says where the key comes from; a release sets a request header
transform rule of the zone that puts it there, before any traffic is split, and takes the rule away
where it fails. A page of one version would else ask the other for its files, which have other
names: without affinity a Worker with static files gets no split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.frozen import frozen
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.services.rulesets import HeaderRules, Setting

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.settings.settings import Settings
    from xswarm_deploy.site import Site

STEP: Final = "worker"
"""Whose changes they are."""
HEADER: Final = "Cloudflare-Workers-Version-Key"
CLIENT: Final = "client"
"""Something of the user's own sends the key: the page, or a rule that he keeps himself."""
NONE: Final = "none"
"""Split the traffic all the same, by chance at each request."""
HERE: Final = "localhost"
"""The zone that stands for every one on the twin."""


@frozen
class Key:
    """Where the key of a user comes from.

    Args:
        zone: the id of the zone whose rule sets it.
        when: for which requests, an expression of Cloudflare's rules language; empty: no rule.
        value: what the key is, likewise.
    """

    zone: str
    when: str = ""
    value: str = ""


def asked(settings: Settings) -> str:
    """Return the expression of the key; empty: no rule is wanted."""
    given = settings.project.worker.affinity
    return "" if given in ("", CLIENT, NONE) else given


def splits(settings: Settings) -> bool:
    """Return whether the traffic may be split: with static files only where users stay."""
    if settings.project.worker.affinity or not wrangler.file(settings).is_file():
        return True
    return not wrangler.read(settings).get("assets")


def told(settings: Settings) -> str:
    """Return for the plan that configured shares are left out; empty: they are not."""
    if splits(settings) or not settings.project.worker.canary:
        return ""
    return "no canary steps: it has static files, and deploy.worker.affinity names no key"


def require_split(settings: Settings) -> None:
    """Refuse a canary by hand of a Worker whose users would get files of two versions.

    Raises:
        Refused: with the ways on.
    """
    if not splits(settings):
        raise Refused(
            "a Worker with static files gets no split of its traffic",
            "a page of one version would ask the other for its files (404)",
            "say where the key of a user comes from: deploy.worker.affinity in invoke.yaml"
            " (deployment/docs/CANARY.md)",
        )


def changes(site: Site) -> list[Change]:
    """Return how the rule would change; one that is not asked for any more is left alone.

    Raises:
        Refused: WORKER_URL is in no zone of the account.
    """
    value = asked(site.settings)
    if not value:
        return []
    zone = _zone(site)
    host = urlsplit(site.settings.text("WORKER_URL")).hostname or ""
    when = "true" if is_loopback(site.settings.text("WORKER_URL")) else f'(http.host eq "{host}")'
    after, before = Key(zone, when, value), _there(site, zone)
    if after == before:
        return []
    return [KEY.change(f"version key of {site.worker}", before=before, after=after, undo=before)]


def put(environment: Environment, key: Key) -> None:
    """Set the rule, or take it away, and read back that it is so.

    Raises:
        StepFailed: the API took it, but does not show it.
    """
    rules = HeaderRules(environment.cloudflare.http, key.zone)
    if key.when:
        rules.put(_description(environment), Setting(key.when, HEADER, key.value))
    else:
        rules.delete(_description(environment))
    if _there(environment, key.zone) != key:
        raise StepFailed(f"the version key of {environment.worker} was not set")


def make(environment: Environment, change: Change) -> Facts:
    """Set the rule."""
    put(environment, KEY.after_of(change))
    return {}


def undo(environment: Environment, change: Change) -> None:
    """Bring the rule back to before."""
    put(environment, KEY.undo_of(change))


def _there(environment: Environment, zone: str) -> Key:
    found = HeaderRules(environment.cloudflare.http, zone).find(_description(environment))
    return Key(zone, found.when, found.value) if found and found.header == HEADER else Key(zone)


def _description(environment: Environment) -> str:
    return f"xswarm: version key of {environment.worker}"


def _zone(site: Site) -> str:
    """Return the id of the zone that WORKER_URL is in."""
    url = site.settings.text("WORKER_URL")
    host = HERE if is_loopback(url) else urlsplit(url).hostname or ""
    labels = host.split(".")
    for start in range(max(1, len(labels) - 1)):
        found = site.cloudflare.zone(".".join(labels[start:]))
        if found:
            return found["id"]
    raise Refused(
        f"{host} is in no zone of the account, so that no rule can set the version key",
        "request header transform rules belong to a zone; workers.dev is none of yours",
        "give the Worker a custom domain or route, or let the page send the key and write"
        f" affinity: {CLIENT}",
    )


def _told(after: Key) -> str:
    return f"{HEADER} = {after.value}" if after.value else "none"


KEY: Final = Action(STEP, "affinity", Key, Key, Key, describe=_told)
