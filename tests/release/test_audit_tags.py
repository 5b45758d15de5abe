"""The audit trail's end in a git tag: what a checkout knows of a trail that was made anew."""

from __future__ import annotations

import subprocess

import pytest

from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.release import audit, audit_tags, history
from xswarm_deploy.release.release import FOLDER
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.site import Site

pytestmark = pytest.mark.needs("git")


def git(site: Site, *words: str) -> str:
    named = ("-c", "user.name=a", "-c", "user.email=a@b.test")
    command = ["git", "-C", str(site.settings.root), *named, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def released(site: Site) -> Site:
    """Return an environment whose project is a checkout, after a release."""
    git(site, "init", "--quiet")
    git(site, "config", "user.name", "a")
    git(site, "config", "user.email", "a@b.test")
    git(site, "commit", "--quiet", "--allow-empty", "--message", "first")
    with transaction(site, "test"):
        pass
    return site


def forget_here(site: Site) -> None:
    (site.settings.path(FOLDER) / audit.FILE).unlink()


def test_the_last_event_is_tagged_once(released: Site) -> None:
    name = audit_tags.leave(released)
    assert name == audit_tags.leave(released)
    assert name.startswith(f"audit/{released.settings.environment}/0")
    (last,) = audit.read(released.database, limit=1)
    assert audit_tags.newest(released) == last
    assert history.audited(released).tag == last.number
    assert history.audited(released).faults == ()


def test_of_several_the_newest_counts(released: Site) -> None:
    first = audit_tags.leave(released)
    with transaction(released, "test"):
        pass
    assert audit_tags.leave(released) != first
    assert git(released, "tag").split()[0] == first
    assert audit_tags.newest(released) == audit.read(released.database)[-1]


def test_a_trail_that_was_made_anew_or_cut_off_is_found(released: Site) -> None:
    audit_tags.leave(released)
    forget_here(released)
    (last,) = audit.read(released.database, limit=1)
    forged = last._replace(who="somebody else")
    released.database.execute(
        "UPDATE _release_audit SET who = ?, hash = ? WHERE number = ?",
        (forged.who, forged.sealed(released.settings.secret("NO_KEY")), last.number),
    )
    faults = history.audited(released).faults
    assert faults == (f"event {last.number} is not the one that is anchored in git",)
    released.database.execute("DELETE FROM _release_audit WHERE number = ?", (last.number,))
    (gone,) = history.audited(released).faults
    assert gone.endswith("is gone")


def test_what_is_no_anchor_is_named(released: Site) -> None:
    folder = f"audit/{released.settings.environment}/"
    git(released, "tag", "-a", "-m", "something else", f"{folder}999999999999")
    with pytest.raises(Unavailable, match="holds no event"):
        history.audited(released)


def test_without_a_trail_or_a_commit_it_is_refused(site: Site) -> None:
    with pytest.raises(Refused, match="there is no audit trail"):
        audit_tags.leave(site)
    with transaction(site, "test"):
        pass
    with pytest.raises(Refused, match="git did not make the tag") as refused:
        audit_tags.leave(site)
    assert "not a git repository" in str(refused.value)
