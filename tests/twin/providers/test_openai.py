"""OpenAI's stand-in, judged by the official library."""

from __future__ import annotations

import openai
import pytest
import requests

from tests.support.providers import Twin

pytestmark = pytest.mark.slow


def client(twin: Twin, key: str = "") -> openai.OpenAI:
    return openai.OpenAI(
        api_key=key or twin.keys["OPENAI_API_KEY"],
        base_url=twin.endpoints["OPENAI_BASE_URL"] + "/v1",
        max_retries=0,
    )


def test_models_are_listed(twin: Twin) -> None:
    with client(twin) as service:
        found = [model.id for model in service.models.list()]
        assert "gpt-4o-mini" in found
        assert service.models.retrieve("gpt-4o-mini").owned_by == "system"


def test_a_wrong_key_is_401_and_not_repeated_whole(twin: Twin) -> None:
    key = "sk-proj-wrong0123456789"
    with client(twin, key) as service, pytest.raises(openai.AuthenticationError) as caught:
        service.models.list()
    assert caught.value.code == "invalid_api_key"
    assert key not in str(caught.value)


def test_no_key_is_401(twin: Twin) -> None:
    answer = requests.get(twin.url("openai") + "/v1/models", timeout=60)
    assert answer.status_code == 401
    assert "didn't provide an API key" in answer.json()["error"]["message"]


def test_an_unknown_model_is_404(twin: Twin) -> None:
    with client(twin) as service, pytest.raises(openai.NotFoundError) as caught:
        service.models.retrieve("gpt-nothing")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_fault_meets_one_request(twin: Twin) -> None:
    twin.fault("openai", "status:429")
    with client(twin) as service:
        with pytest.raises(openai.RateLimitError) as caught:
            service.models.list()
        assert caught.value.code == "rate_limit_exceeded"
        assert service.models.list().data
