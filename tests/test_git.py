from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy.release import inputs, release
from xswarm_deploy.steps import pages


def test_a_machine_without_git_releases_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    release.author.cache_clear()
    assert release.author()
    release.author.cache_clear()
    assert inputs.commit(tmp_path) == ""
    assert pages.commit_hash(tmp_path) == ""
