"""The environment that steps are tested on."""

from __future__ import annotations

import pytest

from tests.steps.conftest import cloudflare, gates, site
from xswarm_deploy.verification import asker, proof, version

__all__ = ["cloudflare", "gates", "site"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once: what is asked here has no edge that takes a while."""
    for module in (asker, proof, version):
        monkeypatch.setattr(module, "PAUSE", 0.01)
