"""requests and urllib3, without what they import for cases that do not occur here.

requests brings charset_normalizer, to guess how a text is encoded whose server does not say so;
urllib3 brings importlib.metadata, to look for HTTP/2's library. Both together take a quarter of
the time, and a rollback waits for it. Here they are imported by whoever makes use of them.
"""

from __future__ import annotations

from typing import Any

from xswarm_deploy.imports import standing_in

__all__ = ["requests", "urllib3"]


def _detect(content: bytes) -> Any:
    import charset_normalizer

    return charset_normalizer.detect(content)


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


with (
    # 3.0.0: requests asks whether it works with the version that requirements.txt pins.
    standing_in("charset_normalizer", detect=_detect, __version__="3.0.0"),
    standing_in("importlib.metadata", version=_version),
):
    import requests
    import urllib3
