from __future__ import annotations

from invoke.context import Context

from tasks import pages
from tests.tasks.conftest import Steps


def test_the_static_site_is_released_alone(c: Context, faked: Steps) -> None:
    pages.pages(c)
    assert (faked.named[0], faked.applied) == ("pages", ["apply a"])


def test_dry_prints_the_plan_only(dry: Context, faked: Steps) -> None:
    pages.pages(dry)
    assert faked.applied == []
