"""The API stand-in with an edge that only remembers, new for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.cloudflare.stand_in import Api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """Give a stand-in with nothing in it."""
    running = Api(tmp_path)
    yield running
    running.session.close()
    running.stop()
