"""The environment on a database file of the releases' tests."""

from __future__ import annotations

from tests.release.conftest import site

__all__ = ["site"]
