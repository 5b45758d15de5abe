from __future__ import annotations

import json

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
