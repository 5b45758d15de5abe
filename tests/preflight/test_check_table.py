"""The check's table: each line is looked at, and the document is what was looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.preflight.check_cases import (
    CASES,
    DOCUMENT,
    HOST,
    Case,
    _bound,
    document,
    hosted,
)
from tests.steps.place import Place
from xswarm_deploy.bundling.configuration_keys import KEYS
from xswarm_deploy.preflight import binding_kinds, bindings, check
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.steps import resources


@pytest.fixture
def place(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    return Place(settings, tmp_path, monkeypatch)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.check}: {case.way}" for case in CASES])
def test_each_thing_in_each_way_gets_its_answer(place: Place, case: Case) -> None:
    finding = case.look(place)
    assert (finding.status, case.says in finding.evidence) == (case.status, True), finding
    assert finding.critical or finding.status != "fail"
    if finding.status == "unknown" and "GET" in case.says:
        assert f'--only "{case.check}"' in finding.remedy
    assert bool(finding.remedy) or finding.status in ("pass", "skip")


def test_everything_that_is_looked_at_has_its_lines(place: Place) -> None:
    hosted(place)
    looked = {finding.name for finding in check.run(place.site()).findings}
    variables = {f.name for f in check.run(place.site(), only=["variables"]).findings}
    lacking = looked - variables - {case.check for case in CASES}
    assert lacking == {"BASE_URL DNS and TLS"}  # as WORKER_URL's
    assert {f"{HOST} DNS", f"{HOST} zone"} <= looked


def test_no_line_is_there_twice() -> None:
    assert len({(case.check, case.way) for case in CASES}) == len(CASES)


def test_the_document_is_what_is_tested() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "python -m tests.preflight.check_cases"
    )


def test_each_kind_of_binding_that_wrangler_knows_is_looked_for_or_it_is_said_why() -> None:
    listed = {name for name, key in KEYS.items() if key.told.startswith("A binding")}
    assert listed | {"assets", "queues", "unsafe"} == set(binding_kinds.KINDS)
    special = set(bindings._ASKED) | set(resources.KINDS)
    for name, kind in binding_kinds.KINDS.items():
        assert bool(kind.why) != bool(kind.at or name in special), name


@pytest.mark.parametrize(
    ("binding", "remedy"),
    [
        (
            {"kv_namespaces": [{"binding": "MY_KV", "id": "4567"}]},
            "correct it (npx wrangler kv namespace list),"
            " or make it: npx wrangler kv namespace create boss-ai-my-kv",
        ),
        (
            {"d1_databases": [{"binding": "DB", "database_id": "4567"}]},
            "correct it (npx wrangler d1 list), or make it: npx wrangler d1 create boss-ai-db",
        ),
        (
            {"services": [{"binding": "API", "service": "api"}]},
            "deploy api first, in its own folder; or correct its name",
        ),
    ],
)
def test_what_the_account_has_not_is_made_by_a_command_that_is_named(
    place: Place, binding: dict[str, Any], remedy: str
) -> None:
    _bound(place, has=False, **binding)
    (finding,) = check.run(place.site(), only=["bindings"]).findings
    assert (finding.status, finding.remedy) == ("fail", remedy)
