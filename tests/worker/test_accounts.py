"""Accounts on a real database: sign up, log in, look, log out, leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.accounts import PERSON, bearer, log_in, sign_up
from tests.worker.isolate import Answer, Isolate
from xswarm_deploy.database.client import Database

Start = Callable[..., Isolate]


def test_an_account_is_made_signed_in_seen_and_deleted(
    service: Isolate, database: Database
) -> None:
    made = sign_up(service)
    assert made.status == 201
    assert made.json()["user"]["email"] == "zoe@example.org"
    assert made.json()["expires_in"] == 7 * 86400
    seen = service.ask("GET", "/api/auth/me", headers=bearer(made))
    assert seen.json()["user"] == made.json()["user"]
    assert service.ask("DELETE", "/api/auth/me", headers=bearer(made)).status == 204
    assert service.ask("GET", "/api/auth/me", headers=bearer(made)).status == 401
    assert database.query("SELECT count(*) AS n FROM users")[0]["n"] == 0
    assert database.query("SELECT count(*) AS n FROM sessions")[0]["n"] == 0


def test_no_answer_and_no_row_has_the_password(service: Isolate, database: Database) -> None:
    answers = [sign_up(service), log_in(service)]
    kept = database.query("SELECT password_hash FROM users")[0]["password_hash"]
    assert str(kept).startswith("scrypt$")
    assert PERSON["password"] not in str(kept)
    for answer in answers:
        text = answer.body.decode()
        assert PERSON["password"] not in text
        assert "scrypt" not in text
        assert "password" not in text


def test_a_session_is_kept_only_as_a_hash(service: Isolate, database: Database) -> None:
    token = sign_up(service).json()["token"]
    row = database.query("SELECT * FROM sessions")[0]
    assert token not in [str(row[name]) for name in ("id", "token_hash")]


def test_logging_in_takes_the_address_in_any_case(service: Isolate) -> None:
    sign_up(service)
    answer = log_in(service, email="zOE@eXAMPLE.ORG")
    assert answer.status == 200
    assert service.ask("GET", "/api/auth/me", headers=bearer(answer)).status == 200


@pytest.mark.parametrize(
    "wrong", [{"password": "correct horse batterY"}, {"email": "nobody@example.org"}]
)
def test_wrong_credentials_are_refused_alike(service: Isolate, wrong: dict[str, str]) -> None:
    sign_up(service)
    answer = log_in(service, **wrong)
    assert (answer.status, answer.error()) == (401, "wrong_credentials")
    assert answer.json()["error"]["message"] == "The e-mail address or the password is wrong."


def test_an_account_without_a_password_cannot_log_in(service: Isolate, database: Database) -> None:
    database.execute("INSERT INTO users (id, email) VALUES ('u', 'invited@example.org')")
    assert log_in(service, email="invited@example.org", password="").status == 400
    assert log_in(service, email="invited@example.org", password="None").status == 401


def test_an_address_has_one_account(service: Isolate) -> None:
    sign_up(service)
    answer = sign_up(service, email="zoe@EXAMPLE.org")
    assert (answer.status, answer.error()) == (409, "already_registered")


def test_a_handle_has_one_account(service: Isolate) -> None:
    assert sign_up(service, handle="boss").json()["user"]["handle"] == "boss"
    answer = sign_up(service, email="other@example.org", handle="BOSS")
    assert (answer.status, answer.error()) == (409, "already_registered")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", "a@b"),
        ("email", "a@b@c.d"),
        ("email", "a" * 250 + "@b.cd"),
        ("email", ["zoe@example.org"]),
        ("email", "a\0@example.org"),
        ("password", "short"),
        ("password", 1234567890),
        ("password", "x" * 257),
        ("password", "ten chars\0"),
        ("name", "x" * 101),
        ("name", {"first": "Zoë"}),
        ("handle", "-boss"),
        ("handle", "bo ss"),
        ("handle", "x" * 40),
    ],
)
def test_a_field_that_does_not_fit_is_named(service: Isolate, field: str, value: object) -> None:
    answer = sign_up(service, **{field: value})
    assert (answer.status, answer.error()) == (400, "invalid_input")
    assert list(answer.json()["error"]["fields"]) == [field]


def test_logging_out_ends_the_session_everywhere(service: Isolate) -> None:
    here, there = sign_up(service), log_in(service)
    assert service.ask("POST", "/api/auth/logout", headers=bearer(here)).status == 204
    assert service.ask("GET", "/api/auth/me", headers=bearer(here)).status == 401
    assert service.ask("GET", "/api/auth/me", headers=bearer(there)).status == 200


def test_a_new_password_ends_all_sessions(service: Isolate, database: Database) -> None:
    session = bearer(sign_up(service))
    database.execute("UPDATE users SET password_hash = 'another'")
    assert service.ask("GET", "/api/auth/me", headers=session).status == 401


def test_a_session_of_another_secret_is_refused(start: Start, database: Database) -> None:
    one, other = (start(TURSO_DATABASE_URL=database.url, JWT_SECRET=letter * 32) for letter in "ab")
    assert other.ask("GET", "/api/auth/me", headers=bearer(sign_up(one))).status == 401


def test_logging_in_removes_sessions_that_are_over(service: Isolate, database: Database) -> None:
    sign_up(service)
    database.execute(
        "UPDATE sessions SET created_at = '2020-01-01T00:00:00.000Z',"
        " expires_at = '2020-01-02T00:00:00.000Z'"
    )
    log_in(service)
    assert database.query("SELECT count(*) AS n FROM sessions")[0]["n"] == 1


@pytest.mark.usefixtures("within_a_minute")
def test_guessing_is_slowed_down(service: Isolate) -> None:
    told = [log_in(service, password=f"guess {number}").status for number in range(11)]
    assert told == [401] * 10 + [429]
    assert log_in(service, email="other@example.org").status == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(service: Isolate) -> None:
    cookie = sign_up(service).header("set-cookie")
    for part in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=604800"):
        assert part in cookie.split("; ")


def test_the_cookie_is_as_configured(start: Start, database: Database) -> None:
    told = {"SESSION_COOKIE_SECURE": "false", "SESSION_COOKIE_SAMESITE": "lax"}
    service = start(TURSO_DATABASE_URL=database.url, JWT_EXPIRES_IN="2h", **told)
    parts = sign_up(service).header("set-cookie").split("; ")
    assert "SameSite=Lax" in parts
    assert "Max-Age=7200" in parts
    assert "Secure" not in parts


def test_a_cookie_for_all_sites_is_always_secure(start: Start, database: Database) -> None:
    told = {"SESSION_COOKIE_SECURE": "false", "SESSION_COOKIE_SAMESITE": "none"}
    service = start(TURSO_DATABASE_URL=database.url, **told)
    assert "Secure" in sign_up(service).header("set-cookie").split("; ")


def test_the_cookie_signs_in_but_not_for_other_sites_pages(service: Isolate) -> None:
    cookie = {"cookie": sign_up(service).header("set-cookie").partition(";")[0]}
    assert service.ask("GET", "/api/auth/me", headers=cookie).status == 200
    for origin in ({}, {"origin": "https://evil.example"}, {"origin": "null"}):
        answer = service.ask("DELETE", "/api/auth/me", headers={**cookie, **origin})
        assert (answer.status, answer.error()) == (403, "foreign_origin")
    own = {**cookie, "origin": "https://example"}
    assert service.ask("DELETE", "/api/auth/me", headers=own).status == 204


def test_what_one_isolate_counts_every_isolate_tells(start: Start, database: Database) -> None:
    here, there = (start(TURSO_DATABASE_URL=database.url) for _ in range(2))
    admin = {"authorization": f"Bearer {here.environment['ADMIN_TOKEN']}"}
    before = _signups(there.ask("GET", "/api/metrics", headers=admin))
    sign_up(here)
    assert _signups(here.ask("GET", "/api/metrics", headers=admin)) == before + 1
    assert _signups(there.ask("GET", "/api/metrics", headers=admin)) == before + 1


def _signups(answer: Answer) -> int:
    report = answer.json()
    assert report["scope"] == "all"
    return int(report["business"]["signups"]["total"])
