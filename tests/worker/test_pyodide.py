"""The Worker as it is uploaded, on the Python of Python Workers: Pyodide and the real SDK."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from boss import passwords

from tests.support.receiver import Receiver, remote_write_2
from tests.support.signatures import SendGrid, stripe_header, twilio_header
from tests.worker.isolate import SECRETS
from tests.worker.runtime import Worker, wait_for
from xswarm_deploy.database.client import Database

pytestmark = pytest.mark.slow

WITHIN_MILLISECONDS = 2500
PASSWORD = "correct horse battery"


def test_it_starts_in_the_time_a_worker_has(worker: Worker) -> None:
    # Of the processor, however many share it; measured 0.2 s.
    assert worker.milliseconds < WITHIN_MILLISECONDS


def test_it_says_which_version_it_is(worker: Worker) -> None:
    answer = worker.ask("GET", "/health")
    assert answer.status == 200
    assert answer.json()["version"] == "version-under-pyodide"
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.parametrize("method", ["PROPFIND", "MKCOL", "PURGE"])
def test_a_method_that_python_has_no_name_for_is_answered(worker: Worker, method: str) -> None:
    """The SDK raises KeyError for it: the Worker would end in error 1101."""
    assert worker.ask(method, "/api/suggestions").status == 405
    assert worker.ask(method, "/none").status == 404


def test_it_reaches_its_database_and_bucket(worker: Worker) -> None:
    admin = {"authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}

    def report() -> Any:
        return worker.ask("GET", "/health/detailed", headers=admin).json()

    # What a busy machine was late for is not asked again for half a minute.
    wait_for(lambda: report()["status"] == "pass", 120)
    assert worker.ask("GET", "/health/ready").status == 200


@pytest.mark.usefixtures("database")
def test_it_pushes_what_it_measures_text_and_bytes(worker: Worker, pushed: Receiver) -> None:
    assert worker.ask("GET", "/api/suggestions").status == 200
    wait_for(lambda: bool(pushed.metrics() and pushed.spans() and pushed.bodies("/write")), 120)
    series = remote_write_2(pushed.bodies("/write")[0])
    assert {each["labels"]["job"] for each in series} == {"boss-ai"}


@pytest.mark.usefixtures("database")
def test_an_account_and_its_files_live_and_go(worker: Worker, database: Database) -> None:
    person = {"email": "zoe@example.org", "password": PASSWORD, "name": "Zoë", "handle": "boss"}
    begin = time.perf_counter()
    made = worker.ask("POST", "/api/auth/signup", person)
    assert (made.status, time.perf_counter() - begin < 10) == (201, True)
    login = {"email": person["email"], "password": PASSWORD}
    session = {
        "authorization": f"Bearer {worker.ask('POST', '/api/auth/login', login).json()['token']}"
    }
    assert worker.ask("POST", "/api/auth/login", {**login, "password": "wrong"}).status == 401
    wish = {"title": "Dark mode", "description": "My eyes"}
    key = worker.ask("POST", "/api/suggestions", wish, session).json()["suggestion"]["id"]
    path, png = f"/api/suggestions/{key}", b"\x89PNG\x00\xff"
    attached = worker.ask(
        "PUT", f"{path}/attachment", png, {**session, "content-type": "image/png"}
    )
    assert attached.status == 204
    answer = worker.ask("GET", f"{path}/attachment")
    assert (answer.body, answer.header("content-type")) == (png, "image/png")
    assert worker.ask("DELETE", path, headers=session).status == 204
    assert worker.ask("GET", f"{path}/attachment").status == 404
    assert worker.ask("DELETE", "/api/auth/me", headers=session).status == 204
    assert worker.ask("GET", "/api/auth/me", headers=session).status == 401


def test_a_password_hashed_there_matches_here(worker: Worker, database: Database) -> None:
    worker.ask("POST", "/api/auth/signup", {"email": "a@example.org", "password": PASSWORD})
    stored = database.query("SELECT password_hash FROM users")[0].text("password_hash")
    assert asyncio.run(passwords.matches(PASSWORD, stored))
    assert not asyncio.run(passwords.matches("wrong", stored))


def test_signed_webhooks_are_believed_and_others_are_not(
    worker: Worker, database: Database, sendgrid: SendGrid
) -> None:
    database.execute("INSERT INTO users (id, email, handle) VALUES ('u', 'u@x.org', 'boss')")
    now = str(int(time.time()))
    event = b'{"id":"e1","type":"customer.created","created":1,"data":{"object":{}}}'
    stripe = {"stripe-signature": stripe_header(event, SECRETS["STRIPE_WEBHOOK_SECRET"], int(now))}
    fields = [("MessageSid", "SM1"), ("From", "+15551234567"), ("Body", "Hi")]
    url = "https://boss.example/sms/boss"
    twilio = {
        "x-twilio-signature": twilio_header(url, fields, SECRETS["TWILIO_AUTH_TOKEN"]),
        "content-type": "application/x-www-form-urlencoded",
    }
    mail = {
        "x-twilio-email-event-webhook-signature": sendgrid.sign(b"[]", now),
        "x-twilio-email-event-webhook-timestamp": now,
    }
    text = b"MessageSid=SM1&From=%2B15551234567&Body=Hi"
    for path, body, headers in (
        ("/stripe/webhook", event, stripe),
        ("/sms/boss", text, twilio),
        ("/email/inbound", b"[]", mail),
    ):
        assert worker.ask("POST", path, body, headers).status == 200, path
        assert worker.ask("POST", path, body + b" ", headers).status == 401, path
        assert worker.ask("POST", path, body).status == 401, path
