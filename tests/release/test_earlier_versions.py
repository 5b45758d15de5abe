"""What earlier versions of this tool wrote is read: journals, the ledger, backups.

The fixture was written at commit 3dfc710: a release that succeeded, and one that died when its
traffic had moved to the new version and it did not know that yet, with the providers as both
left them.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.steps.fakes import FakeCloudflare, FakePages, bundling
from tests.support.project import PROJECT
from xswarm_deploy.console import Console
from xswarm_deploy.model.payload import UnknownPayload
from xswarm_deploy.model.report import Report
from xswarm_deploy.release import history, lock, records, recovery, steps, undo
from xswarm_deploy.release.release import Release
from xswarm_deploy.services.pages import PagesDeployment
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import applied, backup, traffic
from xswarm_deploy.verification import verify

KEPT = PROJECT / "tests/fixtures/releases_3dfc710"
GOOD, DEAD = "20261128-203946-299-9f90", "20261128-203946-987-3fc7"
FOLDERS = {"deployments": ".deployments", "backups": ".backups"}


@pytest.fixture
def cloudflare() -> FakeCloudflare:
    state = json.loads((KEPT / "cloudflare.json").read_text())
    pages = {
        name: [PagesDeployment(**one) for one in made] for name, made in state.pop("pages").items()
    }
    return FakeCloudflare(pages=FakePages(pages, state.pop("canonical")), **state)


@pytest.fixture
def site(
    settings: Callable[..., Settings],
    tmp_path: Path,
    cloudflare: FakeCloudflare,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    for kept in KEPT.iterdir():
        target = tmp_path / FOLDERS.get(kept.name, kept.name)
        (shutil.copytree if kept.is_dir() else shutil.copy)(kept, target)
    made = Site(settings(json.loads((KEPT / "project.json").read_text()), JWT_SECRET="j" * 40))
    made.__dict__.update(cloudflare=cloudflare, bundling=bundling())
    made.state.history = lambda: records.read(made.database, "local", made.worker)
    for name in ("gate", "run"):  # nobody serves
        monkeypatch.setattr(verify, name, lambda *_, **__: Report("verify", ()))
    yield made
    made.database.close()


def taken_over(site: Site) -> Release:
    record = recovery.find(site)
    assert record is not None
    lease = lock.acquire(site.database, site.connect, "settling")
    return recovery.reopened(site, record, lease, Console(io.StringIO()))


def changes() -> list[dict[str, object]]:
    lines = (KEPT / "changes.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("change", changes(), ids=lambda one: f"{one['step']} {one['action']}")
def test_a_change_of_any_kind_is_read_as_it_was_meant(change: dict[str, object]) -> None:
    """Each kind that the tests of 3dfc710 planned; what was told then is told now."""
    told = steps.change_of(change).as_json()
    for name, was in change.items():
        now = told[name]
        if isinstance(was, dict) and isinstance(now, dict):
            now = {key: value for key, value in now.items() if key in was}
        assert now == was


@pytest.mark.parametrize(
    "broken",
    [
        {"action": "vanish"},
        {"after": {"split": {"new": 100.0}}},
        {"after": {"split": {"new": "all"}, "version": "new"}},
        {"after": {"split": {}, "version": "new", "colour": "red"}},
        {"undo": "the old one"},
    ],
)
def test_what_does_not_fit_is_one_error_that_says_the_way_on(broken: dict[str, object]) -> None:
    good = next(one for one in changes() if one["action"] == "shift")
    assert steps.change_of(good)
    with pytest.raises(UnknownPayload, match="cannot be read") as caught:
        steps.change_of({**good, **broken})
    assert "pip install -U xswarm-deploy" in caught.value.remedy


def test_its_releases_are_listed_and_shown(site: Site) -> None:
    dead, good = history.listed(site)
    assert (dead["release"], dead["status"]) == (DEAD, "running")
    assert (good["release"], good["status"]) == (GOOD, "succeeded")
    assert [one["state"] for one in history.shown(site, DEAD)["changes"]][-1] == "intended"
    assert history.status(site)["interrupted"] == [DEAD]


def test_its_audit_trail_is_whole(site: Site) -> None:
    found = history.audited(site)
    assert found.events > 0
    assert found.faults == ()


def test_its_backups_are_what_their_manifests_say(site: Site) -> None:
    newer, older = backup.listed(site)
    assert "users" in backup.verify(site, newer).tables
    assert "users" not in backup.verify(site, older).tables


@pytest.mark.parametrize("here", [True, False], ids=["here", "elsewhere"])
def test_its_dead_release_is_finished(site: Site, cloudflare: FakeCloudflare, here: bool) -> None:
    if not here:
        shutil.rmtree(site.settings.path(".deployments"))
    dead = taken_over(site)
    recovery.carry_on(dead)
    dead.remember()
    dead.succeed()
    assert traffic.live_split(site) == {"version-2": 100.0}
    assert records.status_of(site.database, DEAD) == "succeeded"
    assert len(cloudflare.pages.projects["boss-site"]) == 2
    assert history.audited(site).faults == ()


@pytest.mark.parametrize("here", [True, False], ids=["here", "elsewhere"])
def test_its_dead_release_is_undone(site: Site, here: bool) -> None:
    if not here:
        shutil.rmtree(site.settings.path(".deployments"))
    dead = taken_over(site)
    undo.abandon(dead)
    dead.ledger.lease.release()
    assert traffic.live_split(site) == {"version-1": 100.0}
    assert applied.names(site) == ["users"]
    assert records.status_of(site.database, DEAD) == "rolled back"
