"""Password hashes, judged by an independent scrypt."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest
from boss import passwords
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt


def make(password: str) -> str:
    return asyncio.run(passwords.make_hash(password))


def matches(password: str, stored: str) -> bool:
    return asyncio.run(passwords.matches(password, stored))


def test_only_the_same_password_matches() -> None:
    stored = make("correct horse Zoë")
    assert matches("correct horse Zoë", stored)
    for other in ("correct horse Zoe", "", "correct horse Zoë "):
        assert not matches(other, stored)


def test_one_password_has_many_hashes() -> None:
    assert make("same") != make("same")


def test_cryptographys_scrypt_gives_the_same_key() -> None:
    _, cost, block, parallel, salt, key = make("a password").split("$")
    scrypt = Scrypt(base64.b64decode(salt), 32, int(cost), int(block), int(parallel))
    scrypt.verify(b"a password", base64.b64decode(key))


@pytest.mark.parametrize("stored", ["", "scrypt", "bcrypt$1$2$3$4$5", "scrypt$1$2", "plain"])
def test_a_hash_of_another_form_matches_nothing(stored: str) -> None:
    assert not matches("", stored)
    assert not matches(stored, stored)


def test_an_older_cost_still_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = make("a password")
    monkeypatch.setattr(passwords, "_COST", 2**6)
    assert matches("a password", stored)
    assert make("a password").startswith("scrypt$64$8$5$")


@pytest.mark.slow
def test_the_cost_is_one_owasp_names_and_is_paid_for_unknown_accounts_too() -> None:
    stored = make("a password")
    assert stored.startswith("scrypt$16384$8$5$")
    known, unknown = (
        _seconds(lambda: asyncio.run(passwords.matches("guess", stored))),
        _seconds(lambda: asyncio.run(passwords.waste_time("guess"))),
    )
    assert known > 0.02
    assert 0.3 < known / unknown < 3


def _seconds(call: object) -> float:
    assert callable(call)
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()  # of the processor, however many share it
        call()
        best = min(best, time.process_time() - begin)
    return best
