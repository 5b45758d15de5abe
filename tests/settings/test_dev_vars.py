"""``.dev.vars`` and ``.env`` files as ``wrangler dev`` reads them.

The values were taken from wrangler 4.164 (dotenv 16, dotenv-expand 12).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import dev_vars


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=a#b", "a"),
        ("A='a#b' # c", "a#b"),
        ('A=`tick "x"`', 'tick "x"'),
        ('A="it\'s \\"q\\""', 'it\'s \\"q\\"'),
        ('A="x\\ny\\r"', "x\ny\r"),
        ("A='x\\ny'", "x\\ny"),
        ('A="one\r\ntwo"', "one\ntwo"),
        ("export A='a b'", "a b"),
        ("A: yaml", "yaml"),
        ("A = spaced ", "spaced"),
        ("A=", ""),
        ("A=$B", "$B"),
        ("A=ü☃", "ü☃"),
        ("A=1\nA=2", "2"),
    ],
)
def test_one_line(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".dev.vars").write_bytes(f"\ufeff{line}\r\n".encode())
    assert dev_vars.read(tmp_path) == {"A": value}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$B", "b"),
        ("${B} z", "b z"),
        ("${NONE:-other}", "other"),
        ("${B:+set}${NONE:+set}", "set"),
        ("a\\$B", "a$B"),
        ("$A", ""),
        ("$C", "b later"),
    ],
)
def test_names_are_replaced_in_env_files_alone(tmp_path: Path, value: str, expected: str) -> None:
    (tmp_path / ".env").write_text(f"B=b\nC='\\$B later'\nA={value}\n")
    assert dev_vars.read(tmp_path)["A"] == expected
    (tmp_path / ".dev.vars").write_text(f"B=b\nA={value}\n")
    assert dev_vars.read(tmp_path)["A"] == value


def test_env_files_are_laid_over_each_other_in_wranglers_order(tmp_path: Path) -> None:
    for at, name in enumerate((".env", ".env.local", ".env.try", ".env.try.local")):
        names = "ABCD"[at:]
        (tmp_path / name).write_text("".join(f"{one}={name}\n" for one in names))
    assert dev_vars.read(tmp_path, "try") == {
        **{"A": ".env", "B": ".env.local", "C": ".env.try", "D": ".env.try.local"},
    }
    assert dev_vars.read(tmp_path) == {"A": ".env", **dict.fromkeys("BCD", ".env.local")}


def test_what_wrangler_would_leave_out_in_silence_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".dev.vars").write_text("# fine\n\nA=1\n\njust words\nB=2\n")
    with pytest.raises(Refused, match="cannot be read") as told:
        dev_vars.read(tmp_path)
    assert told.value.why == "line 5"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
@pytest.mark.parametrize("name", [".dev.vars", ".dev.vars.staging"])
def test_what_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    """1Password mounts such files as pipes, and wrangler reads them: they are not passed over."""
    make(tmp_path / name)
    with pytest.raises(Refused, match=f"{name} is no file"):
        dev_vars.read(tmp_path, "staging")


def test_a_pipe_of_another_program_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    assert dev_vars.read(tmp_path) == {}
