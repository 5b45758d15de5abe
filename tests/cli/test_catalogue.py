from __future__ import annotations

import copy
import sys

import pytest
from invoke.collection import Collection

from xswarm_deploy.cli.catalogue import Listed, group, listed, loaded
from xswarm_deploy.cli.graph import Step

SUMMARY = "Apply all pending migrations: one transaction, wholly or not at all."


@pytest.fixture
def migrate() -> Listed:
    (made,) = listed("tasks.migrate", {"migrate": SUMMARY})
    return made


def test_a_listed_task_is_the_task_itself_once_it_is_wanted(migrate: Listed) -> None:
    assert (migrate.name, migrate.__doc__) == ("migrate", SUMMARY)
    assert isinstance(loaded(migrate), Step)
    assert migrate == loaded(migrate)
    assert loaded(loaded(migrate)) is loaded(migrate)
    assert [loaded(step).name for step in migrate.pre] == ["backup"]
    assert copy.deepcopy(migrate) == migrate  # as Invoke does with every collection
    with pytest.raises(AttributeError):
        _ = migrate._no_such


def test_a_group_has_its_default_and_the_files_name() -> None:
    made = Collection(group("tasks.migrate", {"migrate": SUMMARY, "down": "Take them back."}))
    assert made.task_names == {"migrate.migrate": ["migrate"], "migrate.down": []}


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        (["/usr/bin/inv", "migrate.down", "--yes"], True),
        (["/usr/bin/inv", "staging", "migrate.down"], True),
        (["/usr/bin/inv", "--help=migrate.down"], True),
        (["/usr/bin/inv", "--list"], False),
        (["/usr/bin/inv", "check"], False),
        (["/lib/invoke/__main__.py", "check"], False),
        (["-c", "check"], True),  # not Invoke's own program: whoever asks gets them
    ],
)
def test_plain_invoke_imports_the_files_that_its_line_names(
    monkeypatch: pytest.MonkeyPatch, line: list[str], flags: bool
) -> None:
    monkeypatch.setattr(sys, "argv", line)
    (down,) = listed("tasks.migrations", {"down": "Take applied migrations back."})
    assert bool(down.get_arguments()) is flags
