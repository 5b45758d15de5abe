from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from xswarm_deploy import secret
from xswarm_deploy.errors import Refused
from xswarm_deploy.release.journal import Journal
from xswarm_deploy.secret import Secret

ONE = {"event": "intend", "number": 1}
TWO = {"event": "intend", "number": 2}


def test_events_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal.within(tmp_path / "release")
    journal.append(ONE)
    journal.append(TWO)
    assert journal.read() == [ONE, TWO]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal.within(tmp_path)
    journal.append(ONE)
    with journal.path.open("a") as stream:
        stream.write('{"number": 2, "cha')
    assert journal.read() == [ONE]


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    journal = Journal.within(tmp_path / "release")
    journal.append({})
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_no_secret_gets_into_it(tmp_path: Path) -> None:
    Secret("canary-in-journal", "CANARY")
    journal = Journal.within(tmp_path)
    journal.append({"value": "canary-in-journal"})
    assert "canary-in-journal" not in journal.path.read_text()


def test_a_secret_that_is_one_of_our_words_does_not_spoil_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a release that died could be neither finished nor undone: there is no step [STAGE]."""
    for name, none in (("_known", {}), ("_words", set()), ("_longest_first", [])):
        monkeypatch.setattr(secret, name, none)
    Secret("backup", "STAGE")
    written = {"event": "plan", "changes": [{"step": "backup", "action": "backup", "after": None}]}
    journal = Journal.within(tmp_path)
    journal.append(written)
    assert journal.read() == [written]


def test_an_event_is_on_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    journal = Journal.within(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _handle: synced.append(journal.path.read_text()))
    journal.append(ONE)
    assert synced == ['{"event": "intend", "number": 1}\n']


def test_no_journal_has_no_events(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none").read() == []


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        Journal(path).append({"event": "begin"})
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("release", ["../other", "/etc/cron.d", "..", ".", "", "a/b", "a\n", "-x"])
def test_a_row_that_another_wrote_leads_nowhere(tmp_path: Path, release: str) -> None:
    with pytest.raises(Refused, match="never gave"):
        Journal.of(release, tmp_path / ".deployments")
    given = "20261130-095524-944-a798"
    assert Journal.of(given, tmp_path).path == tmp_path / given / "journal.jsonl"
