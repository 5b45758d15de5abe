"""The next release, rehearsed on a twin of its own: it says how it went, and touches nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.world import observe, site_of
from tests.support.house import SKIPPED, House, ask_canaries_one_route, build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.needs("git")]

MIGRATION = """\
-- depends: teams
-- migrate:up
CREATE TABLE mottos (id TEXT PRIMARY KEY) STRICT;
UPDATE teams SET name = upper(name);
-- migrate:down
DROP TABLE mottos;
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return a house under version control, whose live release noted its commit."""
    made = build(tmp_path_factory.mktemp("rehearsal") / "project", forking=True, skips=SKIPPED)
    ask_canaries_one_route(made.root)
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@b.test"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "what is live"]):
        subprocess.run(["git", *words], cwd=made.root, check=True)
    made.inv("deploy.local", "--message", "live")
    with site_of(made.root).database as database:
        database.execute("INSERT INTO users (id, email) VALUES ('u1', 'a@b.test')")
        database.execute("INSERT INTO teams (id, name, owner_id) VALUES ('t1', 'bees', 'u1')")
    made.inv("local", "backup")
    yield made
    made.inv("sandbox.down")


def test_there_and_back_on_a_copy_of_the_last_backup(house: House) -> None:
    before, version = observe(house.root), house.version()
    migration = house.root / "migrations/zz_mottos.sql"
    migration.write_text(MIGRATION)
    try:
        ended = house.inv("local", "deploy.rehearse")
    finally:
        migration.unlink()
    assert "✓ rehearsed: released in" in ended.stdout
    assert "going back leaves other rows in: teams" in ended.stdout, "its down part forgets them"
    assert "apply database, zz_mottos" in ended.stdout
    assert observe(house.root) == before
    assert house.version() == version
    assert len(house.releases()) == 1


def test_what_would_break_breaks_there(house: House) -> None:
    before = observe(house.root)
    main = house.root / "worker/src/main.py"
    text = main.read_text()
    main.write_text(f"{text}raise RuntimeError('broken at import')\n")
    try:
        ended = house.inv("local", "deploy.rehearse", check=False)
    finally:
        main.write_text(text)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "broken at import" in ended.stdout
    assert "what comes next" in ended.stderr, "what is live was deployed from its own commit"
    assert observe(house.root) == before


def test_a_commit_that_is_not_here_is_refused(house: House) -> None:
    ended = house.inv("local", "deploy.rehearse", "--base", "0" * 40, check=False)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "--base" in ended.stderr
