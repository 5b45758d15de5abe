"""The Worker as it is uploaded, on the Python of Python Workers: Pyodide and the real SDK."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from boss import passwords

from deployment.database.client import Database
from deployment.project import Project
from deployment.settings import Settings
from deployment.steps.bundle import bundle
from tests.worker.isolate import SECRETS, VARIABLES, Answer
from tests.worker.runtime import HOST, ROOT, install
from tests.worker.test_signatures import SendGrid, stripe_header, twilio_header

pytestmark = pytest.mark.slow

WITHIN_MILLISECONDS = 2500
PASSWORD = "correct horse battery"


class Worker:
    """The Worker, asked over HTTP."""

    def __init__(self, port: int, milliseconds: float) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.milliseconds = milliseconds

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        sent = {"content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, content, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return _answer(reply)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error)


def _answer(reply: Any) -> Answer:
    headers = [(name.lower(), value) for name, value in reply.headers.items()]
    return Answer(reply.status, headers, reply.read())


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of the very upload that a release would make, laid out as a folder."""
    body = bundle(Settings("local", ROOT, Project(), "")).body
    boundary = body.split(b"\r\n", 1)[0][2:]
    head = b"Content-Type: multipart/form-data; boundary=" + boundary + b"\r\n\r\n"
    folder = tmp_path_factory.mktemp("uploaded")
    for part in BytesParser().parsebytes(head + body).walk():
        name = part.get_filename()
        if name is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def sendgrid() -> SendGrid:
    return SendGrid()


@pytest.fixture(scope="module")
def worker(uploaded: Path, home: Database, sendgrid: SendGrid) -> Iterator[Worker]:
    """The Worker on Pyodide, with a real database."""
    program = install()
    told = {**VARIABLES, **SECRETS, "TURSO_DATABASE_URL": home.url}
    told["SENDGRID_WEBHOOK_PUBLIC_KEY"] = sendgrid.public_key
    process = subprocess.Popen(
        [program, str(HOST / "serve.mjs"), str(uploaded)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(told))
        process.stdin.close()
        line = process.stdout.readline()
        assert line, "Pyodide ended before it listened"
        yield Worker(**json.loads(line))
    finally:
        # The whole group: node may be a launcher with the real node as its child.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
        process.stdout.close()


def test_it_starts_in_the_time_a_worker_has(worker: Worker) -> None:
    # Measured 0.24 s; the limit allows for a machine that is busy.
    assert worker.milliseconds < WITHIN_MILLISECONDS


def test_it_says_which_version_it_is(worker: Worker) -> None:
    answer = worker.ask("GET", "/health")
    assert answer.status == 200
    assert answer.json()["version"] == "version-under-pyodide"
    assert answer.header("x-content-type-options") == "nosniff"


def test_it_reaches_its_database_and_bucket(worker: Worker) -> None:
    assert worker.ask("GET", "/health/ready").status == 200
    admin = {"authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}
    report = worker.ask("GET", "/health/detailed", headers=admin).json()
    assert report["status"] == "pass", report


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
