"""A site on fakes, for the decisions of the steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deployment.settings import Settings
from deployment.steps.site import Site
from tests.steps.fakes import FakeCloudflare, bundling


@pytest.fixture
def cloudflare() -> FakeCloudflare:
    return FakeCloudflare(splits=[{"old": 100.0}], made=["old"])


@pytest.fixture
def site(settings: Callable[..., Settings], cloudflare: FakeCloudflare) -> Site:
    made = Site(settings(), facts={"release": "release-1"})
    made.__dict__.update(cloudflare=cloudflare, bundling=bundling())
    return made
