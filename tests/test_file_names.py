"""Names of files that no Worker, site or database can hold: refused by name, wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xswarm_deploy.bundling import digests
from xswarm_deploy.database import migration_folder
from xswarm_deploy.errors import Refused
from xswarm_deploy.services import files

pytestmark = pytest.mark.skipif(
    os.name == "nt" or os.uname().sysname == "Darwin", reason="its file systems refuse such a name"
)


@pytest.mark.parametrize("read", [digests.files, files.pages_files, migration_folder.paths])
def test_one_that_is_no_text_is_refused_by_name(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    (tmp_path / "good.sql").touch()
    (tmp_path / os.fsdecode(b"caf\xe9.sql")).touch()  # as an archive in Latin-1 brings it
    with pytest.raises(Refused, match=r"sql in .* has a name that is no UTF-8 text"):
        read(tmp_path)


def test_a_pipe_is_no_file_of_a_site(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="pipe is no file"):
        files.pages_files(tmp_path)
