"""Teams, on a real database."""

from __future__ import annotations

from collections.abc import Callable

from tests.worker.isolate import Isolate
from xswarm_deploy.database.client import Database, Statement

PERSON = {"email": "zoe@example.org", "password": "correct horse battery"}


def signed_in(service: Isolate) -> tuple[str, dict[str, str]]:
    answer = service.ask("POST", "/api/auth/signup", PERSON).json()
    return answer["user"]["id"], {"authorization": f"Bearer {answer['token']}"}


def test_a_user_sees_the_teams_it_belongs_to(service: Isolate, database: Database) -> None:
    user, session = signed_in(service)
    add = "INSERT INTO teams (id, name, owner_id) VALUES"
    other = Statement("INSERT INTO users (id, email) VALUES ('other', 'other@example.org')")
    database.transaction(
        [
            other,
            Statement(f"{add} ('mine', 'Mine', ?)", (user,)),
            Statement(f"{add} ('theirs', 'Theirs', 'other')"),
        ]
    )
    found = service.ask("GET", "/api/teams", headers=session).json()["teams"]
    assert [(team["name"], team["role"]) for team in found] == [("Mine", "owner")]
    assert service.ask("GET", "/api/teams").status == 401


def test_teams_that_are_switched_off_are_not_there(
    start: Callable[..., Isolate], database: Database
) -> None:
    service = start(TURSO_DATABASE_URL=database.url, TEAMS_ENABLED="false")
    _, session = signed_in(service)
    assert service.ask("GET", "/api/teams", headers=session).status == 404
