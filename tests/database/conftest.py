"""Both homes of a database for the tests: a file, and a real sqld."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sqld import StartSqld, empty, serve
from xswarm_deploy.database.client import Database, connect


@pytest.fixture(scope="session")
def start_sqld() -> StartSqld:
    """Start another sqld: ``with start_sqld(folder, *flags) as (url, pid)``."""
    return serve


@pytest.fixture(scope="session")
def sqld_url(start_sqld: StartSqld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One sqld for the whole session; tests get it emptied."""
    with start_sqld(tmp_path_factory.mktemp("sqld")) as (url, _):
        yield url


@pytest.fixture
def remote(sqld_url: str) -> Iterator[Database]:
    """A real sqld, emptied."""
    with connect(sqld_url) as database:
        empty(database)
        yield database


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Database]:
    """A file."""
    with connect(f"file:{tmp_path / 'home.db'}") as database:
        yield database


@pytest.fixture(params=["file", "sqld"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each home in turn."""
    home: Database = request.getfixturevalue("local" if request.param == "file" else "remote")
    return home
