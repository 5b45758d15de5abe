"""What of Cloudflare's API the twin does not have: refused by its name, not as an unknown path."""

from __future__ import annotations

import re
from typing import Final

_PRODUCTS: Final = {
    "agent-memory": "Agent Memory",
    "ai": "models and fine-tunes of Workers AI",
    "ai-search": "AI Search",
    "artifacts": "Artifacts",
    "basin-sql": "R2 SQL",
    "browser-rendering": "Browser Rendering",
    "cfd_tunnel": "Tunnels",
    "challenges": "Turnstile",
    "cloudchamber": "Containers",
    "connectivity": "VPC services",
    "containers": "Containers",
    "email": "Email Routing and Email Sending",
    "event_subscriptions": "event subscriptions of queues",
    "flagship": "Flagship",
    "images": "Images",
    "logpush": "Logpush",
    "mtls_certificates": "associations of mTLS certificates",
    "pipelines": "pipelines and sinks of Pipelines",
    "r2-catalog": "R2 Data Catalog",
    "vectorize": "vectors in Vectorize",
}
"""By the first part of the path behind the account."""
_PARTS: Final = {
    r"d1/database/[^/]+/time_travel/restore": "time travel of D1 (its bookmarks only)",
    r"hyperdrive/integrationsOperations": "integrations of Hyperdrive",
    r"pages/projects/[^/]+/deployments/[^/]+/(tails|history)": "logs and tails of Pages",
    r"pages/projects/[^/]+/domains": "custom domains of Pages",
    r"r2/buckets/[^/]+/domains": "public addresses of R2 buckets",
    r"r2/buckets/[^/]+/local-uploads": "local uploads of R2",
    r"r2/buckets/[^/]+/lock": "locks of R2 buckets",
    r"r2/buckets/[^/]+/sippy": "Sippy, R2's migration",
    r"workers/dispatch/namespaces/[^/]+/scripts": "Workers in dispatch namespaces",
    r"workers/scripts/[^/]+/(edge-preview|subdomain/edge-preview)": "remote development",
    r"workers/services/[^/]+/environments": "service environments",
    r"workers/subdomain/edge-preview": "remote development",
    r"workers/workers/[^/]+/previews": "previews by name",
}
_PATH: Final = re.compile(r"/accounts/[^/]+/(?P<rest>(?P<first>[a-z0-9_-]+).*)")


def named(path: str) -> str:
    """Return what a path of the API is of that the twin does not have; empty: nothing known.

    Args:
        path: behind the base of the API.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return ""
    parts = (name for pattern, name in _PARTS.items() if re.match(pattern, found["rest"]))
    return next(parts, "") or _PRODUCTS.get(found["first"], "")
