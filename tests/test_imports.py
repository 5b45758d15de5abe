"""One module of a package without the rest of it: and the package is whole for everybody else."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from xswarm_deploy import imports


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a package whose ``__init__`` cannot be overlooked."""
    folder = tmp_path / "heavy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from heavy_package import part\nALL = True\n")
    (folder / "part.py").write_text("from .other import VALUE\n")
    (folder / "other.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "heavy_package"
    for name in [name for name in sys.modules if name.startswith("heavy_package")]:
        del sys.modules[name]


def test_the_package_is_not_run(package: str) -> None:
    assert imports.alone(f"{package}.part").VALUE == 1
    assert package not in sys.modules
    assert imports.alone(f"{package}.part") is sys.modules[f"{package}.part"]


def test_who_imports_it_later_gets_all_of_it(package: str) -> None:
    part = imports.alone(f"{package}.part")
    whole = importlib.import_module(package)
    assert whole.ALL
    assert whole.part is part


def test_who_has_imported_it_keeps_it(package: str) -> None:
    whole = importlib.import_module(package)
    del sys.modules[f"{package}.part"]
    imports.alone(f"{package}.part")
    assert sys.modules[package] is whole


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package is not installed"):
        imports.alone("no_such_package.part")
    with pytest.raises(ModuleNotFoundError, match="no_such_part"):
        imports.alone("dotenv.no_such_part")


def test_a_stand_in_is_met_in_the_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with imports.standing_in("colorsys", rgb_to_hls="none"):
        assert vars(importlib.import_module("colorsys"))["rgb_to_hls"] == "none"
    assert callable(importlib.import_module("colorsys").rgb_to_hls)
    with imports.standing_in("colorsys"):  # somebody has it already: nothing stands in
        assert callable(importlib.import_module("colorsys").rgb_to_hls)


@pytest.mark.slow
def test_invokes_mock_context_works_where_the_command_line_came_first() -> None:
    script = (
        "import sys, xswarm_deploy.cli.program; from invoke import MockContext, Result\n"
        "assert 'unittest' not in sys.modules\n"
        "c = MockContext(run=Result('said'))\n"
        "print(c.run('x').stdout); c.run.assert_called_once_with('x')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "said\n"


@pytest.mark.slow
def test_requests_guesses_an_encoding_where_nobody_says_it() -> None:
    script = (
        "import sys; from xswarm_deploy.requesting import requests\n"
        "assert 'charset_normalizer' not in sys.modules\n"
        "answer = requests.Response(); answer._content = 'Prüfung der Straße'.encode('cp1252')\n"
        "print(answer.apparent_encoding is not None, 'charset_normalizer' in sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "True True\n"


@pytest.mark.slow
def test_a_backup_of_a_file_imports_no_way_to_a_server() -> None:
    script = (
        "import sys; from pathlib import Path; from xswarm_deploy.database import backup, client\n"
        "with client.connect('file:a.db') as database:\n"
        "    backup.make(database, Path('kept'), backup.BackupRequest('test'))\n"
        "heavy = ('asyncio', 'requests', 'unittest', 'xswarm_deploy.database.turso')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
        )
    assert ended.stdout == "[]\n"


@pytest.mark.slow
def test_bundling_imports_nothing_of_requests() -> None:
    code = "import sys, xswarm_deploy.bundling.bundle; print('requests' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n", "it would begin beside who imports it (opening.start)"
