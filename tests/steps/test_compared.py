from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.steps.place import Place
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.steps import compared

SAID = {"name": "GREETING", "type": "plain_text", "text": "hello"}


@pytest.fixture
def place(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    return Place(settings, tmp_path, monkeypatch)


def bundled(place: Place, bindings: list[dict[str, Any]], **metadata: Any) -> None:
    """Let wrangler have bundled these bindings."""
    bundle = place.site().bundling.result()
    written = {**bundle.upload.metadata, "bindings": bindings, **metadata}
    made: Future[Any] = Future()
    made.set_result(replace(bundle, body=replace(bundle.upload, metadata=written).body()))
    place.parts["bundling"] = made


def told(place: Place, live: list[dict[str, Any]], secrets: tuple[str, ...] = ()) -> str:
    cloudflare = place.site().cloudflare
    cloudflare.bound, cloudflare.names, cloudflare.made = live, list(secrets), ["v1"]  # type: ignore[attr-defined]
    return compared.told(place.site(), "v1")


@pytest.mark.parametrize(
    ("live", "file", "said"),
    [
        ([SAID], [SAID], ""),
        ([SAID | {"text": "dashboard"}], [SAID], "GREETING changes"),
        ([SAID], [], "GREETING goes"),
        ([], [SAID], ""),
        (
            [{"name": "KV", "type": "kv_namespace", "namespace_id": "1"}],
            [{"name": "KV", "type": "kv_namespace", "namespace_id": "2"}],
            "KV changes",
        ),
        (
            [{"name": "DB", "type": "d1", "id": "1", "database_id": "1"}],
            [{"name": "DB", "type": "d1", "id": "1"}],
            "",
        ),
        ([{"name": "AI", "type": "ai"}], [{"name": "AI", "type": "ai"}], ""),
        ([{"name": "X", "type": "json", "json": [1]}], [SAID | {"name": "X"}], "X changes"),
        ([SAID], [{"name": "GREETING", "type": "inherit"}], ""),
    ],
)
def test_what_becomes_of_a_binding(
    place: Place, live: list[dict[str, Any]], file: list[dict[str, Any]], said: str
) -> None:
    bundled(place, file)
    assert told(place, live) == said


def test_a_secret_stays_and_one_that_becomes_a_variable_is_told(place: Place) -> None:
    bundled(place, [SAID | {"name": "API_KEY"}])
    assert told(place, [], secrets=("API_KEY", "OTHER")) == "API_KEY changes"


def test_keep_vars_keeps_variables(place: Place) -> None:
    bundled(place, [], keep_bindings=["plain_text", "json"])
    assert told(place, [SAID, {"name": "KV", "type": "kv_namespace"}]) == "KV goes"


def test_no_value_is_told(place: Place) -> None:
    bundled(place, [SAID])
    assert "private" not in json.dumps(told(place, [SAID | {"text": "private"}]))
