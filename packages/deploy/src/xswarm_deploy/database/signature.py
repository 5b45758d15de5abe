"""Who vouches for a manifest: a keyed hash, which nobody without the key can make.

The key is ``BACKUP_SIGNING_KEY`` of the environment file: one or more, by comma. The first signs,
all of them are believed; so a new key is put before the old one, which stays as long as backups
that it signed are kept.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Final, Literal

from xswarm_deploy.database.manifest import Manifest, Signature
from xswarm_deploy.secret import Secret

NAME: Final = "BACKUP_SIGNING_KEY"
State = Literal["good", "none", "unchecked", "another key", "changed"]
"""Of a manifest's signature; ``unchecked``: no key is set here."""


def sign(manifest: Manifest, keys: Secret) -> Manifest:
    """Return a manifest that bears a signature; as it is, where no key is set."""
    own = _split(keys)
    if not own:
        return manifest
    made = Signature(_identity(own[0]), _hash(own[0], manifest.statement))
    return replace(manifest, signature=made)


def state(manifest: Manifest, keys: Secret) -> State:
    """Return what is to be held of a manifest's signature.

    Args:
        manifest: as it was read.
        keys: those that are believed, by comma.
    """
    found, known = manifest.signature, {_identity(key): key for key in _split(keys)}
    if found is None:
        return "none"
    if not known:
        return "unchecked"
    if found.key not in known:
        return "another key"
    made = _hash(known[found.key], manifest.statement)
    return "good" if hmac.compare_digest(made.encode(), found.hmac.encode()) else "changed"


def _split(keys: Secret) -> list[str]:
    found = [key.strip() for key in keys.reveal().split(",")]
    return [key for key in found if key]


def _identity(key: str) -> str:
    """Return what names a key, and tells nothing of it."""
    return hashlib.sha256(f"{NAME}:{key}".encode()).hexdigest()[:8]


def _hash(key: str, statement: str) -> str:
    return hmac.new(key.encode(), statement.encode(), hashlib.sha256).hexdigest()
