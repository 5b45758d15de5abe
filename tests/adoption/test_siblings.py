"""Of Workers of the same checkout, those come to the twin that a service binding asks for."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.adoption.repositories import file, wrangler
from tests.support.project import using_everything
from xswarm_deploy.adoption import siblings
from xswarm_deploy.bundling import calling, programs
from xswarm_deploy.console import Console
from xswarm_deploy.errors import StepFailed
from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps.unversioned import twin


class Account:
    """An account that has the Workers named."""

    def __init__(self, *there: str) -> None:
        self.there = there

    def worker_exists(self, name: str) -> bool:
        """Return whether it has this one."""
        return name in self.there


def bound(name: str, *services: str, **more: Any) -> dict[str, Any]:
    listed = [{"binding": one.upper(), "service": one} for one in services]
    return wrangler(name, services=listed, **more)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return what wrangler is called with, in whose folder."""
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(twin, "make", lambda _site, _content: None)
    monkeypatch.setattr(
        calling,
        "wrangler",
        lambda _site, folder, *words, **_: called.append((folder.name, words[-1])),
    )
    return called


@pytest.fixture
def site(settings: Callable[..., Settings], tmp_path: Path) -> Site:
    """Return a Worker that is bound to billing, auth and itself; auth is there already."""
    file(tmp_path, "apps/api/wrangler.jsonc", bound("api", "billing", "auth", "api"))
    project = using_everything({"worker": {"name": "api", "config": "apps/api/wrangler.jsonc"}})
    made = Site(settings(project))
    made.__dict__["cloudflare"] = Account("auth")
    return made


def told(site: Site) -> str:
    out = io.StringIO()
    siblings.deploy(site, Console(out))
    return out.getvalue()


def test_each_comes_after_those_that_it_is_bound_to_and_once(
    site: Site, deployed: list[tuple[str, ...]], tmp_path: Path
) -> None:
    file(tmp_path, "apps/billing/wrangler.jsonc", bound("billing", "prices", "api"))
    staging = {"env": {"eu": {"name": "prices"}}}
    file(tmp_path, "apps/prices/wrangler.jsonc", bound("shop", "billing", **staging))
    told(site)
    assert deployed == [("prices", "eu"), ("billing", "")]


@pytest.mark.parametrize(
    "named",
    [
        {"tail_consumers": [{"service": "logs"}]},
        {
            "durable_objects": {
                "bindings": [{"name": "A", "class_name": "A", "script_name": "logs"}]
            }
        },
        {"workflows": [{"name": "a", "binding": "A", "class_name": "A", "script_name": "logs"}]},
    ],
)
def test_one_that_gets_the_tail_or_has_a_class_comes_too(
    site: Site, deployed: list[tuple[str, ...]], tmp_path: Path, named: dict[str, Any]
) -> None:
    file(tmp_path, "apps/api/wrangler.jsonc", wrangler("api", **named))
    file(tmp_path, "apps/logs/wrangler.jsonc", wrangler("logs"))
    siblings.deploy(site, Console(io.StringIO()))
    assert deployed == [("logs", "")]


def test_a_worker_of_another_checkout_is_left_to_the_check(
    site: Site, deployed: list[tuple[str, ...]]
) -> None:
    assert told(site) == ""
    assert deployed == []


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ((calling, "wrangler"), StepFailed("billing was not deployed", "no such file")),
        ((twin, "make"), ServiceUnavailable("Cloudflare", "PUT")),
    ],
)
def test_one_that_cannot_come_is_said_and_ends_nothing(
    site: Site,
    deployed: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: tuple[Any, str],
    error: Exception,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    file(tmp_path, "apps/billing/wrangler.jsonc", bound("billing"))
    monkeypatch.setattr(*place, fail)
    assert "⚠" in told(site)
    assert deployed == []


def test_wrangler_that_does_not_end_is_a_failed_step(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(calling, "SECONDS", 0.1)
    monkeypatch.setattr(programs, "node", lambda: Path("/bin/sleep"))
    monkeypatch.setattr(programs, "wrangler", lambda _folder: Path("9"))
    monkeypatch.setattr(calling, "_credentials", lambda _site: {})
    with pytest.raises(StepFailed, match="it was not deployed") as failed:
        calling.wrangler(site, tmp_path, failed="it was not deployed")
    assert "did not end within 0.1 s" in failed.value.why
