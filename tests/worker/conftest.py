"""The service as its hosts run it: through ASGI, on a real sqld, with a bucket in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.isolate import SECRETS, VARIABLES, Isolate, fetch

sys.path.insert(0, str(Path(__file__).parents[2] / "worker/src"))


@pytest.fixture
def start() -> Callable[..., Isolate]:
    """Start an isolate, with an environment that differs in what is given."""
    from boss.app import create_app

    def start(**differences: str) -> Isolate:
        return Isolate({**VARIABLES, **SECRETS, **differences}, create_app(fetch))

    return start


@pytest.fixture
def isolate(start: Callable[..., Isolate]) -> Isolate:
    """An isolate without a database."""
    return start()
