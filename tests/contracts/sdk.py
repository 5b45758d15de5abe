"""Cloudflare's official SDK (PyPI cloudflare, generated from its OpenAPI document), read as text.

Importing it takes seconds; what is asked of it stands in its source: each method's path, its
parameters by name, and the fields of its answer.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_METHODS: Final = {
    "_get": "GET",
    "_get_api_list": "GET",
    "_post": "POST",
    "_put": "PUT",
    "_patch": "PATCH",
    "_delete": "DELETE",
}
_RESOURCES: Final = (
    "workers/**/*.py",
    "accounts/**/*.py",
    "user/tokens/*.py",
    "zones/*.py",
    "dns/records.py",
    "queues/*.py",
    "workflows/*.py",
    "kv/namespaces/*.py",
    "d1/database/database.py",
    "hyperdrive/configs.py",
    "vectorize/indexes/indexes.py",
    "mtls_certificates/mtls_certificates.py",
    "pipelines/streams.py",
    "aisearch/namespaces/**/*.py",
    "connectivity/directory/services.py",
    "zero_trust/tunnels/cloudflared/cloudflared.py",
    "flagship/apps/apps.py",
    "secrets_store/stores/secrets.py",
    "durable_objects/namespaces/namespaces.py",
    "workers_for_platforms/dispatch/namespaces/namespaces.py",
    "r2/buckets/buckets.py",
    "pages/projects/**/*.py",
    "rulesets/**/*.py",
)


_TYPES: Final = (
    "workers",
    "accounts",
    "user",
    "zones",
    "dns",
    "queues",
    "workflows",
    "kv",
    "d1",
    "r2",
    "pages",
    "rulesets",
    "secrets_store",
    "durable_objects",
    "shared",
)


@dataclass(frozen=True)
class Endpoint:
    """One method of the SDK: the names that it takes, and the type of its answer."""

    parameters: frozenset[str]
    answer: str
    folder: str

    @property
    def fields(self) -> frozenset[str]:
        """Return the names of all fields in the answer, however deep."""
        return _fields_of(self.answer, self.folder)


@cache
def endpoints() -> dict[tuple[str, str], Endpoint]:
    """Return what the SDK calls: (method, path with ``{}`` for each segment) → how."""
    return {
        key: endpoint
        for pattern in _RESOURCES
        for file in sorted((_root() / "resources").glob(pattern))
        for key, endpoint in _of_file(file)
    }


def key(method: str, path: str) -> tuple[str, str]:
    """Return by what a call is found.

    Rulesets belong to accounts or zones: the SDK has both in one, and a segment for the phase.
    """
    if "/rulesets/" in path:
        path = re.sub(r"^/(zones|\{\w+\})/\{\w+\}", "/{}/{}", path)
        path = re.sub(r"/phases/[^/]+/", "/phases/{}/", path)
    return method, re.sub(r"\{\w*\}", "{}", path)


def _root() -> Path:
    spec = find_spec("cloudflare")
    assert spec is not None, "pip install cloudflare"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _of_file(file: Path) -> Iterator[tuple[tuple[str, str], Endpoint]]:
    folder = str(file.parent.relative_to(_root() / "resources"))
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("Async"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    yield from _of_method(method, folder)


def _of_method(method: ast.FunctionDef, folder: str) -> Iterator[tuple[tuple[str, str], Endpoint]]:
    for call in ast.walk(method):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        verb = _METHODS.get(call.func.attr)
        texts = (
            [n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant)]
            if call.args
            else []
        )
        if verb and texts:
            named = frozenset(one.arg for one in (*method.args.args, *method.args.kwonlyargs))
            told = ast.unparse(method.returns) if method.returns else ""
            yield key(verb, str(texts[0])), Endpoint(named, told, folder)


@dataclass(frozen=True)
class _File:
    """A file of answers: the fields of all its classes, and the names that it imports."""

    folder: str
    fields: frozenset[str]
    names: frozenset[str]


def _fields_of(answer: str, folder: str, depth: int = 3) -> frozenset[str]:
    """Return all fields of the types that an annotation names, those that they use included."""
    found: set[str] = set()
    for name in re.findall(r"\w+", answer):
        files = _files().get(name)
        if not files:
            continue
        file = max(files, key=lambda one: _nearness(one.folder, folder))
        found |= file.fields
        if depth:
            found |= _fields_of(" ".join(file.names), file.folder, depth - 1)
    return frozenset(found)


def _nearness(one: str, other: str) -> float:
    """Return how near two folders are: the first parts that they share, less those they do not."""
    ours, theirs = one.split("/"), other.split("/")
    shared = len([1 for a, b in zip(ours, theirs, strict=False) if a == b])
    return shared - (len(ours) + len(theirs)) / 100


@cache
def _files() -> dict[str, list[_File]]:
    """Return the files that define a name, by that name."""
    found: dict[str, list[_File]] = {}
    types = _root() / "types"
    for folder in _TYPES:
        for file in sorted((types / folder).rglob("*.py")):
            if file.name.endswith("_params.py") or file.name == "__init__.py":
                continue
            text = file.read_text(encoding="utf-8")
            fields = re.findall(r'^    (\w+): |alias="([^"]+)"', text, re.MULTILINE)
            imported = re.findall(r"^from \.+[\w.]* import (.+)$", text, re.MULTILINE)
            made = _File(
                str(file.parent.relative_to(types)),
                frozenset(one for pair in fields for one in pair if one),
                frozenset(re.findall(r"\w+", " ".join(imported))) - {"BaseModel", "PropertyInfo"},
            )
            for pair in re.findall(r"^class (\w+)|^(\w+): TypeAlias", text, re.MULTILINE):
                found.setdefault(pair[0] or pair[1], []).append(made)
    return found
