"""Logs of a twin that runs for weeks: short, and followed across the cut."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from xswarm_twin import log_files
from xswarm_twin.edge.log import Log
from xswarm_twin.folder import Folder


def test_a_long_log_is_set_aside_and_written_on_in_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    folder = Folder(tmp_path)
    path = folder.log("worker")
    with log_files.open_log(folder, "worker") as writer, path.open() as reader:
        assert path.stat().st_mode & 0o077 == 0
        writer.write(b"first\nsecond\n")
        writer.flush()
        assert list(log_files.new_lines(reader)) == ["first", "second"]
        log_files.shorten(path, limit=13)
        assert path.read_text() == "first\nsecond\n", "as long as it may be"
        log_files.shorten(path, limit=12)
        assert path.with_name("worker.old.log").read_text() == "first\nsecond\n"
        writer.write(b"third\n")
        writer.flush()
        assert path.read_text() == "third\n", "no hole is left where the others stood"
        assert list(log_files.new_lines(reader)) == ["third"]
        assert list(log_files.new_lines(reader)) == []
    log_files.shorten(tmp_path / "logs" / "nobody.log", limit=0)


def test_a_workers_log_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "worker-shop.log"
    Log(path, "1a2b3c4d").line("who bought what")
    assert path.read_text() == "[1a2b3c4d] who bought what\n"
    assert path.stat().st_mode & 0o077 == 0


def test_every_log_is_kept_short_but_those_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("sqld.log", "sqld.old.log", "worker-shop.log"):
        (tmp_path / "logs" / name).write_text("line\n")
    (tmp_path / "calls.jsonl").write_text("{}\n")
    shortened: list[str] = []

    def shorten(path: Path) -> None:
        shortened.append(path.name)
        if path.name == "sqld.log":
            raise OSError("disk full")

    async def some_rounds() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(log_files.keep_short(Folder(tmp_path)), 0.05)

    monkeypatch.setattr(log_files, "shorten", shorten)
    asyncio.run(some_rounds())
    assert sorted(shortened) == ["calls.jsonl", "sqld.log", "worker-shop.log"]
    assert "sqld.log could not be shortened: disk full" in capsys.readouterr().err
