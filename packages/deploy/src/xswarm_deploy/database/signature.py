"""Who vouches for a manifest: a keyed hash, which nobody without the key can make.

The key is ``BACKUP_SIGNING_KEY`` of the environment file: one or more (:mod:`xswarm_deploy.keyed`).
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Final, Literal

from xswarm_deploy import keyed
from xswarm_deploy.database.manifest import Manifest, Signature
from xswarm_deploy.secret import Secret

NAME: Final = "BACKUP_SIGNING_KEY"
State = Literal["good", "none", "unchecked", "another key", "changed"]
"""Of a manifest's signature; ``unchecked``: no key is set here."""


def sign(manifest: Manifest, keys: Secret) -> Manifest:
    """Return a manifest that bears a signature; as it is, where no key is set."""
    own = keyed.split(keys)
    if not own:
        return manifest
    made = Signature(keyed.identity(NAME, own[0]), keyed.mac(own[0], manifest.statement))
    return replace(manifest, signature=made)


def state(manifest: Manifest, keys: Secret) -> State:
    """Return what is to be held of a manifest's signature.

    Args:
        manifest: as it was read.
        keys: those that are believed, by comma.
    """
    found, known = manifest.signature, {keyed.identity(NAME, key): key for key in keyed.split(keys)}
    if found is None:
        return "none"
    if not known:
        return "unchecked"
    if found.key not in known:
        return "another key"
    made = keyed.mac(known[found.key], manifest.statement)
    return "good" if hmac.compare_digest(made.encode(), found.hmac.encode()) else "changed"
