from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings import environment_file

TEXT = "# head\nA=1\n\nexport B='two words'  # why\nC=op://vault/item/field\nD=4"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "some.env"
    made.write_text(TEXT)
    made.chmod(0o640)
    return made


def test_one_value_changes_and_nothing_else(file: Path) -> None:
    environment_file.write(file, {"A": Secret("new=value"), "B": Secret("it's # \\ here")})
    old = "export B='two words'  # why"
    wanted = TEXT.replace("A=1", "A=new=value").replace(old, r"B='it\'s # \\ here'")
    assert file.read_text() == wanted
    assert environment_file.read(file, "A").reveal() == "new=value"
    assert environment_file.read(file, "B").reveal() == "it's # \\ here"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["some.env"]


def test_a_new_name_comes_last_on_a_line_of_its_own(file: Path) -> None:
    environment_file.write(file, {"E": Secret("5")})
    assert file.read_text() == f"{TEXT}\nE=5\n"


def test_a_falsy_value_takes_the_line_away(file: Path) -> None:
    environment_file.write(file, {"A": Secret(""), "Z": Secret("")})
    assert file.read_text().splitlines() == TEXT.replace("A=1\n", "").splitlines()
    assert not environment_file.read(file, "A")


def test_a_reference_is_not_overwritten(file: Path) -> None:
    with pytest.raises(Refused, match=r"C of some\.env says where its value is kept"):
        environment_file.write(file, {"A": Secret("2"), "C": Secret("3")})
    assert file.read_text() == TEXT
