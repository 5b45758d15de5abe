"""Under which path a router's routes are: where it is mounted, in this file or in another.

Read by the forms of Hono (``route``, ``basePath``), Express (``use``), itty-router (``base``),
FastAPI (``include_router``, ``APIRouter(prefix=)``), Flask (``register_blueprint``) and Starlette
(``Mount``). A path that is put together at run time is not known here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

Router = tuple[str, str]
"""A file, and the name that a router has there; an empty name: the file's only one."""
Texts = Mapping[str, str]
"""File → its text; files by their paths with ``/``."""

_PATH: Final = r"""['"`](?P<path>/[^'"`\s]*)['"`]"""
_MADE: Final = re.compile(
    r"(?:\b(?:const|let|var)\s+)?\b(?P<name>\w+)\s*(?::[^=\n]+)?=\s*(?:await\s+)?(?:new\s+)?"
    r"(?:\w+\.)?(?:Hono|OpenAPIHono|AutoRouter|IttyRouter|Router|APIRouter|FastAPI|Flask|Blueprint|Express|express)"
    r"\b(?:<[^\n]*?>)?\((?P<given>[^()]*(?:\([^()]*\)[^()]*)*)\)"
    r"(?:\s*\.\s*basePath\(\s*['\"`](?P<based>/[^'\"`\s]*)['\"`])?"
)
_OWN: Final = re.compile(
    r"""\b(?:prefix|url_prefix)\s*=\s*(['"])(?P<path>/[^'"\s]*)\1|"""
    r"""\bbase\s*:\s*(['"`])(?P<base>/[^'"`\s]*)\3"""
)
_TARGET: Final = r"(?P<target>[\w.]+)"
_MOUNTED: Final = (
    re.compile(rf"\b(?P<owner>\w+)?\s*\.\s*(?:route|use|mount)\(\s*{_PATH}\s*,\s*{_TARGET}\s*\)"),
    re.compile(
        rf"\b(?P<owner>\w+)\s*\.\s*(?:include_router|register_blueprint)\(\s*{_TARGET}"
        r"(?:[^()]*\b(?:url_)?prefix\s*=\s*['\"](?P<path>/[^'\"\s]*)['\"])?"
    ),
)
_IMPORTS: Final = re.compile(
    r"""\bimport\s+(?:(?P<default>\w+)\s*,?\s*)?(?:\{(?P<names>[^}]*)\}\s*)?from\s*['"](?P<file>\.[^'"]*)['"]"""
)
_FROM: Final = re.compile(
    r"^[ \t]*from\s+(?P<module>[.\w]+)\s+import\s+(?:\((?P<many>[^)]*)\)|(?P<names>[^\n(#]+))",
    re.MULTILINE,
)
_EXPORTED: Final = re.compile(
    r"\bexport\s+default\s+(\w+)\s*;?|\bexport\s*\{\s*(\w+)\s+as\s+default"
)
_SUFFIXES: Final = (".ts", ".tsx", ".js", ".mjs", ".jsx", ".mts", ".py")
_ENDS: Final = (*_SUFFIXES, "/index.ts", "/index.js", "/__init__.py")
_DEEPEST: Final = 8  # routers within routers


class Mount(NamedTuple):
    """A router in a router."""

    owner: Router
    path: str
    target: Router


def prefixes(texts: Texts) -> dict[Router, list[str]]:
    """Return each router's paths: what its routes' own begin with.

    Args:
        texts: of all files of a Worker, comments taken out.
    """
    own = {router: path for file in texts for router, path in _routers(file, texts[file])}
    mounts = [mount for file in texts for mount in _mounts(file, texts)]
    return {router: _above(router, own, mounts, _DEEPEST) for router in own}


def owner(file: str, name: str, known: Mapping[Router, list[str]]) -> Router:
    """Return the router that a call belongs to; of a chain, or a name unknown, the file's only one.

    Args:
        file: where the call stands.
        name: before its dot.
        known: what :func:`prefixes` gave.
    """
    here = [router for router in known if router[0] == file]
    return (file, name) if (file, name) in known else here[0] if len(here) == 1 else (file, "")


def _above(router: Router, own: Mapping[Router, str], mounts: list[Mount], left: int) -> list[str]:
    """Return a router's own path behind those of the routers that it is mounted in."""
    base = own.get(router, "")
    at = [mount for mount in mounts if mount.target == router and mount.owner != router]
    if not at or not left:
        return [base]
    return [
        f"{above}{mount.path.rstrip('/')}{base}"
        for mount in at
        for above in _above(mount.owner, own, mounts, left - 1)
    ]


def _routers(file: str, text: str) -> Iterator[tuple[Router, str]]:
    for found in _MADE.finditer(text):
        given = _OWN.search(found["given"])
        path = found["based"] or (given and (given["path"] or given["base"])) or ""
        yield (file, found["name"]), path.rstrip("/")


def _mounts(file: str, texts: Texts) -> Iterator[Mount]:
    routers = [router for router, _ in _routers(file, texts[file])]
    imported = dict(_imported(file, texts))
    for pattern in _MOUNTED:
        for found in pattern.finditer(texts[file]):
            name, _, member = found["target"].partition(".")
            target = imported.get(name, (file, name))
            if member:  # a module's router: ``items.router``
                target = (target[0], member)
            at = found["owner"] or ""
            of = routers[0] if len(routers) == 1 and (file, at) not in routers else (file, at)
            yield Mount(of, found["path"] or "", target)


def _imported(file: str, texts: Texts) -> Iterator[tuple[str, Router]]:
    """Yield the names that a file imports from others of the Worker, and what each is there."""
    for found in _IMPORTS.finditer(texts[file]):
        there = _file(posixpath.join(posixpath.dirname(file), found["file"]), texts)
        if there and found["default"]:
            exported = _EXPORTED.search(texts[there])
            yield found["default"], (there, (exported and (exported[1] or exported[2])) or "")
        for name, alias in _names(found["names"] or "") if there else ():
            yield alias, (there, name)
    for found in _FROM.finditer(texts[file]):
        for name, alias in _names(found["many"] or found["names"]):
            module = _module(file, found["module"])
            submodule = _file(posixpath.join(module, name), texts)
            there = submodule or _file(module, texts)
            if there:
                yield alias, (there, "" if submodule else name)


def _names(listed: str) -> Iterator[tuple[str, str]]:
    for each in listed.replace("\n", " ").split(","):
        name, _, alias = each.strip().removeprefix("type ").partition(" as ")
        if name:
            yield name.strip(), (alias or name).strip()


def _module(file: str, dotted: str) -> str:
    """Return the path of a Python module, without its suffix; one that is absolute ends so."""
    path = dotted.lstrip(".").replace(".", "/")
    dots = len(dotted) - len(dotted.lstrip("."))
    folder = posixpath.dirname(file)
    for _ in range(dots - 1):
        folder = posixpath.dirname(folder)
    return posixpath.join(folder, path) if dots else f"*/{path}"


def _file(path: str, texts: Texts) -> str:
    """Return the file that an import means; empty: none of the Worker's."""
    if path.startswith("*/"):
        ends = (f"{path[1:]}.py", f"{path[1:]}/__init__.py")
        return next((file for file in texts if f"/{file}".endswith(ends)), "")
    wanted = posixpath.normpath(path)
    stem = re.sub(r"\.[mc]?jsx?$", "", wanted)
    return next((file for file in (wanted, *(stem + end for end in _ENDS)) if file in texts), "")
