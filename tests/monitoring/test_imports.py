"""What makes the room fit to be vendored into a Worker."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import xswarm_monitoring
from tests.support.monitoring import needs_processes

ROOM = Path(str(xswarm_monitoring.__file__)).parent


def imported(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found.add(str(node.module))
    return found


@pytest.mark.slow
def test_it_imports_nothing_but_itself_and_the_standard_library() -> None:
    modules = sorted(ROOM.glob("*.py"))
    assert len(modules) > 20
    strangers = {
        name
        for module in modules
        for name in imported(module)
        if not name.startswith("xswarm_monitoring")
        and name.split(".")[0] not in sys.stdlib_module_names
    }
    assert strangers == set()


def modules_of(module: Path) -> set[str]:
    """Return the modules of the room that one imports, for types alone, too."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "xswarm_monitoring":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).removeprefix("xswarm_monitoring."))
    return found & {each.stem for each in ROOM.glob("*.py")}


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module.stem: modules_of(module) for module in ROOM.glob("*.py")}
    assert len(graph["metrics"]) > 5
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names it
    assert order.index("metrics") < order.index("asgi")


@needs_processes
def test_mounting_it_loads_no_event_loop_and_no_page() -> None:
    code = (
        "import sys, xswarm_monitoring.asgi;"
        "print(*sorted({'asyncio', 'socket', 'logging', 'ssl', 'http.client',"
        " 'xswarm_monitoring.dashboard'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
