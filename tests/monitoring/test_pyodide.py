"""These very tests once more, on the Python of Python Workers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.worker.runtime import HOST, ROOT, install, install_packages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

JUDGED_ELSEWHERE = {
    "test_dashboard.py": "asks a real Chromium over a socket",
    "test_exporters.py": "asks judges that are compiled for this machine",
    "test_incidents.py": "takes a minute there, and has nothing that is Pyodide's",
    "test_measured.py": "asks promtool",
    "test_otlp_protobuf.py": "asks judges that are compiled for this machine",
    "test_pyodide.py": "is this one",
    "test_receivers.py": "starts programs",
    "test_router.py": "asks FastAPI",
    "test_servers.py": "listens at a socket",
}
LONG = tuple(
    f"tests/monitoring/test_windows.py::{name}"
    for name in (
        "test_a_request_an_hour_for_95_days_is_exact_at_every_window",
        "test_days_are_kept_for_a_year",
        "test_charts_of_long_windows_read_few_rows",
    )
)
"""Months made up of many rounds: two days of them, at every window, are enough there."""
SETTINGS = """
[pytest]
addopts = --import-mode=importlib -p no:cacheprovider --hypothesis-profile=pyodide
pythonpath = .
filterwarnings = error
markers =
    slow: needs more than a second
    needs: not run where a program is missing
"""


FEWER_EXAMPLES = """
from hypothesis import settings

settings.register_profile("pyodide", settings.get_profile("ci"), max_examples=25)
"""
"""An example takes five times as long there, and each property is asked for 100 of them here."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as a Worker gets it, and its tests, without the rest of the house."""
    folder = tmp_path_factory.mktemp("session")
    for source, name in (
        ("packages/monitoring/src/xswarm_monitoring", "xswarm_monitoring"),
        ("tests/monitoring", "tests/monitoring"),
    ):
        shutil.copytree(ROOT / source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests/support").mkdir()
    shutil.copy(ROOT / "tests/support/monitoring.py", folder / "tests/support")
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "conftest.py").write_text(FEWER_EXAMPLES)
    return folder


def test_the_same_tests_pass_on_pyodide(session: Path, tmp_path: Path) -> None:
    program = install()
    install_packages(tmp_path / "packages")
    left_out = [f"--ignore=tests/monitoring/{name}" for name in JUDGED_ELSEWHERE]
    left_out += [f"--deselect={name}" for name in LONG]
    command = [program, "--experimental-wasm-jspi", str(HOST / "suite.mjs"), str(session)]
    arguments = [str(tmp_path / "packages"), "tests/monitoring", "-q", *left_out]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=1100)
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-4000:]
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed, ended.stdout
    assert int(passed[1]) > 300  # nearly all: nobody left them out by mistake
