"""D1 as the twin has it: Cloudflare's API stand-in, and databases in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.database.client import Database, connect
from xswarm_deploy.database.d1 import D1Access, D1Database
from xswarm_deploy.secret import Secret

WITHOUT_D1 = pytest.mark.parametrize("database", ["file", "sqld"], indirect=True)
"""For what D1 cannot do: ``tests/database/test_d1.py`` says what it does instead."""


@contextmanager
def serve(state: Path) -> Iterator[Api]:
    """Start the stand-in, for as long as a test wants it."""
    api = Api(state)
    try:
        yield api
    finally:
        api.session.close()
        api.stop()


def access(api: Api, token: str = ACCOUNT.token) -> D1Access:
    """Return the way to the stand-in's databases."""
    return D1Access(ACCOUNT.id, Secret(token, "CLOUDFLARE_API_TOKEN"), api.base)


def again(database: Database) -> Database:
    """Connect once more to where a database is."""
    way = database.access if isinstance(database, D1Database) else None
    return connect(database.url, None, way)


def new(api: Api) -> Database:
    """Make a database, and connect to it by its id."""
    made = api.result("POST", "A/d1/database", json={"name": uuid.uuid4().hex})
    return connect(f"d1:{made['uuid']}", None, access(api))
