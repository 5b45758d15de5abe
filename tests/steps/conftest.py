"""A site on fakes, for the decisions of the steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.steps.fakes import FakeCloudflare, bundling
from xswarm_deploy.model.report import Report
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.verification import verify


@pytest.fixture
def cloudflare() -> FakeCloudflare:
    return FakeCloudflare(splits=[{"old": 100.0}], made=["old"])


@pytest.fixture
def site(settings: Callable[..., Settings], cloudflare: FakeCloudflare) -> Site:
    made = Site(settings(), ReleaseState({"release": "release-1"}))
    made.__dict__.update(cloudflare=cloudflare, bundling=bundling())
    return made


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> list[verify.Target]:
    """Record what was verified, and say yes."""
    seen: list[verify.Target] = []

    def gate(site: Site, target: verify.Target, *, quick: bool = False, **_: object) -> Report:
        seen.append(target)
        return Report("verify", ())

    monkeypatch.setattr(verify, "gate", gate)
    return seen
