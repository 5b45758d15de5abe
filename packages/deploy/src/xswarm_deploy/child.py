"""What a program started from here gets as its environment: what it needs, and no key of ours."""

from __future__ import annotations

import os
from typing import Final

_NEEDED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "SYSTEMROOT")
_NETWORK: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def environment() -> dict[str, str]:
    """Return the environment of a program that asks nothing of the network, such as git."""
    return {name: os.environ[name] for name in _NEEDED if name in os.environ}


def installer() -> dict[str, str]:
    """Return the environment of pip: the way to its index, too."""
    named = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    network = {name: value for name, value in os.environ.items() if name.upper() in _NETWORK}
    return environment() | named | network
