"""A deployer that dies, at any moment: its release is finished, or undone, from elsewhere.

Three houses share one twin: ``home`` has it, holds the new files, and is where the deployer
dies; ``before`` holds the old files; ``elsewhere`` is another checkout of the new ones, which
has never seen the dead release's journal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.world import World, differences, observe, site_of
from tests.support import prefork
from tests.support.house import SKIPPED, House, build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KILLED = Path(__file__).with_name("killed.py")
EVERY = os.environ.get("DEPLOY_CRASHES") == "all"
SAMPLE = 4  # moments of dying, where not all are wanted; DEPLOY_CRASHES=all
MIGRATION = """\
-- name: Nicknames
-- depends: teams
-- compatible: yes

-- migrate:up
CREATE TABLE nicknames (user_id TEXT PRIMARY KEY, nickname TEXT NOT NULL) STRICT;
INSERT INTO nicknames SELECT id, upper(name) FROM teams;
ALTER TABLE teams ADD COLUMN motto TEXT;

-- migrate:down
ALTER TABLE teams DROP COLUMN motto;
DROP TABLE nicknames;
"""


@dataclass
class Scene:
    """The houses, what the twin holds before and after the release, its boundaries."""

    home: House
    before: House
    elsewhere: House
    old: World
    new: World
    first: str
    boundaries: tuple[str, ...]

    def die(self, place: int) -> None:
        ended = run_killed(self.home, place)
        assert ended.returncode == -9, f"{place}: {ended.stdout}{ended.stderr}"

    def is_old(self) -> None:
        assert differences(observe(self.home.root), self.old) == []

    def is_new(self) -> None:
        assert differences(observe(self.home.root), self.new) == []

    def freshen(self) -> None:
        """Deploy the old code anew: Cloudflare deploys only the newest hundred versions."""
        self.before.inv("local", "worker")
        self.is_old()
        self.first = self.home.version()

    def return_to_old(self) -> None:
        words = ("local", "rollback", "--version", self.first, "--migrations", "--yes")
        self.before.inv(*words)
        self.is_old()


def run_killed(house: House, place: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Deploy, or run other tasks, and die at a boundary; 0: at none."""
    told = [str(place), str(house.root / "boundaries"), *(words or ("deploy.local",))]
    if prefork.SUPPORTED:
        environment = house.environment()
        return prefork.run(told, house.root, environment, 240, program="tests.deploy.killed")
    return subprocess.run(
        [sys.executable, str(KILLED), *told],
        cwd=house.root,
        env=house.environment(),
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=240,
        check=False,
    )


def sharing(house: House, root: Path) -> House:
    """Copy a house's files; both then act upon its twin."""
    shutil.copytree(
        house.root,
        root,
        symlinks=True,
        ignore=shutil.ignore_patterns(".sandbox", ".deployments", ".backups", "__pycache__"),
    )
    (root / ".sandbox").mkdir(mode=0o700)
    shutil.copy(house.root / ".sandbox/endpoints.env", root / ".sandbox")
    return House(root, house.forking, house.skips)


def renew(house: House) -> None:
    """Change a house's code, pages, webhooks and one migration more."""
    edits = {
        "worker/src/boss/status.py": ('"health": "/health"', '"health": "/health", "new": True'),
        "site/index.html": ("</body>", "<p>new</p></body>"),
        "invoke.yaml": ("invoice.payment_succeeded, ", ""),
    }
    for name, (old, new) in edits.items():
        text = (house.root / name).read_text()
        assert old in text, name
        (house.root / name).write_text(text.replace(old, new))
    (house.root / "migrations/nicknames.sql").write_text(MIGRATION)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("crash")
    home = build(folder / "home", forking=True, skips=SKIPPED)
    try:
        home.inv("deploy.local", "--message", "old")
        with site_of(home.root).database as database:
            database.execute("INSERT INTO users (id, email) VALUES ('u1', 'a@b.test')")
            database.execute("INSERT INTO teams (id, name, owner_id) VALUES ('t1', 'bees', 'u1')")
        old, first = observe(home.root), home.version()
        before = sharing(home, folder / "before")
        renew(home)
        elsewhere = sharing(home, folder / "elsewhere")
        ended = run_killed(home, 0)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        new = observe(home.root)
        boundaries = tuple((home.root / "boundaries").read_text().splitlines())
        made = Scene(home, before, elsewhere, old, new, first, boundaries)
        made.return_to_old()
        yield made
    finally:
        home.inv("sandbox.down")


def places(scene: Scene, offset: int) -> list[int]:
    """Choose where to die: everywhere, or evenly spread."""
    count = len(scene.boundaries)
    scene.freshen()
    if EVERY:
        return list(range(1, count + 1))
    return [1 + offset + round(index * (count - 2) / (SAMPLE - 1)) for index in range(SAMPLE)]


def test_the_two_states_differ_in_everything(scene: Scene) -> None:
    for part in ("worker", "pages", "stripe", "schema", "rows"):
        assert scene.old[part] != scene.new[part], part
    assert len(scene.boundaries) > 60
    assert any("after making worker shift" in name for name in scene.boundaries)


def test_abort_from_elsewhere_leaves_it_wholly_old(scene: Scene) -> None:
    for place in places(scene, 0):
        said = scene.boundaries[place - 1]
        scene.die(place)
        ended = scene.elsewhere.inv("local", "deploy.abort")
        if place == len(scene.boundaries):  # its end was written down: it has succeeded
            scene.is_new()
            assert "nothing to do" in ended.stdout
            scene.return_to_old()
            continue
        found = differences(observe(scene.home.root), scene.old)
        assert found == [], f"{place}: {said}\n{ended.stdout}{ended.stderr}"
        assert "nothing to do" in scene.elsewhere.inv("local", "deploy.abort").stdout
        scene.is_old()
    scene.elsewhere.inv("local", "audit.verify")


def test_resume_from_elsewhere_leaves_it_wholly_new(scene: Scene) -> None:
    for place in places(scene, 1):
        said = scene.boundaries[place - 1]
        scene.die(place)
        ended = scene.elsewhere.inv("local", "deploy.resume")
        begun = "nothing to do" not in ended.stdout
        found = differences(observe(scene.home.root), scene.new)
        old = differences(observe(scene.home.root), scene.old)
        told = f"{place}: {said}\n{ended.stdout}{ended.stderr}"
        assert found == [] if begun else not (found and old), told
        assert "nothing to do" in scene.elsewhere.inv("local", "deploy.resume").stdout
        if not found:
            assert scene.home.releases()[0]["status"] == "succeeded", told
            scene.return_to_old()
    scene.elsewhere.inv("local", "audit.verify")


def test_another_code_cannot_resume_it(scene: Scene) -> None:
    place = scene.boundaries.index("after making backup create backup of the database") + 1
    scene.die(place)
    ended = scene.before.inv("local", "deploy.resume", check=False)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "worker" in ended.stderr
    scene.is_old()
    scene.elsewhere.inv("local", "deploy.resume")  # who has the files may still finish it
    scene.is_new()
    scene.return_to_old()


def test_the_next_deployer_settles_it_first(scene: Scene) -> None:
    making = [i for i, name in enumerate(scene.boundaries) if "making worker shift" in name]
    scene.die(making[-1] + 1)
    ended = scene.before.inv("local", "pages")
    assert "was interrupted; it is undone first" in ended.stdout
    scene.is_old()


def test_dying_while_undoing_is_undone_by_abort(scene: Scene) -> None:
    """A broken Worker makes the release undo itself, and the deployer dies meanwhile."""
    main = scene.home.root / "worker/src/boss/status.py"
    text = main.read_text()
    main.write_text(text.replace('"/health"', '"/health" + 1'))
    app = scene.home.root / "worker/src/boss/app.py"
    good = app.read_text()
    app.write_text(good.replace('"/api/suggestions"', '"/api/gone"'))
    try:
        counted = run_killed(scene.home, 0)
        assert counted.returncode == 3, counted.stdout + counted.stderr
        scene.is_old()
        names = (scene.home.root / "boundaries").read_text().splitlines()
        undone = [i + 1 for i, name in enumerate(names) if "undoing" in name]
        assert undone
        for place in undone if EVERY else undone[:: max(1, len(undone) - 1)]:
            scene.die(place)
            ended = scene.elsewhere.inv("local", "deploy.resume", check=False)
            assert ended.returncode == 2, ended.stdout + ended.stderr
            assert "deploy.abort" in ended.stderr
            scene.elsewhere.inv("local", "deploy.abort")
            scene.is_old()
    finally:
        main.write_text(text)
        app.write_text(good)


def test_going_back_that_died_is_finished_or_undone(scene: Scene) -> None:
    words = ("local", "rollback", "--version", scene.first, "--migrations", "--yes")
    scene.home.inv("deploy.local", "--skip-backup")
    counted = run_killed(scene.before, 0, *words)
    assert counted.returncode == 0, counted.stdout + counted.stderr
    scene.is_old()
    names = (scene.before.root / "boundaries").read_text().splitlines()
    made = [i + 1 for i, name in enumerate(names) if name.startswith("after making")]
    assert len(made) >= 4
    both = [(command, place) for command in ("deploy.abort", "deploy.resume") for place in made]
    sample = [("deploy.abort", made[1]), ("deploy.resume", made[-2])]
    for command, place in both if EVERY else sample:
        scene.home.inv("deploy.local", "--skip-backup")
        scene.is_new()
        assert run_killed(scene.before, place, *words).returncode == -9
        shutil.rmtree(scene.before.root / ".deployments")
        told = scene.before.inv("local", command).stdout
        state = scene.new if command == "deploy.abort" else scene.old
        assert differences(observe(scene.home.root), state) == [], told
