"""Our own modules are imported at the top of a file; the few that are not are named here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tasks", "packages", "worker/src", "benchmarks")
OWN = ("xswarm_deploy", "xswarm_monitoring", "xswarm_twin", "tests", "tasks", "benchmarks")

CLIENTS = "a client is made when it is first used: requests alone takes longer than most commands"
RARE = "few releases come this way, and it brings as many modules as all of the rest"
HARMLESS = "most migrations touch no rows: what looks at those that do is needed by them alone"
APART = "each part measures one thing, and imports nothing that the others measure"
ALLOWED = {
    "environment.py": CLIENTS,
    "services/cloudflare/__init__.py": CLIENTS,
    "services/cloudflare/observed.py": CLIENTS,
    "adoption/doctor.py": CLIENTS,
    "steps/unversioned/reachable.py": CLIENTS,
    "database/asking.py": CLIENTS,
    "database/client.py": CLIENTS,
    "database/counting.py": HARMLESS,
    "database/d1.py": CLIENTS,
    "database/guards.py": HARMLESS,
    "database/migrate.py": HARMLESS,
    "database/snapshot.py": CLIENTS,
    "database/timing.py": HARMLESS,
    "database/turso.py": CLIENTS,
    "bundling/functions.py": RARE,
    "release/inputs.py": RARE,
    "release/undo.py": RARE,
    "packages/monitoring/src/xswarm_monitoring/endpoints.py": RARE,
    "packages/monitoring/src/xswarm_monitoring/asgi.py": RARE,
    "packages/monitoring/src/xswarm_monitoring/status_endpoints.py": RARE,
    "verification/compatibility.py": CLIENTS,
    "verification/verify.py": CLIENTS,
    "preflight/error_budget.py": RARE,
    "release/transaction.py": RARE,
    "release/opening.py": RARE,
    "release/recovery.py": RARE,
    "release/rollback.py": RARE,
    "release/rollback_facts.py": RARE,
    "release/preview.py": RARE,
    "release/steps.py": RARE,
    "steps/traffic.py": RARE,
    "site.py": RARE,
    "settings/settings.py": RARE,
    "benchmarks/migrations.py": APART,
    "benchmarks/monitoring.py": APART,
    "benchmarks/releases.py": APART,
    "settings/overrides.py": RARE,
    "steps/applied.py": RARE,
    "steps/migrate.py": RARE,
    "steps/pending.py": RARE,
}
"""Files of the tool that import modules of ours inside a function, with the reason."""


def inside_functions(tree: ast.Module) -> Iterator[str]:
    """Return the modules of ours that functions import."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in {inner for function in functions for inner in ast.walk(function)}:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name for name in names if name.partition(".")[0] in OWN)


def offenders() -> set[str]:
    """Return the files that do so, as the table names them."""
    found = set()
    for file in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        relative = file.relative_to(ROOT).as_posix()
        if any(inside_functions(ast.parse(file.read_text(encoding="utf-8")))):
            found.add(relative.removeprefix("packages/deploy/src/xswarm_deploy/"))
    return found


@pytest.mark.slow
def test_our_own_modules_are_imported_at_the_top() -> None:
    assert offenders() == set(ALLOWED)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f():\n    from xswarm_twin import cli\n", ["xswarm_twin"]),
        ("class A:\n    async def f(self):\n        import tasks.check\n", ["tasks.check"]),
        ("def f():\n    import requests\n", []),
        ("from xswarm_twin import cli\n", []),
    ],
)
def test_what_counts(code: str, found: list[str]) -> None:
    assert list(inside_functions(ast.parse(code))) == found
