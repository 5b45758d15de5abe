"""The folder for half-made files goes, whatever becomes of its maker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xswarm_deploy.database import workspace as module
from xswarm_deploy.database.workspace import sweep, workspace


def test_it_is_private_and_goes(tmp_path: Path) -> None:
    with workspace(tmp_path / "backups") as work:
        (work / "half").write_text("half")
        assert work.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "backups").iterdir()) == []


def test_it_goes_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), workspace(tmp_path) as work:
        (work / "nowhere" / "half").write_text("half")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_is_swept_and_a_living_one_is_not(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from xswarm_deploy.database.workspace import workspace\n"
        f"with workspace(Path({str(tmp_path)!r})) as work:\n"
        "    (work / 'half').write_text('half'); print('made', flush=True); time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"made\n"
    sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    other.stdout.close()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_being_made_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".work-new").mkdir()
    sweep(tmp_path)
    (tmp_path / ".work-new/lock").touch()  # and not yet locked
    sweep(tmp_path)
    assert (tmp_path / ".work-new").exists()
    monkeypatch.setattr(module, "_A_MOMENT", 0.0)
    sweep(tmp_path)
    assert not (tmp_path / ".work-new").exists()
