"""What the monitoring's tests share: clocks that are turned by hand, and a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.monitoring import Hands, SQLite


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def sqlite() -> Iterator[SQLite]:
    database = SQLite()
    yield database
    database.connection.close()
