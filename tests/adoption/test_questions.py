"""What a person is asked at a terminal: only what was not found, each answer judged at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
import yaml

from tests.adoption.repositories import file, wrangler
from tests.adoption.test_own_repository import STARTED

pytestmark = pytest.mark.slow

DOWN, ENTER, CTRL_C = "\x1b[B", "\r", "\x03"


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[pexpect.spawn[str]]:
    """Start ``xswarm init`` at a terminal, in a repository that leaves three questions open."""
    file(tmp_path, "apps/api/wrangler.jsonc", wrangler("api"))
    file(tmp_path, "apps/jobs/wrangler.toml", 'main = "src/index.ts"\n')
    file(tmp_path, "package.json", {"workspaces": ["apps/*"]})
    file(tmp_path, "apps/jobs/package.json", {"name": "Jobs", "dependencies": {"stripe": "20"}})
    for name in ("one", "two"):
        file(tmp_path, f"apps/jobs/{name}/migrations/1.sql", "CREATE TABLE a (b);")
    words = ["-c", STARTED, "init", "--no-deploy"]
    child = pexpect.spawn(
        sys.executable, words, cwd=str(tmp_path), encoding="utf-8", timeout=60, dimensions=(40, 100)
    )
    yield child
    child.close(force=True)


def test_only_what_was_not_found_is_asked_and_each_answer_is_judged(
    asked: pexpect.spawn[str], tmp_path: Path
) -> None:
    asked.expect("Which Worker")
    asked.send(DOWN + ENTER)
    asked.expect("The Worker's name")
    asked.send("\x15Bad Name" + ENTER)
    asked.expect("a name is up to 63")
    asked.send("\x15night-jobs" + ENTER)
    asked.expect("Which migrations")
    asked.send(DOWN + ENTER)
    asked.expect("What shall releases check")
    asked.send(ENTER)
    asked.expect("Write these .* files")
    assert not (tmp_path / "apps/jobs/invoke.yaml").exists()
    asked.send("y")
    asked.expect("written: .* files")
    asked.expect(pexpect.EOF)
    below = yaml.safe_load((tmp_path / "apps/jobs/invoke.yaml").read_text())["deploy"]
    assert below["worker"] == {"name": "night-jobs", "config": "wrangler.toml"}
    assert below["migrations"] == {"directory": "two/migrations", "down": "generated"}
    assert "uses" not in below


def test_ctrl_c_writes_nothing(asked: pexpect.spawn[str], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    asked.expect("Which Worker")
    asked.send(CTRL_C)
    asked.expect("not answered")
    asked.expect(pexpect.EOF)
    asked.wait()
    assert asked.exitstatus == 2
    assert sorted(tmp_path.rglob("*")) == before
