"""A house of one's own: a copy of this project with its own twin, ended when the tests end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.house import SKIPPED, House, build


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return a house whose twin is down; whatever the tests start is ended.

    How much slower than before a version may be is not judged: the machine may be busy.
    """
    made = build(tmp_path_factory.mktemp("house") / "project", forking=True, skips=SKIPPED)
    project = made.root / "invoke.yaml"
    text = project.read_text()
    assert "slower_fail: 3.0" in text
    project.write_text(text.replace("slower_fail: 3.0", "slower_fail: 0"))
    yield made
    made.inv("sandbox.down")


@pytest.fixture(scope="module")
def deployed(house: House) -> House:
    """Return a house that was deployed once."""
    house.inv("deploy.local", "--message", "first")
    return house
