from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.steps.fakes import FakeCloudflare, ahead
from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.step import Change
from xswarm_deploy.services import files
from xswarm_deploy.services.pages import Commit, Rules
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import pages


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


def prepared(site: Site, folder: Path) -> Change:
    """Return a planned deployment whose files are sent before its turn."""
    deploy(site)
    (folder / "index.html").write_text("changed")
    planned = pages.plan(site)
    ahead(site, lambda: pages.prepare(site, planned), "pages")
    return planned[0]


def test_files_sent_before_their_turn_are_not_sent_again(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    planned = prepared(site, folder)
    assert pages.apply(site, planned)["pages_files"] == 1
    assert cloudflare.pages.uploaded == ["/index.html"] * 2


def test_other_files_than_those_are_sent(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    planned = prepared(site, folder)
    site.state.prepared["pages"].require_possible()
    (folder / "more.html").write_text("one more")
    assert pages.apply(site, planned)["pages_files"] == 2


def test_nothing_is_sent_before_there_is_a_project(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    assert pages.prepare(site, pages.plan(site)) is None
    assert cloudflare.pages.uploaded == []


def test_undo_brings_the_previous_one_back_once(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    deploy(site)
    (folder / "index.html").write_text("two")
    (change,) = pages.plan(site)
    pages.apply(site, change)
    before = pages.DEPLOY.before_of(change).content
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


def test_without_a_folder_there_is_no_site(settings: Callable[..., Settings]) -> None:
    nothing = Site(settings({"pages": {"directory": ""}}))
    assert pages.plan(nothing) == []
    assert pages.current(nothing) is None


@pytest.mark.parametrize(
    ("limit", "said"), [("LARGEST_FILE", "is .* large"), ("MOST_FILES", "has 3 files")]
)
def test_what_is_beyond_the_limits_is_refused_before_anything_is_sent(
    site: Site,
    folder: Path,
    cloudflare: FakeCloudflare,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    said: str,
) -> None:
    monkeypatch.setattr(files, limit, 2)
    for name in ("a", "b"):
        (folder / name).write_text("abc")
    with pytest.raises(Refused, match=said):
        pages.plan(site)
    assert cloudflare.pages.projects == {}


def test_a_first_deployment_of_an_existing_project_says_that_it_stays(
    site: Site, folder: Path, cloudflare: FakeCloudflare
) -> None:
    cloudflare.pages.create_project("xswarm-boss", "main")
    (change,) = pages.plan(site)
    assert change.undo is None
    assert "no deployment to go back to" in change.irreversible


def test_a_deployment_that_is_not_served_is_a_failure(
    site: Site, folder: Path, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(site)
    (folder / "index.html").write_text("two")
    (change,) = pages.plan(site)
    old = site.cloudflare.pages.project("xswarm-boss")
    monkeypatch.setattr(site.cloudflare.pages, "project", lambda name: old)
    with pytest.raises(StepFailed, match="does not serve its deployment"):
        pages.apply(site, change)


def test_progress_is_told(site: Site, folder: Path, cloudflare: FakeCloudflare) -> None:
    told: list[tuple[object, ...]] = []
    site.state.progress = lambda *given: told.append(given)
    deploy(site)
    assert told == [("pages", 1, 1, "bytes")]


# Functions

WRANGLER = """
const fs = require("node:fs");
if (process.argv.includes("build")) process.exit(0);
fs.writeFileSync(process.env.HOME + "/called.json", JSON.stringify({
  argv: process.argv.slice(2), cwd: process.cwd(), token: process.env.CLOUDFLARE_API_TOKEN,
}));
if (fs.existsSync(process.env.HOME + "/fail")) {
  console.error("Your Function throws as it starts"); process.exit(1);
}
"""


@pytest.fixture
def wrangler(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a wrangler into the project that only says how it was called."""
    root = site.settings.root
    program = root / "node_modules/wrangler/wrangler-dist/cli.js"
    program.parent.mkdir(parents=True)
    program.write_text(WRANGLER)
    (program.parents[1] / "package.json").write_text('{"version": "4.164.0"}')
    monkeypatch.setenv("HOME", str(root))
    return root


@pytest.mark.parametrize("place", ["functions/hello.js", "site/_worker.js"])
def test_a_site_with_functions_goes_through_wrangler(
    site: Site, folder: Path, cloudflare: FakeCloudflare, wrangler: Path, place: str
) -> None:
    file = wrangler / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("export const onRequest = () => new Response('1');")
    changes = pages.plan(site)
    pages.apply(site, changes[0])
    made = cloudflare.pages.create_deployment
    wanted = pages.DEPLOY.after_of(changes[1]).content
    commit = Commit("main", "", f"release release-1 content {wanted}")
    made("xswarm-boss", {}, commit, Rules())  # as the real one would
    facts = pages.apply(site, changes[1])
    called = json.loads((wrangler / "called.json").read_text())
    assert called["argv"][:3] == ["pages", "deploy", "site"]
    assert called["argv"][called["argv"].index("--commit-message") + 1] == commit.message
    assert called["cwd"] == str(wrangler)
    assert called["token"] == site.settings.secret("CLOUDFLARE_API_TOKEN").reveal()
    assert called["token"] not in called["argv"]
    assert facts["pages"] == "deployment-1"
    assert pages.plan(site) == []
    file.write_text("export const onRequest = () => new Response('2');")
    assert [change.action for change in pages.plan(site)] == ["deploy"]


def test_wranglers_own_words_are_given(
    site: Site, folder: Path, cloudflare: FakeCloudflare, wrangler: Path
) -> None:
    (wrangler / "functions").mkdir()
    (wrangler / "functions/a.js").write_text("1")
    (wrangler / "fail").touch()
    changes = pages.plan(site)
    pages.apply(site, changes[0])
    with pytest.raises(StepFailed) as caught:
        pages.apply(site, changes[1])
    assert caught.value.why == "Your Function throws as it starts"
