"""Cloudflare's limits of a Worker: what is over them is refused only after backup and migrations.

Source: Workers, Platform, Limits: 128 variables and secrets a Worker (64 on the free plan), of
5 KB each; 10 MB of code when it is compressed (3 MB on the free plan).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.preflight.looking import Seen

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

MOST: Final = 128
MOST_FREE: Final = 64
LARGEST: Final = 5 * 1024  # bytes
CODE: Final = 10 * 1024**2  # bytes, compressed; likewise:
CODE_FREE: Final = 3 * 1024**2
CRONS_FREE: Final = 5  # of an account on the free plan
SOURCE_MAP: Final = "application/source-map"
SMALLER: Final = "leave packages out, or move data to static files, KV or R2; or see the plan"


def variables(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Count and measure what a version carries: the file's vars, ours, and secrets."""
    sizes = _sizes(site, content)
    large = [f"{name} ({size:,} bytes)" for name, size in sorted(sizes.items()) if size > LARGEST]
    if large:
        remedy = "keep it in R2 or the database, or split it; Cloudflare takes 5 KB each"
        return Seen("fail", f"larger than 5 KB: {', '.join(large)}", remedy)
    count = f"{len(sizes)} variables and secrets"
    if len(sizes) > MOST:
        remedy = "join some into one JSON value, or keep them in the database"
        return Seen("fail", f"{count}; Cloudflare takes {MOST}", remedy)
    if len(sizes) > MOST_FREE:
        return Seen("warn", f"{count}; the free plan takes {MOST_FREE}", "see the account's plan")
    return f"{count}, of {MOST}"


def code(site: Site, _content: Mapping[str, Any]) -> Seen | str:
    """Measure the code as it counts: compressed, without source maps."""
    modules = [
        one.content for one in site.bundling.result().upload.modules if one.media_type != SOURCE_MAP
    ]
    whole = sum(map(len, modules))
    if whole <= CODE_FREE:
        return f"{whole / 1024:,.0f} KiB"
    size = _compressed(modules)
    told = f"{size / 1024**2:.1f} MiB compressed"
    if size > CODE:
        return Seen("fail", f"{told}; Cloudflare takes {CODE // 1024**2}", SMALLER)
    if size > CODE_FREE:
        return Seen("warn", f"{told}; the free plan takes {CODE_FREE // 1024**2}", SMALLER)
    return told


def _compressed(modules: Iterable[bytes]) -> int:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return sum(len(packer.compress(one)) for one in modules) + len(packer.flush())


def _sizes(site: Site, content: Mapping[str, Any]) -> dict[str, int]:
    """Return the bytes of each value, by name."""
    plain = {name: _text(value) for name, value in (content.get("vars") or {}).items()}
    ours = site.settings.worker_variables()
    secret = {name: value.reveal() for name, value in site.settings.worker_secrets().items()}
    return {name: len(text.encode()) for name, text in {**plain, **ours, **secret}.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
