"""A change of settings: what belongs to a version makes a new one, which serves at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api

SCRIPT = "A/workers/scripts/shop"
SETTINGS = f"{SCRIPT}/settings"
SECRET = {"name": "KEY", "type": "secret_text", "text": "hidden-text"}
WORD = {"name": "WORD", "type": "plain_text", "text": "one"}


def asked(**settings: Any) -> dict[str, Any]:
    return {"files": {"settings": (None, json.dumps(settings), "application/json")}}


def served(api: Api) -> list[dict[str, Any]]:
    (version,) = api.edge.deployed["shop"]
    return [dict(one) for one in api.edge.bindings[version]]


def test_bindings_make_a_version_that_serves_and_keep_what_they_inherit(api: Api) -> None:
    api.worker(bindings=[SECRET, WORD])
    kept = {"name": "KEY", "type": "inherit"}
    told = api.result("PATCH", SETTINGS, **asked(bindings=[kept, {**WORD, "text": "two"}]))
    assert told["bindings"] == [{"name": "KEY", "type": "secret_text"}, {**WORD, "text": "two"}]
    assert served(api) == [SECRET, {**WORD, "text": "two"}]
    api.result("PATCH", SETTINGS, **asked(bindings=[]))
    assert served(api) == [], "the bindings that are named are all"
    assert len(api.result("GET", f"{SCRIPT}/versions")["items"]) == 3


def test_settings_of_no_version_make_none(api: Api) -> None:
    api.worker()
    told = api.result("PATCH", SETTINGS, **asked(logpush=True, tags=["team"]))
    assert (told["logpush"], told["tags"]) == (True, ["team"])
    assert api.result("GET", f"{SCRIPT}/script-settings") == {"logpush": True, "tags": ["team"]}
    assert len(api.result("GET", f"{SCRIPT}/versions")["items"]) == 1


def test_dates_and_flags_are_the_new_versions(api: Api) -> None:
    api.worker()
    api.result(
        *("PATCH", SETTINGS),
        **asked(compatibility_date="2026-02-02", compatibility_flags=["nodejs_compat"]),
    )
    told = api.result("GET", SETTINGS)
    assert told["compatibility_date"] == "2026-02-02"
    assert told["compatibility_flags"] == ["nodejs_compat"]


def test_a_change_beside_a_version_that_is_not_deployed_is_refused(api: Api) -> None:
    api.worker()
    api.version()
    assert api.refused("PATCH", SETTINGS, **asked(bindings=[WORD])) == (400, 10214)
    api.result("PATCH", SETTINGS, **asked(logpush=True))


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"banana": 1}, (400, 10026)),
        ({"bindings": [{"name": "A", "type": "d1", "id": "x"}]}, (400, 10181)),
        ({"bindings": [{"name": "A", "type": "inherit"}]}, (400, 10057)),
        ({"compatibility_date": "yesterday"}, (400, 10021)),
        ({"limits": {"cpu_ms": -1}}, (400, 10021)),
        ({"tail_consumers": [{"service": "nobody"}]}, (404, 10203)),
        ({"migrations": {"new_tag": "1"}}, (403, 10403)),
    ],
)
def test_what_cannot_be_changes_nothing(
    api: Api, settings: dict[str, Any], refused: tuple[int, int]
) -> None:
    api.worker()
    before = api.edge.deployed["shop"]
    assert api.refused("PATCH", SETTINGS, **asked(**settings)) == refused
    assert api.refused("PATCH", SETTINGS, json=settings) == (400, 10026)
    assert api.edge.deployed["shop"] == before


@pytest.mark.slow
def test_cloudflares_own_sdk_changes_them(api: Api) -> None:
    from cloudflare import Cloudflare

    api.worker(bindings=[SECRET])
    with Cloudflare(api_token=ACCOUNT.token, base_url=api.base, max_retries=0) as client:
        told = client.workers.scripts.script_and_version_settings.edit(
            "shop",
            account_id=ACCOUNT.id,
            settings={
                "bindings": [
                    {"type": "inherit", "name": "KEY"},
                    {"type": "plain_text", "name": "WORD", "text": "one"},
                ],
                "logpush": True,
            },
        )
    assert told.logpush
    assert served(api) == [SECRET, WORD]
