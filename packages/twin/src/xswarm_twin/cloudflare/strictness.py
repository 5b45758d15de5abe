"""What Cloudflare refuses of an upload before any of its code runs.

Sources: Workers, "Limits"; Cloudflare's API reference, "Worker Versions"; wrangler's messages of
refused uploads. Where no document names the code, it is that of a failed validation, 10021.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_twin.cloudflare import bodies, refusals

MAXIMUM_COMPRESSED_BYTES: Final = 10 * 1024 * 1024
"""Cloudflare's limit of a Worker's size after compression."""
MAXIMUM_TAG_BYTES: Final = 100
MAXIMUM_MESSAGE_BYTES: Final = 1000
"""A version's message is cut at so many."""
CPU_MILLISECONDS: Final = range(1, 300_001)

_METADATA: Final = frozenset(
    (
        *("main_module", "body_part", "bindings", "keep_bindings", "compatibility_date"),
        *("compatibility_flags", "migrations", "exports", "containers", "code_update_strategy"),
        *("capnp_schema", "keep_assets", "assets", "logpush", "observability", "tail_consumers"),
        *("streaming_tail_consumers", "limits", "placement", "annotations", "usage_model", "tags"),
        *("cache_options", "package_dependencies", "build_options"),
    )
)
"""What wrangler and the official SDKs send with a script; the last by wrangler's ``unsafe``."""
_ANNOTATIONS: Final = frozenset(
    f"workers/{name}"
    for name in (
        *("message", "tag", "alias", "commit_sha", "repository_url", "pull_request_url"),
        *("pull_request_number", "pull_request_title", "triggered_by"),
    )
)
_OBSERVABILITY: Final[Mapping[str, type | tuple[type, ...]]] = {
    "enabled": bool,
    "head_sampling_rate": (int, float),
    "issues": dict,
    "logs": dict,
    "traces": dict,
    "redact_query_string": bool,
}
MAXIMUM_TAGS: Final = 8
_BINDING_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,63}")
_USAGE: Final = ("standard", "bundled", "unbound")
_PLACEMENTS: Final = ("smart", "off", "targeted")
_ASSET_HASH: Final = re.compile(r"[0-9a-f]{32}")
_LOOPING: Final = (re.compile(r"\A.*/\*?"), re.compile(r"\A.*/(index|index\.html)"))


def require_sound(metadata: Mapping[str, Any], kinds: Iterable[str]) -> None:
    """Refuse metadata that asks for what there is not.

    Args:
        metadata: of the upload.
        kinds: the types of bindings that there are.

    Raises:
        Refusal: 10021, and what is wrong.
    """
    told = dict(metadata)
    require_known(told, _METADATA)
    _require_placement(bodies.optional(told, "placement", dict[str, Any]()))
    usage = bodies.optional(told, "usage_model", "standard")
    if usage not in _USAGE:
        raise refusals.script_invalid(f"usage_model {usage!r} is none of {', '.join(_USAGE)}")
    _require_limits(bodies.optional(told, "limits", dict[str, Any]()))
    known = {*kinds, "secret_key"}
    for kind in bodies.texts(told, "keep_bindings"):
        if kind not in known:
            raise refusals.script_invalid(f"keep_bindings names {kind!r}, no type of binding")
    if "experimental" in bodies.texts(told, "compatibility_flags"):
        raise refusals.flag_experimental("experimental")
    require_annotations(bodies.annotations_of(told))


def require_known(body: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a body with a field that there is not; a misspelt one would be dropped in silence."""
    for name in body.keys() - set(names):
        raise refusals.body_invalid(f"unknown field {name!r}")


def require_annotations(annotations: Mapping[str, str]) -> None:
    """Refuse annotations that there are not, and a tag that is too long."""
    require_known(annotations, _ANNOTATIONS)
    if len(annotations.get("workers/tag", "").encode()) > MAXIMUM_TAG_BYTES:
        raise refusals.script_invalid(f"workers/tag is longer than {MAXIMUM_TAG_BYTES} bytes")


def require_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings of a script that cannot be: a sample of 200 %, nine tags, an empty tag."""
    _require_observability(settings.get("observability") or {})
    tags = bodies.texts(settings, "tags")
    if len(tags) > MAXIMUM_TAGS or any(not tag or {",", "&"} & set(tag) for tag in tags):
        raise refusals.body_invalid(f"a Worker has {MAXIMUM_TAGS} tags at most, without , and &")
    for consumer in settings.get("tail_consumers") or ():
        bodies.required(bodies.checked(consumer, dict, "a tail consumer"), "service", str)


def _require_observability(told: Mapping[str, Any]) -> None:
    require_known(told, _OBSERVABILITY)
    for name, kind in _OBSERVABILITY.items():
        if told.get(name) is not None and not isinstance(told[name], kind):
            raise refusals.body_invalid(f"observability.{name} is of a wrong type")
    for part in (told, told.get("logs") or {}, told.get("traces") or {}):
        rate = part.get("head_sampling_rate")
        if rate is not None and not 0 <= rate <= 1:
            raise refusals.body_invalid("head_sampling_rate is a number from 0 to 1")


def require_name(name: str) -> None:
    """Refuse a binding's name by which no code could reach it."""
    if not _BINDING_NAME.fullmatch(name):
        raise refusals.script_invalid(f"binding name {name!r} is not a valid identifier")


def require_hash(path: str, name: str) -> None:
    """Refuse a static file's hash that is no 32 hexadecimal digits."""
    if not _ASSET_HASH.fullmatch(name):
        raise refusals.body_invalid(f"manifest entry {path} has a hash that is not 32 hex digits")


def require_small(modules: Iterable[Path]) -> None:
    """Refuse modules that are too large together, compressed one after the other."""
    files = list(modules)
    if sum(file.stat().st_size for file in files) <= MAXIMUM_COMPRESSED_BYTES:
        return
    compressor, size = zlib.compressobj(6, zlib.DEFLATED, 31), 0
    for file in files:
        size += len(compressor.compress(file.read_bytes()))
    if size + len(compressor.flush()) > MAXIMUM_COMPRESSED_BYTES:
        raise refusals.worker_too_large(MAXIMUM_COMPRESSED_BYTES // 1024**2)


def require_redirects(text: str) -> None:
    """Refuse rules of ``_redirects`` that would lead to themselves (workers-shared's parser)."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        pairs = zip(_LOOPING, words, strict=False)
        if len(words) >= 2 and all(pattern.fullmatch(word) for pattern, word in pairs):
            raise refusals.redirects_invalid(number)


def cut(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return annotations with a message of at most so many bytes."""
    message = annotations.get("workers/message")
    if message is None:
        return dict(annotations)
    kept = message.encode()[:MAXIMUM_MESSAGE_BYTES].decode("utf-8", "ignore")
    return {**annotations, "workers/message": kept}


def _require_placement(placement: Mapping[str, Any]) -> None:
    mode = placement.get("mode", "smart")
    if mode not in _PLACEMENTS:
        raise refusals.script_invalid(
            f"placement.mode {mode!r} is none of {', '.join(_PLACEMENTS)}"
        )


def _require_limits(limits: Mapping[str, Any]) -> None:
    for name in ("cpu_ms", "subrequests"):
        given = limits.get(name)
        whole = isinstance(given, int) and not isinstance(given, bool)
        if given is not None and (not whole or given < 1):
            raise refusals.script_invalid(f"limits.{name} is not a whole number from 1")
    if limits.get("cpu_ms") is not None and limits["cpu_ms"] not in CPU_MILLISECONDS:
        raise refusals.script_invalid(f"limits.cpu_ms is larger than {CPU_MILLISECONDS[-1]}")
