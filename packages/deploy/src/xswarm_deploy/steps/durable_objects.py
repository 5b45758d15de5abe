"""Durable Objects' lifecycle: classes that are created, renamed, moved to another Worker, deleted.

Cloudflare applies it with a direct upload only, which takes all of the traffic at once, and
never takes it back. A release whose file has no new step of it goes the usual way, at 0 % first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.model.record import noted

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.site import Site

CLASS: Final = "durable-object"


@dataclass(frozen=True)
class Migrations:
    """What an upload does to the classes, as PUT script takes it.

    Args:
        new_tag: of the last step.
        steps: without their tags, in order.
        old_tag: the Worker's own; empty: it has had none.
    """

    new_tag: str
    steps: tuple[Mapping[str, object], ...]
    old_tag: str = ""


@dataclass(frozen=True)
class Lifecycle:
    """What an upload has to apply.

    Args:
        told: in a person's words.
        migrations: None where ``exports`` alone change, which the upload names itself.
    """

    told: str
    migrations: Migrations | None = None


def recorded(environment: Environment) -> dict[str, str]:
    """Return what a release records of the lifecycle, once its version is uploaded.

    Returns:
        ``tag`` of the last migration that the Worker has had, and ``exports``, a digest of what
        the file declares; each empty where there is none.
    """
    there = wrangler.file(environment.settings).is_file()
    exports = _digest(wrangler.read(environment.settings)) if there else ""
    return {"tag": environment.cloudflare.migration_tag(environment.worker), "exports": exports}


def of_live(site: Site, live: Mapping[str, float]) -> Lifecycle | None:
    """Return what the upload beside what is live has to apply; see :func:`pending`.

    Args:
        site: the environment.
        live: today's split; empty: there is no Worker yet.
    """
    if not wrangler.file(site.settings).is_file():
        return None  # who bundles it refuses it, and says why
    return pending(site, noted(site.history(), next(iter(live), "")).get("objects"))


def of_first(site: Site) -> Lifecycle | None:
    """Return what the upload of a first Worker has to apply; see :func:`pending`."""
    return of_live(site, {})


def as_sent(migrations: Migrations) -> dict[str, object]:
    """Return migrations as PUT script takes them."""
    sent: dict[str, object] = {
        "new_tag": migrations.new_tag,
        "steps": [dict(step) for step in migrations.steps],
    }
    return {**sent, **({"old_tag": migrations.old_tag} if migrations.old_tag else {})}


def pending(environment: Environment, then: Mapping[str, str] | None) -> Lifecycle | None:
    """Return what an upload has to apply; None: nothing, the version goes the usual way.

    Args:
        environment: the environment.
        then: what :func:`recorded` returned for the version that is live; None: nothing.
    """
    content = wrangler.read(environment.settings)
    steps = list(content.get("migrations") or ())
    if steps:
        return _since(environment.cloudflare.migration_tag(environment.worker), steps)
    exports = _digest(content)
    if not exports or exports == (then or {}).get("exports"):
        return None
    return Lifecycle("Durable Objects as `exports` says")


def require_reachable(
    environment: Environment, then: Mapping[str, str] | None, version: str
) -> None:
    """Refuse to go back across a step of the lifecycle: Cloudflare does not deploy such a version.

    Args:
        environment: the environment.
        then: what the version's release recorded; None: nothing, as of one that wrangler
            made; Cloudflare tells its tag.
        version: the one to go back to.

    Raises:
        Refused: a migration was applied since.
    """
    if then is None:
        tag = environment.cloudflare.version(environment.worker, version).migration_tag
    else:
        tag = then.get("tag", "")
    now = tag if tag is None else environment.cloudflare.migration_tag(environment.worker)
    if now == tag:
        return
    raise Refused(
        f"version {version[:8]} cannot be live again",
        f"Durable Object migration {now!r} was applied since {tag or 'none'!r}, and"
        " Cloudflare deploys no version from before it",
        f"correct the code and go on: {environment.deploy_command}",
    )


def _since(tag: str, steps: list[Mapping[str, Any]]) -> Lifecycle | None:
    """Return the steps that come after a tag; all of them where the file has lost it."""
    tags = [str(step["tag"]) for step in steps]
    if tag == tags[-1]:
        return None
    new = steps[tags.index(tag) + 1 :] if tag in tags else steps
    bare = tuple({key: value for key, value in step.items() if key != "tag"} for step in new)
    told = f"Durable Object migration {tag or '(none)'} → {tags[-1]}"
    return Lifecycle(told, Migrations(tags[-1], bare, tag))


def _digest(content: Mapping[str, Any]) -> str:
    """Return a digest of the Durable Objects under ``exports``; empty: there are none."""
    classes = {
        name: one
        for name, one in (content.get("exports") or {}).items()
        if isinstance(one, Mapping) and one.get("type") == CLASS
    }
    text = json.dumps(classes, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32] if classes else ""
