"""What customers are told, by the tasks: from an incident's first word to its last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoke.context import Context

from xswarm_deploy.errors import Refused
from xswarm_deploy.release import audit
from xswarm_deploy.secret import Secret
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import incidents
from xswarm_monitoring.rules import Rules

STATUS_PAGE = Rules.read({"status_page": {"components": {"worker": "Shop", "stripe": "Payments"}}})


@pytest.fixture
def status_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "alerting_rules", lambda _values: STATUS_PAGE)


def listed(c: Context, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    incidents.incidents(c, json=True)
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_an_incident_from_its_first_word_to_its_last(
    c: Context, site: Site, status_page: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    incidents.incident(
        c, title="Cards are refused", text="We look.", severity="major", components="payments",
        since="25m",
    )  # fmt: skip
    assert "✓ incident 1, investigating" in capsys.readouterr().out
    incidents.incident(c, id=1, state="identified", text="It is the bank's.")
    incidents.incident(c, id=1, text="Still.", severity="minor")
    (found,) = listed(c, capsys)
    assert (found["severity"], found["components"], found["resolved"]) == (
        "MINOR",
        ["stripe"],
        None,
    )
    states = [update["state"] for update in found["updates"]]  # type: ignore[attr-defined]
    assert states == ["investigating", "identified", "identified"]
    incidents.status_page_(c, to=str(tmp_path / "status"))
    page = (tmp_path / "status/index.html").read_text()
    assert "Cards are refused" in page
    assert "Payments" in page
    assert json.loads((tmp_path / "status/status.json").read_text())["state"] == "degraded"
    incidents.incident(c, id=1, state="resolved", text="It works again.")
    incidents.incidents(c)
    assert "0 open, 1 resolved" in capsys.readouterr().out
    assert audit.read(site.database)[-1].event == "monitor.incident"
    with pytest.raises(Refused, match="not confirmed"):
        incidents.incident(c, id=1, remove=True)
    incidents.incident(c, id=1, remove=True, yes=True)
    assert listed(c, capsys) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "x"}, "needs a title"),
        ({"title": "x"}, "needs a text"),
        ({"title": "x", "text": "x", "state": "over"}, "over is no state"),
        ({"title": "x", "text": "x", "severity": "bad"}, "bad is no severity"),
        ({"title": "x", "text": "x", "components": "worker,turso"}, "turso is not on the status"),
        ({"title": "x", "text": "x", "since": "soon"}, "no length of time"),
        ({"title": "x", "text": "x" * 2001}, "too long"),
        ({"title": "x", "text": "the key is canary-of-the-status-page"}, "a secret's value"),
        ({"id": 7, "text": "x"}, "there is no incident 7"),
        ({"id": 7, "remove": True}, "there is no incident 7"),
    ],
)
def test_what_customers_could_not_read_is_refused(
    c: Context,
    site: Site,
    status_page: None,
    capsys: pytest.CaptureFixture[str],
    given: dict[str, object],
    said: str,
) -> None:
    Secret("canary-of-the-status-page", "A_KEY")
    with pytest.raises(Refused, match=said):
        incidents.incident(c, **given)
    assert listed(c, capsys) == []
    tables = site.database.execute("SELECT name FROM sqlite_schema").rows
    assert "_release_audit" not in {row.values_in_order[0] for row in tables}  # nothing was noted


def test_a_dry_run_says_nothing_to_anybody(
    c: Context, dry: Context, site: Site, status_page: None, capsys: pytest.CaptureFixture[str]
) -> None:
    incidents.incident(dry, title="x", text="x")
    assert listed(c, capsys) == []


def test_without_a_status_page_there_are_no_incidents(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "alerting_rules", lambda _values: Rules())
    with pytest.raises(Refused, match="there is no public status page"):
        incidents.incidents(c)
