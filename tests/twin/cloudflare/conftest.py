"""The API stand-in with an edge that only remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.twin.cloudflare.stand_in import Api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """Return a stand-in with nothing in it, new for each test."""
    with _running(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Return a stand-in with a Worker and a Pages project, for calls that are to change nothing.

    The Worker is ``shop``, bound to the text ``WORD``, with a second version; the project is
    ``site``.
    """
    with _running(tmp_path_factory.mktemp("settled")) as running:
        running.worker(bindings=[{"name": "WORD", "type": "plain_text", "text": "x"}])
        running.result(
            "POST", "A/pages/projects", json={"name": "site", "production_branch": "main"}
        )
        yield running


@contextmanager
def _running(state: Path) -> Iterator[Api]:
    running = Api(state)
    try:
        yield running
    finally:
        running.session.close()
        running.stop()
