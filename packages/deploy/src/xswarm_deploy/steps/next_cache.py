"""OpenNext's incremental cache: filled before the version that reads it is uploaded.

Like static files it goes with a version, and is its build's alone: nothing is to be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import next_cache
from xswarm_deploy.bundling.next_cache import BUCKET, NAMESPACE, PREFIXES, Entry

if TYPE_CHECKING:
    from xswarm_deploy.services.multipart import Upload
    from xswarm_deploy.site import Site

_AT_ONCE: Final = 8
_PAIRS: Final = 100
"""Values of one call to KV, which takes 10,000 of them, but no more than 100 MB."""


def fill(site: Site, upload: Upload) -> None:
    """Write what the build made into the bucket or namespace that the version is bound to.

    Args:
        site: the environment.
        upload: the version to come.
    """
    bound, entries = _bound(upload), _entries(site, upload)
    for name in _stores(upload) if entries else ():
        prefix = str(bound.get(PREFIXES[name], {}).get("text") or "")
        calls = list(_WRITING[name](site, _resolved(site, bound[name]), entries, prefix))
        _made(site, calls)


def told(site: Site) -> str:
    """Return what a plan says of it; empty: the Worker has no such cache."""
    upload = site.bundling.result().upload
    entries = _entries(site, upload)
    where = " and ".join(_stores(upload))
    return f"{len(entries)} pages and data of its build go to {where}" if entries else ""


def _entries(site: Site, upload: Upload) -> list[Entry]:
    return next_cache.entries(site.settings) if _stores(upload) else []


def _stores(upload: Upload) -> list[str]:
    return [name for name in PREFIXES if name in _bound(upload)]


def _bound(upload: Upload) -> dict[str, Mapping[str, Any]]:
    return {str(one["name"]): one for one in upload.bindings}


def _made(site: Site, calls: Sequence[Callable[[], None]]) -> None:
    """Make calls, several at a time, and show how far they are."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cache") as pool:
        try:
            for done, ended in enumerate([pool.submit(call) for call in calls], start=1):
                ended.result()
                site.progress("cache", done, len(calls), "calls")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _resolved(site: Site, binding: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a binding as the version says it that it is taken over from."""
    if binding.get("type") != "inherit":
        return binding
    there = site.cloudflare.version(site.worker, str(binding["version_id"])).bindings
    return next(one for one in there if one["name"] == binding["name"])


def _to_bucket(
    site: Site, bound: Mapping[str, Any], entries: Sequence[Entry], prefix: str
) -> Iterator[Callable[[], None]]:
    name, within = str(bound["bucket_name"]), str(bound.get("jurisdiction") or "")

    def put(entry: Entry) -> None:
        key = next_cache.key(entry, prefix)
        site.cloudflare.put_object(name, key, entry.file.read_bytes(), within)

    yield from (partial(put, entry) for entry in entries)


def _to_namespace(
    site: Site, bound: Mapping[str, Any], entries: Sequence[Entry], prefix: str
) -> Iterator[Callable[[], None]]:
    def put(part: Sequence[Entry]) -> None:
        values = {next_cache.key(one, prefix): one.file.read_text("utf-8") for one in part}
        site.cloudflare.put_kv(str(bound["namespace_id"]), values)

    for begin in range(0, len(entries), _PAIRS):
        yield partial(put, entries[begin : begin + _PAIRS])


_WRITING: Final = {BUCKET: _to_bucket, NAMESPACE: _to_namespace}
