"""Suggestions and their files, on a real database."""

from __future__ import annotations

import pytest

from tests.support.accounts import bearer, sign_up
from tests.worker.isolate import Isolate
from xswarm_deploy.database.client import Database

WISH = {"title": "Dark mode", "description": "My eyes; DROP TABLE users --", "category": "feature"}
PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.fixture
def author(service: Isolate) -> dict[str, str]:
    return bearer(sign_up(service))


@pytest.fixture
def stranger(service: Isolate) -> dict[str, str]:
    return bearer(sign_up(service, email="stranger@example.org"))


@pytest.fixture
def path(service: Isolate, author: dict[str, str]) -> str:
    made = service.ask("POST", "/api/suggestions", WISH, author)
    assert made.status == 201
    return f"/api/suggestions/{made.json()['suggestion']['id']}"


def test_without_any_there_is_an_empty_list(service: Isolate) -> None:
    answer = service.ask("GET", "/api/suggestions")
    assert answer.status == 200
    assert answer.json() == {"suggestions": [], "limit": 20, "offset": 0}


def test_a_suggestion_is_listed_as_it_was_made(service: Isolate, path: str) -> None:
    found = service.ask("GET", "/api/suggestions").json()["suggestions"]
    assert [path.rpartition("/")[2]] == [suggestion["id"] for suggestion in found]
    assert {name: found[0][name] for name in WISH} == WISH
    assert found[0]["status"] == "new"


def test_the_most_wanted_come_first_and_page_by_page(service: Isolate, database: Database) -> None:
    for number in range(5):
        database.execute(
            "INSERT INTO suggestions (id, title, category, upvotes) VALUES (?, 'wish', 'bug', ?)",
            (f"s{number}", number),
        )
    pages = [
        [wish["id"] for wish in service.ask("GET", target).json()["suggestions"]]
        for target in ("/api/suggestions?limit=2", "/api/suggestions?limit=2&offset=2")
    ]
    assert pages == [["s4", "s3"], ["s2", "s1"]]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "limit=%zz"])
def test_a_page_that_does_not_exist_is_refused(service: Isolate, query: str) -> None:
    answer = service.ask("GET", f"/api/suggestions?{query}")
    assert (answer.status, answer.error()) == (400, "invalid_input")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "x" * 201),
        ("description", None),
        ("category", "wish"),
        ("category", []),
    ],
)
def test_a_field_that_does_not_fit_is_named(
    service: Isolate, author: dict[str, str], field: str, value: object
) -> None:
    answer = service.ask("POST", "/api/suggestions", {**WISH, field: value}, author)
    assert answer.status == 400
    assert list(answer.json()["error"]["fields"]) == [field]


def test_a_file_is_given_back_as_it_was_attached(
    service: Isolate, author: dict[str, str], path: str
) -> None:
    png = {**author, "content-type": "image/png"}
    assert service.ask("PUT", f"{path}/attachment", PNG, png).status == 204
    answer = service.ask("GET", f"{path}/attachment")
    assert (answer.status, answer.body) == (200, PNG)
    assert answer.header("content-type") == "image/png"
    assert answer.header("x-content-type-options") == "nosniff"


def test_without_a_file_there_is_none(service: Isolate, path: str) -> None:
    assert service.ask("GET", f"{path}/attachment").status == 404
    assert service.ask("GET", "/api/suggestions/none/attachment").status == 404


@pytest.mark.parametrize("media_type", ["image/svg+xml", "text/html", "", "image/png+html"])
def test_what_a_browser_would_run_is_not_attached(
    service: Isolate, author: dict[str, str], path: str, media_type: str
) -> None:
    headers = {**author, "content-type": media_type}
    assert service.ask("PUT", f"{path}/attachment", PNG, headers).status == 415
    assert not service.bucket.objects


def test_only_its_author_changes_a_suggestion(
    service: Isolate, stranger: dict[str, str], path: str
) -> None:
    png = {**stranger, "content-type": "image/png"}
    assert service.ask("PUT", f"{path}/attachment", PNG, png).error() == "not_yours"
    assert service.ask("DELETE", path, headers=stranger).error() == "not_yours"
    assert service.ask("DELETE", path).status == 401


def test_a_withdrawn_suggestion_leaves_nothing(
    service: Isolate, database: Database, author: dict[str, str], path: str
) -> None:
    service.ask("PUT", f"{path}/attachment", PNG, {**author, "content-type": "image/png"})
    assert service.ask("DELETE", path, headers=author).status == 204
    assert database.query("SELECT count(*) AS n FROM suggestions")[0]["n"] == 0
    assert not service.bucket.objects
    assert service.ask("DELETE", path, headers=author).status == 404


def test_an_authors_suggestions_outlive_the_account(
    service: Isolate, database: Database, author: dict[str, str], path: str
) -> None:
    service.ask("DELETE", "/api/auth/me", headers=author)
    assert path.rpartition("/")[2] == database.query("SELECT id FROM suggestions")[0]["id"]
    assert service.ask("GET", "/api/suggestions").json()["suggestions"][0]["user_id"] is None


def test_no_one_owns_what_nobody_made(
    service: Isolate, database: Database, author: dict[str, str]
) -> None:
    database.execute("INSERT INTO suggestions (id, title, category) VALUES ('s', 't', 'bug')")
    assert service.ask("DELETE", "/api/suggestions/s", headers=author).status == 403
