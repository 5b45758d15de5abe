"""What a live version that answers no more after a migration is told as."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from xswarm_deploy.errors import StepFailed
from xswarm_deploy.site import Site
from xswarm_deploy.verification import compatibility
from xswarm_deploy.verification.compatibility import Looked

NONE = "no answer (ConnectionError)"


def failure(monkeypatch: pytest.MonkeyPatch, site: Site, after: Mapping[str, str]) -> StepFailed:
    now = time.monotonic()
    monkeypatch.setattr(compatibility, "_asked", lambda *_: Looked("v1", after, now))
    with pytest.raises(StepFailed) as caught, compatibility.held(site, Looked("v1", {}, now)):
        pass
    return caught.value


def test_code_that_fails_on_the_new_schema_has_the_way_of_two_releases(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = failure(monkeypatch, site, {"GET /": "500 instead of 200", "GET /a": NONE})
    assert "does not work on the new schema" in error.what
    assert "-- compatible: no" in error.remedy


def test_a_lost_connection_is_no_reason_to_call_a_migration_incompatible(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = failure(monkeypatch, site, {"GET /": NONE})
    assert "was asked in vain" in error.what
    assert "compatible: no" not in error.remedy
