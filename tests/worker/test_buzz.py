"""The marketplace, on a real database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.worker.isolate import Isolate
from xswarm_deploy.database.client import Database, Statement


@pytest.fixture
def listed(database: Database) -> None:
    row = "INSERT INTO buzz_listings (id, user_id, title, category, status, expires_at)"
    database.transaction(
        [
            Statement("INSERT INTO users (id, email) VALUES ('u', 'u@example.org')"),
            Statement(f"{row} VALUES ('a', 'u', 'A', 'tools', 'active', NULL)"),
            Statement(f"{row} VALUES ('b', 'u', 'B', 'tools', 'active', '2999-01-01')"),
            Statement(f"{row} VALUES ('c', 'u', 'C', 'events', 'active', '2020-01-01')"),
            Statement(f"{row} VALUES ('d', 'u', 'D', 'tools', 'pending', NULL)"),
        ]
    )


def test_without_listings_there_are_no_categories(service: Isolate) -> None:
    answer = service.ask("GET", "/api/buzz/categories")
    assert (answer.status, answer.json()) == (200, {"categories": []})


@pytest.mark.usefixtures("listed")
def test_categories_count_their_active_listings(service: Isolate) -> None:
    assert service.ask("GET", "/api/buzz/categories").json()["categories"] == [
        {"category": "events", "listings": 1},
        {"category": "tools", "listings": 2},
    ]


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"a", "b"}),
        ("?category=tools", {"a", "b"}),
        ("?category=events", set()),
        ("?limit=1", 1),
    ],
)
def test_listings_are_those_that_are_active_and_not_over(
    service: Isolate, query: str, found: set[str] | int
) -> None:
    given = {
        listing["id"] for listing in service.ask("GET", f"/api/buzz{query}").json()["listings"]
    }
    assert given == found if isinstance(found, set) else len(given) == found


def test_a_marketplace_that_is_switched_off_is_not_there(
    start: Callable[..., Isolate], database: Database
) -> None:
    service = start(TURSO_DATABASE_URL=database.url, MARKETPLACE_ENABLED="false")
    for path in ("/api/buzz", "/api/buzz/categories"):
        assert service.ask("GET", path).status == 404
