from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from dotenv import dotenv_values

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
    wanted = TEXT.replace("A=1", "A=new=value").replace("'two words'", r"'it\'s # \\ here'")
    assert file.read_text() == wanted
    assert environment_file.read(file, "A").reveal() == "new=value"
    assert environment_file.read(file, "B").reveal() == "it's # \\ here"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["some.env"]


def test_a_new_name_comes_last_on_a_line_of_its_own(file: Path) -> None:
    environment_file.write(file, {"E": Secret("5")})
    assert file.read_text() == f"{TEXT}\nE=5\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("export B=1 # why\r\nA=2\r\n", "export B=9 # why\r\nA=2\r\nN=9\r\n"),
        ("B=\"1\r\n2\"\t# why\nA='x\ry'", "B=9\t# why\nA='x\ry'\nN=9\n"),
        ("\n 'B' = 1#2\nA=x", "\n 'B' = 9\nA=x\nN=9\n"),
        ("B=old\nB= # none\nB # c", "B=9\nB= 9\nB=9\nN=9\n"),
    ],
)
def test_what_stands_around_a_value_stays(file: Path, before: str, after: str) -> None:
    file.write_bytes(before.encode())
    environment_file.write(file, {"B": Secret("9"), "N": Secret("9")})
    assert file.read_bytes() == after.encode()
    with file.open(encoding="utf-8") as stream:
        read = dotenv_values(stream=stream, interpolate=False)
    assert (read["B"], read["N"]) == ("9", "9")


def test_a_link_stays_one_and_the_file_it_leads_to_is_written(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.env"
    link.symlink_to(file.name)
    environment_file.write(link, {"A": Secret("new")})
    assert link.is_symlink()
    assert environment_file.read(file, "A").reveal() == "new"


def test_a_folder_that_cannot_be_written_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(Refused, match=r"some\.env cannot be written: Permission denied"):
        environment_file.write(file, {"A": Secret("new")})


def test_a_falsy_value_takes_the_line_away(file: Path) -> None:
    environment_file.write(file, {"A": Secret(""), "Z": Secret("")})
    assert file.read_text().splitlines() == TEXT.replace("A=1\n", "").splitlines()
    assert not environment_file.read(file, "A")


def test_a_reference_is_not_overwritten(file: Path) -> None:
    with pytest.raises(Refused, match=r"C of some\.env says where its value is kept"):
        environment_file.write(file, {"A": Secret("2"), "C": Secret("3")})
    assert file.read_text() == TEXT
