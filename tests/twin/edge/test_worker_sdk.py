"""The names that Python Workers import, compared with the real SDK's source."""

from __future__ import annotations

import ast
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest

import xswarm_twin

OURS = Path(xswarm_twin.__file__).parent / "edge" / "worker_sdk"
PUBLIC = ["entrypoints", "fetch", "request", "response", "asgi", "utils"]
PYODIDES = {  # what the SDK's FetchResponse has of pyodide.http.FetchResponse
    *("status", "status_text", "ok", "url", "redirected", "body_used"),
    *("bytes", "text", "raise_for_status"),
}
NOT_CALLED = {("response", "FetchResponse.__init__")}  # Workers make Response only


def source(name: str) -> ast.Module:
    """Read a module of the real package, without importing it: it needs the real runtime."""
    files = importlib.metadata.files("workers-runtime-sdk") or []
    path = next(file for file in files if str(file) == f"workers/{name}.py")
    return ast.parse(path.read_text("utf-8"))


def ours(name: str) -> ast.Module:
    return ast.parse((OURS / "workers" / f"{name}.py").read_text("utf-8"))


def functions(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[object, ...]:
    """Return what a caller depends on: kind, names and order of parameters, and which may lack."""
    arguments = node.args
    decorated = sorted(ast.unparse(entry) for entry in node.decorator_list)
    return (
        isinstance(node, ast.AsyncFunctionDef),
        [name for name in decorated if name in ("property", "staticmethod", "classmethod")],
        [argument.arg for argument in arguments.posonlyargs],
        [argument.arg for argument in arguments.args],
        [argument.arg for argument in arguments.kwonlyargs],
        len(arguments.defaults),
        [default is not None for default in arguments.kw_defaults],
        arguments.vararg and arguments.vararg.arg,
        arguments.kwarg and arguments.kwarg.arg,
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_what_we_offer_is_called_as_the_real_one(name: str) -> None:
    real = dict(functions(source(name)))
    compared = 0
    for qualified, node in functions(ours(name)):
        last = qualified.rpartition(".")[2]
        private = last.startswith("_") and last != "__init__"
        own_class = "." in qualified and qualified.partition(".")[0] not in classes(name)
        if private or own_class or (name, qualified) in NOT_CALLED:
            continue
        if qualified.startswith("FetchResponse.") and last in PYODIDES:
            continue
        if "." not in qualified and qualified not in real and qualified not in exported():
            continue
        assert qualified in real, f"the SDK's {name} has no {qualified}"
        assert signature(node) == signature(real[qualified]), qualified
        compared += 1
    assert compared


def classes(name: str) -> set[str]:
    """Name the real module's classes."""
    return {node.name for node in source(name).body if isinstance(node, ast.ClassDef)}


def exported() -> set[str]:
    return set(all_names(ours("__init__")))


def all_names(module: ast.Module) -> list[str]:
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    raise LookupError("__all__")


def test_we_export_only_what_the_real_one_exports() -> None:
    mine, real = all_names(ours("__init__")), all_names(source("__init__"))
    assert set(mine) <= set(real)
    assert {"WorkerEntrypoint", "Response", "Request", "fetch", "env", "wait_until"} <= set(mine)


def test_the_old_name_of_the_adapter_is_the_adapter() -> None:
    assert "from workers import asgi" in (OURS / "asgi.py").read_text("utf-8")
    assert {path.name for path in OURS.iterdir() if path.name != "__pycache__"} == {
        "asgi.py",
        "workers",
    }
