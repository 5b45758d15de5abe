from __future__ import annotations

import json
import subprocess

import pytest
from invoke.context import Context

from xswarm_deploy.errors import CheckFailed
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import audit


def test_who_did_what_is_shown_and_proven(
    c: Context, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    audit.audit(c, json=True)
    assert json.loads(capsys.readouterr().out) == []
    with transaction(site, "migrate", "a message"):
        pass
    capsys.readouterr()
    audit.audit(c)
    assert "begin" in capsys.readouterr().out
    audit.verify(c)
    assert "unbroken" in capsys.readouterr().out
    site.database.execute("UPDATE _release_audit SET who = 'nobody'")
    with pytest.raises(CheckFailed, match="the audit trail was touched"):
        audit.verify(c)


def test_a_hash_that_was_noted_must_be_there(c: Context, site: Site) -> None:
    with pytest.raises(CheckFailed, match="no event has the hash abc"):
        audit.verify(c, head="abc")


@pytest.mark.needs("git")
def test_the_end_is_left_in_a_tag_and_the_next_command_is_named(
    c: Context, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(site.settings.root)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    person = ["-c", "user.name=a", "-c", "user.email=a@b.test"]
    made = ["commit", "--quiet", "--allow-empty", "--message", "first"]
    subprocess.run(["git", "-C", root, *person, *made], check=True)
    for name, value in (("user.name", "a"), ("user.email", "a@b.test")):
        subprocess.run(["git", "-C", root, "config", name, value], check=True)
    with transaction(site, "test"):
        pass
    audit.tag(c)
    name = subprocess.run(
        ["git", "-C", root, "tag"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert f"next: git push origin {name}\n" in capsys.readouterr().out
    audit.verify(c)
    assert "anchored in git up to event" in capsys.readouterr().out
