"""The tables of outbound calls, held against the official SDKs and against the code."""

from __future__ import annotations

import inspect
import re
import typing
from pathlib import Path

import pytest

from tests.contracts import cloudflare, providers, sdk
from tests.contracts.call import Call, misfits
from tests.contracts.cloudflare import WRANGLER
from tests.contracts.recorder import TABLES
from tests.support.project import PROJECT

CODE = PROJECT / "packages/deploy/src/xswarm_deploy"
BEYOND = ("/graphql",)
"""What the SDK does not call; its query is held by tests/services/test_analytics.py."""
DOCUMENTED = [
    call for call in cloudflare.CALLS if call.source != WRANGLER and call.path not in BEYOND
]
NOT_IN_THE_SDK = {
    ("PUT", "excludeScript"): "wrangler sends it, so that the answer does not hold the script",
    ("POST", "base64"): "the SDK fixes it in its own code",
    ("PUT", "deployment_id"): "wrangler reads the version's id there",
    ("POST", "filters"): "wrangler's src/tail/createTail.ts sends it",
    ("GET", "page"): "wrangler asks for queues by page and name",
    ("GET", "name"): "the same",
    ("GET", "items"): "the SDK's pages take them out of the answer",
    ("PUT", "jurisdiction"): "wrangler's configuration has it for workflows",
}
"""What is sent or read although the SDK does not name it, and who says so."""


def identified(call: Call) -> str:
    return f"{call.method} {call.path}"


@pytest.mark.slow
@pytest.mark.parametrize("call", DOCUMENTED, ids=identified)
def test_cloudflares_own_sdk_makes_the_same_call(call: Call) -> None:
    endpoint = sdk.endpoints()[sdk.key(call.method, call.path)]
    sent = [*call.query, *(call.body if isinstance(call.body, dict) else ())]
    names = [name.removesuffix("?") for name in sent]
    wanted = {_snake(name) for name in names if (call.method, name) not in NOT_IN_THE_SDK}
    assert wanted <= endpoint.parameters | {"body"}
    read = {
        part
        for path in call.reads
        for part in path.split(".")
        if (call.method, part) not in NOT_IN_THE_SDK
    }
    assert read <= endpoint.fields, endpoint.answer


def test_what_wrangler_alone_documents_is_known_to_the_installed_wrangler() -> None:
    text = (PROJECT / "node_modules/wrangler/wrangler-dist/cli.js").read_text(encoding="utf-8")
    for call in cloudflare.CALLS:
        if call.source == WRANGLER:
            parts = [part for part in re.split(r"\{\w+\+?\}", call.path) if len(part) > 1]
            assert all(part.strip("/") in text for part in parts), call.path


def test_stripes_own_sdk_knows_the_fields() -> None:
    import stripe
    from stripe import WebhookEndpoint
    from stripe.params import WebhookEndpointCreateParams, WebhookEndpointUpdateParams

    for call in providers.STRIPE:
        if call.path.startswith("/v1/webhook_endpoints"):
            assert set(call.reads) <= set(typing.get_type_hints(WebhookEndpoint))
    for method, params in (
        ("create", WebhookEndpointCreateParams),
        ("update", WebhookEndpointUpdateParams),
    ):
        (call,) = (one for one in providers.STRIPE if one.source.endswith(method))
        known = set(inspect.get_annotations(params))
        assert {re.sub(r"\[.*", "", name) for name in call.body} <= known, stripe.VERSION


def test_twilios_own_sdk_knows_the_fields() -> None:
    from twilio.rest.api.v2010.account import incoming_phone_number as number
    from twilio.rest.messaging.v1 import service

    text = inspect.getsource(number)
    (call,) = (one for one in providers.TWILIO if one.method == "POST")
    assert all(f'"{name}": ' in text for name in call.body)
    assert all(f'"{name}"' in text for name in call.reads)
    (call,) = (one for one in providers.TWILIO if one.path == "/v1/Services")
    assert 'payload.get("use_inbound_webhook_on_number"' in re.sub(
        r"\(\s+", "(", inspect.getsource(service)
    )


def test_every_error_code_that_is_decided_on_is_documented() -> None:
    used = {
        code
        for file in CODE.rglob("*.py")
        for code in re.findall(r'"((?:10|80)\d{3,5})"', file.read_text(encoding="utf-8"))
    }
    assert used == set(cloudflare.CODES)


@pytest.mark.parametrize("service", TABLES)
def test_every_call_names_its_document_once(service: str) -> None:
    calls = TABLES[service]
    assert all(call.source == WRANGLER or call.source.startswith("https://") for call in calls)
    assert len({identified(call) for call in calls}) == len(calls)


def test_every_field_that_is_read_stands_in_a_table() -> None:
    """Compare with the classes of the clients, each of which names what it reads."""
    for service, module in (("Stripe", "stripe"), ("Twilio", "twilio"), ("SendGrid", "sendgrid")):
        known = {
            part for call in TABLES[service] for path in call.reads for part in path.split(".")
        }
        read = _wires(CODE / f"services/{module}.py")
        beyond = {
            "data",
            "has_more",
            "incoming_phone_numbers",
            *(NESTED if module == "sendgrid" else ()),
        }
        assert read - known - beyond == set(), service


NESTED = {
    "from_email",
    "verified",
    "url",
    "enabled",
    "friendly_name",
    "processed",
    "deferred",
    "delivered",
    "bounce",
    "dropped",
    "open",
    "click",
    "spam_report",
    "unsubscribe",
    "group_unsubscribe",
    "group_resubscribe",
    "spam_check",
    "send_raw",
    "security_policy",
    "name",
    "signature",
}


def test_a_request_that_is_not_documented_is_found() -> None:
    shape = {"name": str, "count?": int, "of": [{"a": float}]}
    assert list(misfits({"name": "x", "of": [{"a": 1}]}, shape, "$")) == []
    wrong = {"name": 1, "of": [{"a": "1"}], "more": True}
    assert len(list(misfits(wrong, shape, "$"))) == 3
    assert list(misfits({"of": []}, shape, "$")) == ["$.name is missing"]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name.partition(".")[0]).lower()


def _wires(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8")
    classes = re.findall(r"^class _\w+\(Wire\):\n((?:    .*\n)+)", text, re.MULTILINE)
    return {name for body in classes for name in re.findall(r"^    (\w+): ", body, re.MULTILINE)}
