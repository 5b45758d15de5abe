from __future__ import annotations

import base64
import json
import pickle
from urllib.parse import quote

import pytest

from xswarm_deploy.secret import Secret, redact

VALUE = 'canary "quoted" + välue/1'


@pytest.fixture
def secret() -> Secret:
    return Secret(VALUE, "CANARY")


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        json.dumps(VALUE)[1:-1],
        quote(VALUE, safe=""),
        base64.b64encode(VALUE.encode()).decode(),
        VALUE.encode().hex(),
    ],
)
def test_every_form_of_a_secret_is_redacted(secret: Secret, form: str) -> None:
    assert secret
    assert redact(f"before {form} after") == "before [CANARY] after"


def test_a_secret_shows_its_name_only(secret: Secret) -> None:
    assert VALUE not in f"{secret} {secret!r} {[secret]}"


def test_a_secret_is_not_pickled(secret: Secret) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_equal_secrets_are_equal_and_have_equal_fingerprints(secret: Secret) -> None:
    same = Secret(VALUE)
    assert secret == same
    assert hash(secret) == hash(same)
    assert secret.fingerprint(b"key") == same.fingerprint(b"key")
    assert secret.fingerprint(b"key") != secret.fingerprint(b"other key")


def test_short_values_do_not_blank_out_ordinary_words() -> None:
    Secret("true", "FLAG")
    assert redact("this is true") == "this is true"


def test_the_longer_of_two_overlapping_secrets_goes_first() -> None:
    Secret("overlap-abc", "SHORT")
    Secret("overlap-abc-def", "LONG")
    assert redact("x overlap-abc-def y") == "x [LONG] y"
