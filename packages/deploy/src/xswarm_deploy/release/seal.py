"""How an event of the audit trail is sealed: by a hash, or by a keyed one where a key is set.

A plain hash tells an edited event, and anybody who can write the database can make the whole
trail anew. A keyed one (``AUDIT_SIGNING_KEY``) only who has the key can make. It is written as
``KEY.HMAC``: which key, and the HMAC-SHA-256, in hexadecimal; one without a key is 64 digits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final, Literal

from xswarm_deploy import keyed
from xswarm_deploy.secret import Secret

NAME: Final = "AUDIT_SIGNING_KEY"
NO_KEYS: Final = Secret("")
State = Literal["good", "edited", "another key", "unchecked", "unknown"]
"""Of an event's hash; ``unchecked``: it is keyed, and no key is set here; ``unknown``: a later
version of this tool may write it so, or nobody does."""
_FORM: Final = re.compile(r"(?:[0-9a-f]{8}\.)?[0-9a-f]{64}")


def make(text: str, keys: Secret = NO_KEYS) -> str:
    """Return the hash of a text, by the first of the keys where there is one."""
    own = keyed.split(keys)
    if not own:
        return hashlib.sha256(text.encode()).hexdigest()
    return f"{keyed.identity(NAME, own[0])}.{keyed.mac(own[0], text)}"


def is_keyed(made: str) -> bool:
    """Return whether a hash is one that takes a key."""
    return "." in made


def state(text: str, made: str, keys: Secret = NO_KEYS) -> State:
    """Return whether a hash is that of a text.

    Args:
        text: the content.
        made: the hash that stands with it.
        keys: those that are believed, by comma.
    """
    if not _FORM.fullmatch(made):
        return "unknown"
    if not is_keyed(made):
        return "good" if made == make(text) else "edited"
    known = {keyed.identity(NAME, key): key for key in keyed.split(keys)}
    named, _, found = made.partition(".")
    if not known:
        return "unchecked"
    if named not in known:
        return "another key"
    right = keyed.mac(known[named], text)
    return "good" if hmac.compare_digest(right.encode(), found.encode()) else "edited"
