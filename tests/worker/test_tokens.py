"""Session tokens, judged by PyJWT."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import jwt
import pytest
from boss.tokens import ISSUER, InvalidToken, issue, verify

SECRET = "a-secret-with-more-than-thirty-two-characters"
NOW = 1_700_000_000.0


def token(**changes: object) -> str:
    claims = {
        "iss": ISSUER,
        "sub": "u1",
        "jti": "s1",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        **changes,
    }
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, SECRET, "HS256")


def test_a_token_says_whose_it_is() -> None:
    claims = verify(issue("user-1", "session-1", SECRET, 60, NOW), SECRET, NOW + 59)
    assert claims.subject == "user-1"
    assert claims.session == "session-1"
    assert claims.expires == NOW + 60


def test_pyjwt_reads_our_tokens() -> None:
    made = issue("user-1", "session-1", SECRET, 60, NOW)
    read = jwt.decode(made, SECRET, ["HS256"], issuer=ISSUER, options={"verify_exp": False})
    assert read["sub"] == "user-1"
    assert read["exp"] - read["iat"] == 60


def test_we_read_pyjwts_tokens() -> None:
    assert verify(token(), SECRET, NOW).subject == "u1"


@pytest.mark.parametrize("at", [NOW + 60, NOW + 1e6, NOW - 31])
def test_a_token_out_of_its_time_is_refused(at: float) -> None:
    with pytest.raises(InvalidToken, match="not valid now"):
        verify(token(), SECRET, at)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "someone"},
        {"iss": None},
        {"sub": None},
        {"jti": None},
        {"exp": None},
        {"iat": None},
        {"exp": "never"},
    ],
)
def test_claims_that_are_not_ours_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidToken):
        verify(token(**changes), SECRET, NOW)


def test_every_changed_character_is_noticed() -> None:
    made = issue("user-1", "session-1", SECRET, 60, NOW)
    for place in range(len(made)):
        other = "A" if made[place] != "A" else "B"
        changed = made[:place] + other + made[place + 1 :]
        try:
            claims = verify(changed, SECRET, NOW)
        except InvalidToken:
            continue
        # The last character of a base64url text holds bits that say nothing.
        assert place == len(made) - 1
        assert claims.subject == "user-1"


def test_another_secret_is_refused() -> None:
    with pytest.raises(InvalidToken):
        verify(issue("u", "session-1", SECRET + "x", 60, NOW), SECRET, NOW)


@pytest.mark.parametrize("algorithm", ["none", "HS512", "hs256", ""])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm}).encode()).decode().rstrip("=")
    payload = token().split(".")[1]
    digest = hmac.new(SECRET.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    with pytest.raises(InvalidToken, match="algorithm"):
        verify(f"{header}.{payload}.{signature}", SECRET, NOW)
    with pytest.raises(InvalidToken):
        verify(f"{header}.{payload}.", SECRET, NOW)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "é.é.é", "a" * 10_000, "\ud800.\ud800.AAAA"]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify(text, SECRET, NOW)


def test_the_previous_secret_is_accepted_while_a_rotation_is_under_way() -> None:
    fresh = SECRET[::-1]
    assert verify(token(), fresh, NOW, SECRET).subject == "u1"
    assert verify(issue("u2", "s2", fresh, 60, NOW), fresh, NOW, SECRET).subject == "u2"
    for previous in ("", fresh):
        with pytest.raises(InvalidToken, match="signature"):
            verify(token(), fresh, NOW, previous)


def test_an_empty_secret_signs_nothing() -> None:
    forged = jwt.encode({"sub": "u1"}, "x" * 32, "HS256").rpartition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(b"", forged.encode(), "sha256")).decode()
    with pytest.raises(InvalidToken, match="signature"):
        verify(f"{forged}.{signature.rstrip('=')}", SECRET, NOW, "")
