"""The supervisor's record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xswarm_twin import folder, state, state_directory
from xswarm_twin.folder import Folder
from xswarm_twin.state import Process, State


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    made = folder.of(tmp_path)
    state_directory.make(made)
    return made


def process(**values: object) -> Process:
    plain = {"name": "sqld", "pid": 1, "started": 2.0, "port": 3, "url": "u", "log": "l"}
    return Process(**{**plain, "status": "ready", **values})  # type: ignore[arg-type]


def test_it_is_read_as_it_was_written(home: Folder) -> None:
    written = State(
        pid=7,
        started=1.5,
        instance="ab",
        workers=("boss-ai",),
        parts=("sqld",),
        ports={"database": 3},
        endpoints={"TURSO_DATABASE_URL": "u"},
        processes=(process(),),
    )
    state.write(home, written)
    assert state.read(home) == written
    assert home.state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"pid": 7, "proce',
        "[]",
        '{"processes": [{"name": "x"}]}',
        '{"processes": 3}',
        '{"ports": {"stripe": "x"}}',
        '{"pid": "x"}',
        '{"pid": null}',
        "\x00\x00",
    ],
)
def test_what_is_torn_or_foreign_counts_as_none(home: Folder, text: str) -> None:
    home.state.write_text(text)
    assert state.read(home) == State()


def test_a_status_nobody_knows_counts_as_none(home: Folder) -> None:
    state.write(home, State(pid=1, processes=(process(),)))
    text = home.state.read_text().replace('"ready"', '"fine"')
    home.state.write_text(text)
    assert json.loads(text)["pid"] == 1
    assert state.read(home) == State()


def test_what_a_later_version_of_the_twin_adds_is_passed_over(home: Folder) -> None:
    """Its processes are found, and its ports stay, where an earlier one takes its folder over."""
    written = State(pid=7, ports={"database": 3}, processes=(process(),))
    state.write(home, written)
    told = json.loads(home.state.read_text())
    told |= {"format": 2, "processes": [{**told["processes"][0], "memory": 5}]}
    home.state.write_text(json.dumps(told))
    assert state.read(home) == written


def test_it_is_up_when_every_part_is_ready() -> None:
    assert State(pid=1, processes=(process(), process())).up
    assert not State(pid=1, processes=(process(), process(status="restarting"))).up
    assert not State(pid=0, processes=(process(),)).up
    assert not State(pid=1).up
