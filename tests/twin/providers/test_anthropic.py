"""Anthropic's stand-in, judged by the official library."""

from __future__ import annotations

import anthropic
import pytest
import requests

from tests.support.providers import Twin

pytestmark = pytest.mark.slow


def client(twin: Twin, key: str = "") -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key=key or twin.keys["ANTHROPIC_API_KEY"],
        base_url=twin.endpoints["ANTHROPIC_BASE_URL"],
        max_retries=0,
    )


def test_models_are_listed_in_pages(twin: Twin) -> None:
    with client(twin) as service:
        page = service.models.list(limit=1)
        assert len(page.data) == 1
        assert page.has_more
        every = [model.id for model in service.models.list(limit=1)]
        assert len(every) == len(set(every)) == 3
        assert service.models.retrieve(every[0]).id == every[0]


def test_a_wrong_key_is_an_authentication_error(twin: Twin) -> None:
    with (
        client(twin, "sk-ant-wrong") as service,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        service.models.list(limit=1)
    assert caught.value.status_code == 401
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"] == {"type": "authentication_error", "message": "invalid x-api-key"}


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "x-api-key header is required"),
        ({"x-api-key": "KEY"}, 400, "anthropic-version: header is required"),
        (
            {"x-api-key": "KEY", "anthropic-version": "2020-01-01"},
            400,
            'anthropic-version: "2020-01-01" is not a valid version',
        ),
    ],
)
def test_missing_headers_are_named(
    twin: Twin, headers: dict[str, str], status: int, message: str
) -> None:
    sent = {
        name: value.replace("KEY", twin.keys["ANTHROPIC_API_KEY"])
        for name, value in headers.items()
    }
    answer = requests.get(twin.url("anthropic") + "/v1/models", headers=sent, timeout=60)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)
    assert answer.json()["request_id"] == answer.headers["request-id"]


def test_nothing_that_costs_is_there(twin: Twin) -> None:
    with client(twin) as service, pytest.raises(anthropic.NotFoundError):
        service.messages.create(
            max_tokens=1, model="claude-haiku-4-5", messages=[{"role": "user", "content": "hi"}]
        )


@pytest.mark.parametrize(
    ("kind", "error", "name"),
    [
        ("status:429", anthropic.RateLimitError, "rate_limit_error"),
        ("status:529", anthropic.InternalServerError, "overloaded_error"),
        ("status:402", anthropic.APIStatusError, "billing_error"),
        ("revoked", anthropic.AuthenticationError, "authentication_error"),
    ],
)
def test_faults_answer_as_documented(
    twin: Twin, kind: str, error: type[anthropic.APIStatusError], name: str
) -> None:
    twin.fault("anthropic", kind)
    with client(twin) as service:
        with pytest.raises(error) as caught:
            service.models.list(limit=1)
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["error"]["type"] == name
        assert service.models.list(limit=1).data
