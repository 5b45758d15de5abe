"""Which certificates are trusted: those that the environment names, else everybody's.

A company whose proxy reads TLS names its own authority; which variable does, differs from program
to program. Each of them counts, wherever this tool connects.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

NAMES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""The first that names a file or a folder counts."""
_REMEDY: Final = (
    "where a proxy of your company's reads TLS, name its certificate: REQUESTS_CA_BUNDLE=FILE, and"
    " NODE_EXTRA_CA_CERTS=FILE for wrangler and npm; else set this machine's clock"
)


def named() -> str | None:
    """Return the file or folder of certificates that the environment names; None: it names none."""
    paths = (os.environ.get(name, "") for name in NAMES)
    return next((path for path in paths if path and Path(path).exists()), None)


def remedy() -> str:
    """Return what to do about a certificate that is not trusted."""
    given = {name: os.environ[name] for name in NAMES if os.environ.get(name)}
    gone = [f"{name} names {path}" for name, path in given.items() if not Path(path).exists()]
    return f"{gone[0]}, which is not there: correct that" if gone else _REMEDY


def context() -> ssl.SSLContext:
    """Return what connects by TLS where no session does: with the system's certificates, too."""
    made, path = ssl.create_default_context(), named()
    if path:
        folder = Path(path).is_dir()
        made.load_verify_locations(capath=path) if folder else made.load_verify_locations(path)
    return made
