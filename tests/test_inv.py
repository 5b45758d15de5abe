"""``./inv`` itself, in a checkout that holds little else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import PROJECT

pytestmark = pytest.mark.slow


BACKEND = """
import zipfile
from pathlib import Path

def build_editable(folder, settings=None, metadata=None):
    name = f"xswarm_{Path.cwd().name}"
    with zipfile.ZipFile(Path(folder) / f"{name}-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.pth", str(Path.cwd() / "src"))
        wheel.writestr(f"{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        about = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n"
        wheel.writestr(f"{name}-1.dist-info/METADATA", about)
        wheel.writestr(f"{name}-1.dist-info/RECORD", "")
    return f"{name}-1-py3-none-any.whl"
"""
"""Builds the packages of a checkout that needs no other package for it (PEP 660)."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout in which nothing is installed yet."""
    return made_in(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout in which ``./inv`` was run, by whoever has no home; each test keeps it so.

    To install is what takes long, and each way of it has a test of its own below.
    """
    made = made_in(tmp_path_factory.mktemp("installed"))
    code, said, told = run(made, "check")
    assert (code, said) == (0, f"ran check in {made}\n"), told
    assert "installing" in told
    return made


def made_in(folder: Path) -> Path:
    """Make a checkout that needs no packages but its own, and a PATH with a Python and an npm."""
    made = folder / "checkout"
    for package in ("monitoring", "twin", "deploy"):
        write(made / f"packages/{package}/backend.py", BACKEND)
        build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        write(made / f"packages/{package}/pyproject.toml", build)
    shutil.copy(PROJECT / "inv", made)
    (made / "requirements.txt").touch()
    (made / "package-lock.json").write_text("{}")
    write(
        made / "packages/deploy/src/xswarm_deploy/cli/program.py",
        "import os, sys\ndef main(): print('ran', *sys.argv[1:], 'in', os.getcwd())\n",
    )
    programs = folder / "programs"
    write(programs / "npm", "#!/bin/sh\n")
    (programs / "npm").chmod(0o755)
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin/python3")
    return made


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def run(checkout: Path, *words: str, program: str = "", **environment: str) -> tuple[int, str, str]:
    path = f"{checkout.parent / 'programs'}:/usr/bin:/bin"
    ended = subprocess.run(
        [program or str(checkout / "inv"), *words],
        cwd=checkout.parent,
        env={"PATH": path, "LANG": os.environ.get("LANG", "C.UTF-8"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_it_installs_once_without_a_home_and_runs(installed: Path) -> None:
    assert run(installed, "check") == (0, f"ran check in {installed}\n", "")


def test_a_link_to_it_works_in_the_checkout(installed: Path) -> None:
    (installed.parent / "absolute").symlink_to(installed / "inv")
    (installed.parent / "again").symlink_to("absolute")
    code, said, told = run(installed, program="./again", CDPATH="/")
    assert (code, said) == (0, f"ran in {installed}\n"), told


@pytest.mark.parametrize("half", ["empty", "without pip", "its Python is gone"])
def test_an_environment_that_is_half_made_is_made_anew(checkout: Path, half: str) -> None:
    program = checkout / ".venv/bin/python"
    program.parent.mkdir(parents=True)
    if half == "without pip":
        program.symlink_to(Path(sys.base_prefix) / "bin/python3")
        (checkout / ".venv/pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    if half == "its Python is gone":
        program.symlink_to("/nowhere/python3")
        stamped = [checkout / "requirements.txt", checkout / "package-lock.json"]
        stamped += sorted(checkout.glob("packages/*/pyproject.toml"))
        stamp = "".join(file.read_text() for file in stamped)
        (checkout / ".venv/installed").write_text(stamp)
    code, said, told = run(checkout)
    assert (code, said) == (0, f"ran in {checkout}\n"), told


def test_a_whole_environment_is_kept_where_what_it_needs_has_changed(installed: Path) -> None:
    kept = installed / ".venv/kept"
    kept.touch()
    (installed / "package-lock.json").write_text("{ }")
    code, _, told = run(installed)
    assert (code, "installing" in told, kept.exists()) == (0, True, True)


def test_packages_of_an_installation_that_was_not_ended_are_taken_anew(installed: Path) -> None:
    """npm looks whether a package is there, and not whether all of its files are."""
    npm, half = installed.parent / "programs/npm", installed / "node_modules/half"
    (installed / ".venv/installed").unlink()
    npm.write_text("#!/bin/sh\nmkdir -p node_modules/half\nexit 1\n")
    assert run(installed)[0] != 0
    assert half.exists()
    npm.write_text("#!/bin/sh\nmkdir -p node_modules/whole\n")
    assert run(installed)[0] == 0
    assert not half.exists()
    (installed / "package-lock.json").write_text("[]")
    assert run(installed)[0] == 0
    assert (installed / "node_modules/whole").exists()


def test_a_checkout_that_cannot_be_written_is_one_line_and_a_remedy(
    checkout: Path, tmp_path: Path
) -> None:
    line = f"✗ {checkout} cannot be written, and nothing is installed in it yet"
    if os.geteuid():
        checkout.chmod(0o555)
    else:  # root may write everywhere but where `test -w` says no
        text = (checkout / "inv").read_text()
        assert text.count("[ -w . ]") == 1
        (checkout / "inv").write_text(text.replace("[ -w . ]", "false"))
    code, said, told = run(checkout)
    checkout.chmod(0o755)
    assert (code, said, told.splitlines()[0], len(told.splitlines())) == (6, "", line, 2)


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ("exit 1", "✗ no Python 3.11 to 3.14 was found on PATH"),
        (
            "case $2 in *ensurepip*) exit 1 ;; *print*) echo 3.12 ;; esac",
            "✗ python3.14 cannot make a virtual environment: its venv module is missing",
        ),
    ],
)
def test_a_machine_whose_python_does_not_do_says_what_to_install(
    checkout: Path, python: str, line: str
) -> None:
    programs = checkout.parent / "programs"
    (programs / "python3").unlink()
    for version in ("3", "3.11", "3.12", "3.13", "3.14", ""):
        (programs / f"python{version}").write_text(f"#!/bin/sh\n{python}\n")
        (programs / f"python{version}").chmod(0o755)
    code, said, told = run(checkout)
    assert (code, said, told.splitlines()[0]) == (6, "", line)
    assert told.splitlines()[1].startswith("  next: ")
