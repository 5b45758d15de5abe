"""The homes of a database for the tests: a file, a real sqld, and D1 as the twin has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import d1
from tests.support.sqld import StartSqld, empty, serve
from tests.twin.cloudflare.stand_in import Api
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


@pytest.fixture(scope="session")
def d1_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Cloudflare's API, one for the whole session; each test has a D1 database of its own."""
    with d1.serve(tmp_path_factory.mktemp("d1")) as api:
        yield api


@pytest.fixture
def cloud(d1_api: Api) -> Iterator[Database]:
    """D1, empty."""
    with d1.new(d1_api) as database:
        yield database


@pytest.fixture(params=["file", *(pytest.param(n, marks=pytest.mark.slow) for n in ("sqld", "d1"))])
def database(request: pytest.FixtureRequest) -> Database:
    """Each home in turn; the quick tests ask the file alone, which costs a tenth of the others."""
    homes = {"file": "local", "sqld": "remote", "d1": "cloud"}
    home: Database = request.getfixturevalue(homes[request.param])
    return home
