"""Where tests write, and what the programs that they start find compiled."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import thrift
from xswarm_deploy import child


@pytest.mark.parametrize(
    ("free", "flags", "enough"),
    [(5 << 30, 0, True), (3 << 30, 0, False), (5 << 30, os.ST_NOEXEC, False)],
)
def test_a_folder_in_memory_is_large_and_runs_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, flags: int, enough: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    monkeypatch.setattr(os, "statvfs", lambda _folder: SimpleNamespace(f_flag=flags))
    assert thrift.holds_enough(tmp_path) is enough
    assert not thrift.holds_enough(tmp_path / "absent")


def test_wrangler_finds_its_code_compiled() -> None:
    assert child.environment()["NODE_COMPILE_CACHE"] == os.environ["NODE_COMPILE_CACHE"]


def test_what_was_collected_is_not_searched_for_garbage() -> None:
    assert gc.get_freeze_count() > 10_000
