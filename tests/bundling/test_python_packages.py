"""Packages of a Python Worker: what is compiled for this machine is no part of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adoption.repositories import file
from xswarm_deploy.bundling import python_packages
from xswarm_deploy.errors import Refused

PURE = ("fastapi/applications.py", "fastapi/py.typed", "six.py")
OF_PYODIDE = "pydantic_core/_pydantic_core.cpython-313-wasm32-emscripten.so"
OF_A_MACHINE = (
    "pydantic_core/_pydantic_core.cpython-312-x86_64-linux-gnu.so",
    "pydantic_core/_pydantic_core.cpython-312-darwin.so",
    "pydantic_core/_pydantic_core.cp312-win_amd64.pyd",
    "_cffi_backend.cpython-312-x86_64-linux-gnu.so",
)
"""Names of files in the wheels of FastAPI's requirements at PyPI, and in Pyodide's."""


@pytest.mark.parametrize("compiled", OF_A_MACHINE)
def test_what_is_compiled_for_a_machine_is_refused_by_name(tmp_path: Path, compiled: str) -> None:
    for name in (*PURE, compiled):
        file(tmp_path, f"modules/{name}", "")
    with pytest.raises(Refused, match="cannot run in a Worker") as refused:
        python_packages.require_pure(tmp_path / "modules", Path("requirements.txt"))
    assert compiled.partition("/")[0].partition(".")[0] in str(refused.value)
    assert python_packages.INSTALL in refused.value.remedy
    of_pydantic = compiled.startswith("pydantic_core")
    assert ("name fastapi<0.116, pydantic<2" in refused.value.remedy) == of_pydantic


@pytest.mark.parametrize("compiled", OF_A_MACHINE)
def test_what_was_installed_beside_a_worker_is_looked_at_too(tmp_path: Path, compiled: str) -> None:
    """``pip install --target python_modules``: the twin would run it, and no Worker."""
    for name in (*PURE, compiled):
        file(tmp_path, f"python_modules/{name}", "")
    python_packages.require_for_workers(tmp_path, {"main": "src/index.ts"})
    with pytest.raises(Refused, match="cannot run in a Worker") as refused:
        python_packages.require_for_workers(tmp_path, {"main": "src/entry.py"})
    assert "rm -r python_modules && uv run pywrangler sync" in refused.value.remedy


def test_pure_python_and_what_is_built_for_the_runtime_stay(tmp_path: Path) -> None:
    for name in (*PURE, OF_PYODIDE):
        file(tmp_path, name, "")
    python_packages.require_pure(tmp_path, Path("requirements.txt"))
