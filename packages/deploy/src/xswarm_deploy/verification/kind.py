"""What a Worker is to whoever verifies it: code that is asked, files alone, or events alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.services.errors import NotFound
from xswarm_deploy.site import Site

FILES: Final = "static files invoke no Worker, so that no tail shows them and no route tells it"
_FETCH: Final = "fetch"


def is_files_alone(site: Site) -> bool:
    """Return whether the Worker has static files and no code."""
    content = _content(site)
    return content.get("main") is None and "assets" in content


def handlers(site: Site, version: str) -> tuple[str, ...]:
    """Return the events that a version handles, as Cloudflare tells; empty: it does not tell.

    It is asked only of a Worker that may have no ``fetch``, and where invoke.yaml names no route:
    else requests reach it (:func:`is_events_alone`). One without a route may be told by mail alone,
    or by a cron that the dashboard has: wrangler's file does not say.
    """
    if site.settings.project.verify.routes or not version or not _may_lack_requests(_content(site)):
        return ()
    try:
        return site.cloudflare.version(site.worker, version).handlers
    except NotFound:
        return ()  # whoever asks the Worker itself meets another one


def is_events_alone(site: Site, found: tuple[str, ...]) -> bool:
    """Return whether nothing says that requests reach a version.

    It has handlers, none of them is fetch, and invoke.yaml names no route. That is what is told,
    not what is: whoever verifies asks all the same.
    """
    return bool(found) and _FETCH not in found and not site.settings.project.verify.routes


def run_first(site: Site, name: str) -> list[str]:
    """Return paths at which the Worker runs before its static files: ``run_worker_first``.

    Args:
        site: the environment.
        name: stands for what a pattern leaves open; no file should have it.
    """
    patterns = (_content(site).get("assets") or {}).get("run_worker_first")
    listed = patterns if isinstance(patterns, list) else []
    return [str(one).replace("*", name) for one in listed if str(one).startswith("/")]


def required(site: Site) -> dict[str, str]:
    """Return the handlers that the configuration needs, and the key that needs each."""
    content = _content(site)
    needed = {}
    if (content.get("triggers") or {}).get("crons"):
        needed["scheduled"] = "triggers.crons"
    if (content.get("queues") or {}).get("consumers"):
        needed["queue"] = "queues.consumers"
    return needed


def _may_lack_requests(content: Mapping[str, Any]) -> bool:
    if "assets" in content:  # which requests reach, whatever the code handles
        return False
    crons = (content.get("triggers") or {}).get("crons")
    consumers = (content.get("queues") or {}).get("consumers")
    routed = content.get("routes") or content.get("route")
    return bool(crons or consumers) or content.get("workers_dev") is False or not routed


def _content(site: Site) -> Mapping[str, Any]:
    there = wrangler.file(site.settings).is_file()
    return wrangler.read(site.settings) if there else {}
