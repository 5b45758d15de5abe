from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from xswarm_deploy import secret as secret_module
from xswarm_deploy.secret import (
    Secret,
    contained,
    dumped,
    one_line,
    public,
    redact,
    without_secrets,
)

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
        VALUE.encode().hex().upper(),
        VALUE[::-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        "canary%20%22quoted%22%20%2b%20v%c3%a4lue%2f1",
        quote_plus(VALUE),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
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


WORDS = {
    "STAGE": "worker",
    "STATE": "succeeded",
    "APP_URL": "https://app.example/",
    "PIN": "123456",
}


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, none in (
        ("_known", {}),
        ("_words", set()),
        ("_longest_first", []),
        ("_public", set()),
    ):
        monkeypatch.setattr(secret_module, name, none)
    public(["https://app.example", ""])
    for name, value in WORDS.items():
        Secret(value, name)
    Secret("s3cret-of-json", "TELLING")


@pytest.mark.usefixtures("words")
def test_what_a_machine_reads_again_stays_what_it_was() -> None:
    event = {
        "step": "worker",
        "succeeded": ["worker"],
        "bytes": 123456789,
        "webhook": "https://app.example/worker/stripe",
        "none": None,
    }
    assert json.loads(dumped(event)) == event
    assert without_secrets("worker succeeded") == "worker succeeded"


@pytest.mark.usefixtures("words")
def test_a_secret_leaves_json_and_what_people_are_told_loses_words_too() -> None:
    held = {"s3cret-of-json": 1, "url": "x/s3cret-of-json", "why": ["it is worker"]}
    text = dumped({"a": [held]}, indent=2)
    found = {"[TELLING]": 1, "url": "x/[TELLING]", "why": ["it is [STAGE]"]}
    assert json.loads(text) == {"a": [found]}
    assert redact("s3cret-of-json worker https://app.example/") == (
        "[TELLING] [STAGE] https://app.example/"
    )
    assert "\x9b" not in dumped({"a": "\x9b2J"})


@pytest.mark.usefixtures("words")
def test_letters_longer_than_any_word_of_ours_leave_json_too() -> None:
    """A mail account's password for programs is sixteen of them."""
    Secret("abcdefghijklmnop", "PASSWORD")
    assert json.loads(dumped({"resource": "abcdefghijklmnop"})) == {"resource": "[PASSWORD]"}


@pytest.mark.usefixtures("words")
def test_a_value_that_turns_out_to_be_public_is_redacted_no_more() -> None:
    Secret("https://late.example/", "LATE")
    assert redact("at https://late.example/") == "at [LATE]"
    public(["https://late.example"])
    assert redact("at https://late.example/") == "at https://late.example/"


def test_the_longer_of_two_overlapping_secrets_goes_first() -> None:
    Secret("overlap-abc", "SHORT")
    Secret("overlap-abc-def", "LONG")
    assert redact("x overlap-abc-def y") == "x [LONG] y"


@pytest.mark.parametrize("before", ["", "A", "AC", "ACx", "ACxx:"])
@pytest.mark.parametrize("after", ["", ":", ":x", "and more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_within_base64_is_redacted_wherever_it_stands(
    secret: Secret, before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    """Such as a Basic value, which is the base64 of a name, a colon and the secret."""
    assert secret
    text = encode(f"{before}{VALUE}{after}".encode()).decode()
    assert "[CANARY]" in redact(text)
    assert len(redact(text).replace("[CANARY]", "")) <= len(before + after) * 4 / 3 + 8


def test_each_line_of_a_private_key_is_redacted() -> None:
    Secret("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END-----\n", "KEY")
    assert redact("it held MIGHAgEAMBMGByqGSM49") == "it held [KEY]"
    assert redact("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_colours_go_and_hide_no_secret() -> None:
    Secret("canary-in-colour", "KEY")
    assert redact("\x1b[1;31mred\x1b[0m \x9b38;5;9mand\x1b[m plain") == "red and plain"
    assert redact("canary-\x1b[32min-colour") == "[KEY]"


def test_what_a_terminal_would_obey_is_shown_as_an_escape() -> None:
    assert redact("a\x1b[2J\u202eb\x9b\rc\td\r\ne") == (
        "a\\u001b[2J\\u202eb\\u009b\\u000dc\td\r\ne"
    )
    assert json.loads(redact(json.dumps("\x9b\u202e", ensure_ascii=False))) == "\x9b\u202e"
    assert one_line("one\n✓ two\u2028three") == "one ✓ two\\u2028three"


def test_a_file_that_holds_a_secret_is_recognised(secret: Secret) -> None:
    assert secret
    assert contained(b"\x00" + base64.b64encode(b"Basic x:" + VALUE.encode())) == "CANARY"
    assert contained(b"nothing") == ""
