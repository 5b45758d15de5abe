"""Durable Objects' lifecycle: what an upload applies, what the plan says, what cannot go back."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy.errors import CheckFailed, MovedForGood, Refused
from xswarm_deploy.model.report import Report
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import steps
from xswarm_deploy.services import multipart
from xswarm_deploy.services.cloudflare import Version
from xswarm_deploy.site import Site
from xswarm_deploy.steps import durable_objects, traffic, worker
from xswarm_deploy.verification import verify

ONE = {"tag": "v1", "new_sqlite_classes": ["Room"]}
TWO = {"tag": "v2", "renamed_classes": [{"from": "Room", "to": "Hall"}]}
BARE_ONE, BARE_TWO = ({k: v for k, v in step.items() if k != "tag"} for step in (ONE, TWO))
EXPORTS = {"Room": {"type": "durable-object", "storage": "sqlite"}}


def write(site: Site, **keys: Any) -> None:
    file = site.settings.path(site.settings.project.worker.config)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"name": "boss-ai", **keys}))


LIFECYCLES: list[tuple[str, list[dict[str, Any]], dict[str, Any] | None]] = [
    ("", [ONE], {"new_tag": "v1", "steps": [BARE_ONE]}),
    ("", [ONE, TWO], {"new_tag": "v2", "steps": [BARE_ONE, BARE_TWO]}),
    ("v1", [ONE, TWO], {"old_tag": "v1", "new_tag": "v2", "steps": [BARE_TWO]}),
    ("v2", [ONE, TWO], None),
    ("v0", [ONE], {"old_tag": "v0", "new_tag": "v1", "steps": [BARE_ONE]}),
]


@pytest.mark.parametrize(("tag", "written", "wanted"), LIFECYCLES)
def test_the_steps_after_the_workers_own_tag_are_pending(
    site: Site,
    cloudflare: FakeCloudflare,
    tag: str,
    written: list[dict[str, Any]],
    wanted: dict[str, Any] | None,
) -> None:
    cloudflare.tag = tag
    write(site, migrations=written)
    found = durable_objects.pending(site, None)
    migrations = found.migrations if found else None
    assert (durable_objects.as_sent(migrations) if migrations else None) == wanted


def test_exports_are_pending_until_a_release_recorded_them(site: Site) -> None:
    write(site, exports=EXPORTS)
    assert durable_objects.pending(site, None) is not None
    assert durable_objects.pending(site, durable_objects.recorded(site)) is None
    write(site, exports={"Room": {"type": "worker-entrypoint"}})
    assert durable_objects.pending(site, None) is None


def planned(site: Site) -> Change:
    (replaced,) = (change for change in worker.plan(site) if change.action == "replace")
    return replaced


def test_the_plan_says_that_it_moves_at_once_and_for_good(site: Site) -> None:
    write(site, migrations=[ONE])
    change = planned(site)
    assert "all traffic at once: Durable Object migration (none) → v1" in change.resource
    assert change.irreversible
    assert change.effect == "traffic"
    assert steps.change_of(json.loads(json.dumps(change.as_json()))) == change
    assert [one.action for one in worker.plan(site)].count("shift") == 0


def test_it_is_uploaded_directly_and_verified_live(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    write(site, migrations=[ONE])
    site.facts.update(worker.apply(site, planned(site)))
    sent = multipart.read(cloudflare.bodies[0]).metadata["migrations"]
    assert sent == {"new_tag": "v1", "steps": [BARE_ONE]}
    assert cloudflare.splits[-1] == {"version-2": 100.0}
    assert [(target.headers, target.version) for target in gates] == [({}, "version-2")]


def test_what_is_not_good_stays_and_is_said_to(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: Any, **__: Any) -> Report:
        raise CheckFailed("not good")

    monkeypatch.setattr(verify, "gate", no)
    write(site, migrations=[ONE])
    change = planned(site)
    worker.undo(site, change, {})  # nothing was uploaded yet
    with pytest.raises(CheckFailed):
        worker.apply(site, change)
    with pytest.raises(MovedForGood, match="stays where it is"):
        worker.undo(site, change, {})
    assert cloudflare.splits[-1] == {"version-2": 100.0}


def test_a_repeated_upload_is_made_once(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    write(site, migrations=[ONE])
    change = planned(site)
    for _ in range(2):
        worker.apply(site, change)
    assert len(cloudflare.bodies) == 1


def test_a_canary_cannot_begin_with_it(site: Site) -> None:
    write(site, migrations=[ONE])
    with pytest.raises(Refused, match="all of the traffic at once"):
        worker.plan_canary(site, 10, 60)


def test_a_first_worker_is_made_with_it_and_verified_where_it_answers(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    cloudflare.splits.clear()
    write(site, migrations=[ONE, TWO])
    create, open_ = worker.plan(site)[:2]
    site.facts.update(worker.apply(site, create))
    assert multipart.read(cloudflare.bodies[0]).metadata["migrations"]["new_tag"] == "v2"
    assert not cloudflare.enabled
    cloudflare.tag = "v2"
    worker.apply(site, open_)  # Cloudflare gives it no preview host
    assert cloudflare.enabled
    assert [target.headers for target in gates] == [{}]


def test_going_back_across_it_is_refused(site: Site, cloudflare: FakeCloudflare) -> None:
    cloudflare.tag = "v1"
    then = durable_objects.recorded(site)
    durable_objects.require_reachable(site, then, traffic.NEW)
    cloudflare.tag = "v2"
    with pytest.raises(Refused, match="'v2' was applied since 'v1'"):
        durable_objects.require_reachable(site, then, traffic.NEW)


def test_going_back_across_it_to_a_version_of_wranglers_is_refused(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudflare.tag = "v2"
    for tag in ("v1", "v2"):
        found = Version("theirs", migration_tag=tag)
        monkeypatch.setattr(cloudflare, "version", lambda *_, found=found: found)
        with pytest.raises(Refused, match="since 'v1'") if tag == "v1" else nullcontext():
            durable_objects.require_reachable(site, None, "theirs")
