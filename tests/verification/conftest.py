"""The environment that steps are tested on."""

from __future__ import annotations

from tests.steps.conftest import cloudflare, gates, site

__all__ = ["cloudflare", "gates", "site"]
