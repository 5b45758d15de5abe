"""Cloudflare's limits of a Worker's variables: refused there only after backup and migrations.

Source: Workers, Platform, Limits: 128 variables and secrets a Worker (64 on the free plan), of
5 KB each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.preflight.looking import Seen

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

MOST: Final = 128
MOST_FREE: Final = 64
LARGEST: Final = 5 * 1024  # bytes


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


def _sizes(site: Site, content: Mapping[str, Any]) -> dict[str, int]:
    """Return the bytes of each value, by name."""
    plain = {name: _text(value) for name, value in (content.get("vars") or {}).items()}
    ours = site.settings.worker_variables()
    secret = {name: value.reveal() for name, value in site.settings.worker_secrets().items()}
    return {name: len(text.encode()) for name, text in {**plain, **ours, **secret}.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
