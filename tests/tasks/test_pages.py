from __future__ import annotations

from invoke.context import Context

from tests.tasks.conftest import Steps
from xswarm_deploy.tasks import pages


def test_the_static_site_is_released_alone(c: Context, faked: Steps) -> None:
    pages.pages(c)
    assert (faked.named[0], faked.applied) == ("pages", ["apply a"])


def test_dry_prints_the_plan_only(dry: Context, faked: Steps) -> None:
    pages.pages(dry)
    assert faked.applied == []
