from __future__ import annotations

from pathlib import Path

import pytest

from deployment.steps import pages
from deployment.steps.site import Site
from tests.steps.fakes import FakeCloudflare


@pytest.fixture
def folder(site: Site) -> Path:
    made = site.settings.path("site")
    made.mkdir()
    (made / "index.html").write_text("<h1>one</h1>")
    (made / "_headers").write_text("/*\n  X-A: b\n")
    return made


def deploy(site: Site) -> None:
    for change in pages.plan(site):
        site.facts.update(pages.apply(site, change))


def test_a_first_deployment_creates_the_project(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    assert [change.action for change in pages.plan(site)] == ["create", "deploy"]
    deploy(site)
    assert site.facts["pages"] == "deployment-1"
    assert cloudflare.pages.uploaded == ["/index.html"]


def test_the_same_content_is_nothing_to_do(site: Site, folder: Path) -> None:
    deploy(site)
    assert pages.plan(site) == []


@pytest.mark.parametrize("file", ["index.html", "_headers"])
def test_changed_content_is_deployed(site: Site, folder: Path, file: str) -> None:
    deploy(site)
    (folder / file).write_text("changed")
    assert [change.action for change in pages.plan(site)] == ["deploy"]


def test_undo_brings_the_previous_one_back_once(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    deploy(site)
    (folder / "index.html").write_text("two")
    (change,) = pages.plan(site)
    pages.apply(site, change)
    before = change.before["content"]
    pages.undo(site, change, {})
    pages.undo(site, change, {})
    now = pages.current(site)
    assert now is not None
    assert before in now.message
    assert len(cloudflare.pages.projects["xswarm-boss"]) == 3


def test_undoing_a_first_deployment_leaves_no_project(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    changes = pages.plan(site)
    for change in changes:
        pages.apply(site, change)
    for change in reversed(changes):
        pages.undo(site, change, {})
    assert cloudflare.pages.projects == {}
