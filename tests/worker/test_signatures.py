"""Signatures, judged by those who make them: the official libraries of each provider."""

from __future__ import annotations

import time
from typing import Any

import pytest
from boss.signatures import InvalidSignature, check_sendgrid, check_stripe, check_twilio

from tests.support.signatures import SendGrid, stripe_header, twilio_header

NOW = 1_700_000_000
BODY = '{"id":"evt_1","name":"Zoë"}'.encode()
SECRET = "whsec_of_a_test"


def test_a_signature_of_stripes_library_fits() -> None:
    check_stripe(BODY, stripe_header(BODY, SECRET, NOW), SECRET, NOW + 299)


def test_one_fitting_signature_among_several_is_enough() -> None:
    header = stripe_header(BODY, SECRET, NOW).replace("v1=", f"v1={'0' * 64},v0=1,v1=")
    check_stripe(BODY, header, SECRET, NOW)


def test_a_signature_of_another_scheme_is_refused() -> None:
    header = stripe_header(BODY, SECRET, NOW).replace("v1=", "v0=")
    with pytest.raises(InvalidSignature):
        check_stripe(BODY, header, SECRET, NOW)


@pytest.mark.parametrize("moved", [-301, 301])
def test_stripes_signature_is_refused_before_and_after_its_time(moved: int) -> None:
    with pytest.raises(InvalidSignature, match="not made now"):
        check_stripe(BODY, stripe_header(BODY, SECRET, NOW), SECRET, NOW + moved)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        f"t={NOW}",
        f"v1={'0' * 64}",
        f"t={NOW},v1={'0' * 64}",
        f"t={NOW},v1=é",
        f"t=-{NOW},v1=0",
        "t=١٧,v1=0",
        f"t={NOW}" + ",v1=0" * 500,
    ],
)
def test_what_is_no_signature_of_stripes_is_refused(header: str) -> None:
    with pytest.raises(InvalidSignature):
        check_stripe(BODY, header, SECRET, NOW)


def test_a_body_changed_by_one_byte_is_refused() -> None:
    header = stripe_header(BODY, SECRET, NOW)
    with pytest.raises(InvalidSignature):
        check_stripe(BODY.replace(b"1", b"2"), header, SECRET, NOW)


FIELDS = [("From", "+15551234567"), ("Body", "Zoë & Co + 100%"), ("MessageSid", "SM1"), ("Z", "")]
URL = "https://boss.example/sms/boss?a=1&b=%20"


def test_a_signature_of_twilios_library_fits() -> None:
    check_twilio([URL], FIELDS, twilio_header(URL, FIELDS, "token"), "token")


def test_repeated_fields_are_signed_as_twilios_library_signs_them() -> None:
    fields = [*FIELDS, ("Media", "b"), ("Media", "a"), ("Media", "b")]
    check_twilio([URL], fields, twilio_header(URL, fields, "token"), "token")


@pytest.mark.parametrize("signed", ["https://boss.example:443/sms/x", "https://boss.example/sms/x"])
def test_either_way_of_naming_the_port_fits(signed: str) -> None:
    header = twilio_header(signed, FIELDS, "token")
    check_twilio(["https://boss.example/sms/x"], FIELDS, header, "token")


def test_any_of_the_known_urls_fits() -> None:
    header = twilio_header(URL, FIELDS, "token")
    check_twilio(["http://127.0.0.1:1/sms/boss", URL], FIELDS, header, "token")


@pytest.mark.parametrize(
    ("url", "token"), [(URL + "1", "token"), (URL, "other"), ("http://elsewhere/", "token")]
)
def test_another_url_or_token_is_refused(url: str, token: str) -> None:
    header = twilio_header(URL, FIELDS, "token")
    with pytest.raises(InvalidSignature):
        check_twilio([url], FIELDS, header, token)


def test_a_changed_field_is_refused() -> None:
    header = twilio_header(URL, FIELDS, "token")
    with pytest.raises(InvalidSignature):
        check_twilio([URL], [("From", "+1"), *FIELDS[1:]], header, "token")


@pytest.fixture(scope="module")
def sendgrid() -> SendGrid:
    return SendGrid()


def test_a_signature_that_sendgrids_library_accepts_fits(sendgrid: SendGrid) -> None:
    from sendgrid.helpers.eventwebhook import EventWebhook

    signature = sendgrid.sign(BODY, str(NOW))
    library: Any = EventWebhook(sendgrid.public_key)
    assert library.verify_signature(BODY.decode(), signature, str(NOW))
    check_sendgrid(BODY, signature, str(NOW), sendgrid.public_key, NOW)


@pytest.mark.parametrize("moved", [-301, 301])
def test_sendgrids_signature_is_refused_before_and_after_its_time(
    sendgrid: SendGrid, moved: int
) -> None:
    signature = sendgrid.sign(BODY, str(NOW))
    with pytest.raises(InvalidSignature, match="not made now"):
        check_sendgrid(BODY, signature, str(NOW), sendgrid.public_key, NOW + moved)


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "MAYCAQACAQA=", "é"])
def test_what_is_no_signature_of_sendgrids_is_refused(sendgrid: SendGrid, signature: str) -> None:
    with pytest.raises(InvalidSignature):
        check_sendgrid(BODY, signature, str(NOW), sendgrid.public_key, NOW)


def test_the_stamp_is_signed_too(sendgrid: SendGrid) -> None:
    signature = sendgrid.sign(BODY, str(NOW))
    with pytest.raises(InvalidSignature):
        check_sendgrid(BODY, signature, str(NOW + 1), sendgrid.public_key, NOW)


def test_another_key_is_refused(sendgrid: SendGrid) -> None:
    signature = SendGrid().sign(BODY, str(NOW))
    with pytest.raises(InvalidSignature):
        check_sendgrid(BODY, signature, str(NOW), sendgrid.public_key, NOW)


def test_now_is_a_time_the_checks_take() -> None:
    now = time.time()
    check_stripe(BODY, stripe_header(BODY, SECRET, int(now)), SECRET, now)
