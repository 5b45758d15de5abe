"""A person with an account at the service."""

from __future__ import annotations

from typing import Any

from tests.worker.isolate import Answer, Isolate

PERSON = {"email": "Zoe@Example.org", "password": "correct horse battery", "name": "Zoë"}


def sign_up(service: Isolate, **differences: Any) -> Answer:
    return service.ask("POST", "/api/auth/signup", {**PERSON, **differences})


def log_in(service: Isolate, **differences: Any) -> Answer:
    credentials = {"email": PERSON["email"], "password": PERSON["password"]}
    return service.ask("POST", "/api/auth/login", {**credentials, **differences})


def bearer(answer: Answer) -> dict[str, str]:
    return {"authorization": f"Bearer {answer.json()['token']}"}
