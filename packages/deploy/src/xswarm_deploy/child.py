"""What a program started from here gets as its environment: what it needs, and no key of ours.

A command that a person configured gets more (:mod:`xswarm_deploy.settings.handed_on`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_NEEDED: Final = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME"),
    "NODE_COMPILE_CACHE",  # where Node keeps compiled code: wrangler starts in less time
    "LD_LIBRARY_PATH",  # of a Python that was built with shared libraries
    # What no program of Windows starts without, and where it keeps its files.
    *("SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERNAME", "USERPROFILE"),
    *("HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES"),
)
_NETWORK: Final = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "NODE_EXTRA_CA_CERTS",  # a company's own authority, for npm
)

_START: Final = (
    "import sys; sys.argv[0] = {name!r}; from xswarm_deploy.cli.program import main; main()"
)


def tool(*words: str) -> list[str]:
    """Return the command that runs this tool again, under the name by which it was started.

    Args:
        words: its tasks and flags.
    """
    return [sys.executable, "-c", _START.format(name=sys.argv[0]), *words]


def program(name: str) -> str | None:
    """Return where a program is: beside this Python, else on PATH; None: nowhere.

    Of Windows it finds what ends with one of PATHEXT, too: npm and wrangler are ``.cmd`` there.

    Args:
        name: without an ending.
    """
    import shutil  # with bz2 and lzma: 5 ms, and few commands start a program

    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def environment() -> dict[str, str]:
    """Return the environment of a program that asks nothing of the network, such as git."""
    return {name: os.environ[name] for name in _NEEDED if name in os.environ}


def installer() -> dict[str, str]:
    """Return the environment of pip, uv or npm: the way to its index, too."""
    named = {n: value for n, value in os.environ.items() if n.startswith(("PIP_", "UV_"))}
    return environment() | named | network()


def network() -> dict[str, str]:
    """Return what says how the network is reached: proxies, and certificates that are trusted."""
    return {name: value for name, value in os.environ.items() if name.upper() in _NETWORK}
