"""Compare secrets without ever showing or keeping them: keyed fingerprints."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.settings import Settings


def key(own: Secret) -> bytes:
    """Return an environment's own key for fingerprints, derived from a secret of its own.

    Who has the ledger but not the environment file can guess nothing from them. When that secret
    is replaced all fingerprints change: every secret is then sent again.
    """
    purpose = b"xswarm deployment: fingerprints of secrets"
    return hmac.new(own.reveal().encode(), purpose, hashlib.sha256).digest()


def of(secrets: Mapping[str, Secret], settings: Settings) -> dict[str, str]:
    """Return name → fingerprint, keyed by JWT_SECRET, else by Cloudflare's token."""
    signing = secrets.get("JWT_SECRET") or settings.secret("JWT_SECRET")
    own = key(signing or settings.secret("CLOUDFLARE_API_TOKEN"))
    return {name: secret.fingerprint(own) for name, secret in sorted(secrets.items())}
