"""Text files of a person's that are no UTF-8 are told by their name and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy import texts
from xswarm_deploy.adoption import changes, writing
from xswarm_deploy.bundling import library
from xswarm_deploy.errors import Refused

LATIN = b"# one\n# caf\xe9\n"


def test_the_line_is_told(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(LATIN)
    with pytest.raises(Refused, match=r"notes\.txt cannot be read") as told:
        texts.read(file)
    assert told.value.why == "line 2 is no UTF-8 text"
    assert str(file) in told.value.remedy


def test_files_that_are_changed_or_installed_from_are_told_so(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(LATIN)
    with pytest.raises(Refused, match="gitignore"):
        writing.gitignore(tmp_path)
    with pytest.raises(Refused, match="gitignore"):
        changes.FileChange(tmp_path / ".gitignore", "").needed  # noqa: B018
    requirements = tmp_path / "requirements.txt"
    requirements.write_bytes("fastapi\n".encode("utf-16"))  # PowerShell's `pip freeze >`
    with pytest.raises(Refused, match="requirements"):
        library.others(requirements)
    requirements.write_text("\ufefffastapi\nxswarm-monitoring\n")
    assert library.others(requirements) == ["fastapi"]
    assert library.is_named(requirements)


def test_a_byte_that_is_no_text_and_half_a_letter_of_windows_become_a_sign() -> None:
    for half in map(chr, (0xDCFC, 0xD83D, 0xDC1D)):
        assert texts.valid(f"gr{half}n") == "gr\ufffdn"
    assert texts.valid("gr\u00fcn 🐝") == "gr\u00fcn 🐝"
