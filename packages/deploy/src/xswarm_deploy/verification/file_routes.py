"""Routes that are files: SvelteKit, Astro, Next.js, Nuxt, SolidStart, TanStack, React Router.

React Router names its routes in a file of its own (:mod:`xswarm_deploy.verification.route_config`).

Sources: each framework's page on routing. A part that varies is written ``:name``, a rest ``*``;
groups, layouts, private and intercepted folders are no part of a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from xswarm_deploy.verification import route_config

_MOST: Final = 5_000  # files
_PAGES: Final = frozenset({".astro", ".md", ".mdx", ".html", ".tsx", ".jsx", ".ts", ".js", ".vue"})
_REST: Final = re.compile(r"\[{1,2}\.\.\.([\w-]*)\]{1,2}")
_PARAMETER: Final = re.compile(r"\[{1,2}([\w=-]+)\]{1,2}")
_ESCAPED: Final = re.compile(r"\[([^\[\]]*)\]")
_NO_DOT: Final = "\0"  # stands for a dot that is escaped: sitemap[.]xml
_VERB: Final = re.compile(
    r"\bexport\s+(?:async\s+)?(?:const|function)\s+(GET|POST|PUT|PATCH|DELETE|ALL)\b"
)
Parts = list[str]


class FileRoute(NamedTuple):
    """A route, and the file that it is."""

    method: str
    path: str
    file: Path


def found(folder: Path) -> Iterator[FileRoute]:
    """Yield the routes that are files of a Worker, by the frameworks its package.json names.

    Args:
        folder: of package.json.
    """
    named = _dependencies(folder)
    for package, places in _FRAMEWORKS.items():
        if package in named:
            for place, read in places.items():
                yield from _below(folder / place, read)
    if "@react-router/dev" in named:
        yield from _of_react_router(folder / "app")


def _of_react_router(app: Path) -> Iterator[FileRoute]:
    """Yield what ``routes.ts`` names."""
    file = next((f for n in ("ts", "tsx", "js") if (f := app / f"routes.{n}").is_file()), None)
    if file is None:
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    for path in dict.fromkeys(route_config.paths(text)):
        yield FileRoute("GET", path, file)


def _dependencies(folder: Path) -> set[str]:
    try:
        package = json.loads((folder / "package.json").read_text(encoding="utf-8-sig"))
        return {*(package.get("dependencies") or {}), *(package.get("devDependencies") or {})}
    except (OSError, ValueError, AttributeError, TypeError):
        return set()


def _below(place: Path, read: Callable[[Parts, Path], Parts | None]) -> Iterator[FileRoute]:
    if not place.is_dir():
        return
    for number, file in enumerate(sorted(place.rglob("*"))):
        if number == _MOST:
            return
        parts = list(file.relative_to(place).parts)
        path = read(parts, file) if file.is_file() else None
        if path is not None:
            for method in _methods(file):
                yield FileRoute(method, f"/{'/'.join(map(_written, path))}", file)


def _methods(file: Path) -> list[str]:
    """Return the methods that a file exports a handler of; a page has GET."""
    if file.suffix not in (".ts", ".js", ".mjs"):
        return ["GET"]
    text = file.read_text(encoding="utf-8", errors="replace")
    verbs = list(dict.fromkeys(_VERB.findall(text)))
    return ["GET" if verb == "ALL" else verb for verb in verbs] or ["GET"]


def _written(part: str) -> str:
    part = _REST.sub("*", part)
    return _PARAMETER.sub(lambda found: f":{found[1].partition('=')[0]}", part)


def _sveltekit(parts: Parts, file: Path) -> Parts | None:
    named = file.name in ("+page.svelte", "+page.md", "+page.svx") or file.stem == "+server"
    return _without_groups(parts[:-1]) if named else None


def _next_app(parts: Parts, file: Path) -> Parts | None:
    named = file.stem in ("page", "route") and file.suffix in _PAGES
    apart = any(part.startswith(("_", "@", "(.")) for part in parts)
    return _without_groups(parts[:-1]) if named and not apart else None


def _pages(parts: Parts, file: Path) -> Parts | None:
    """Return the path of a file under Astro's, Next's or Nuxt's ``pages``."""
    private = any(part.startswith(("_", ".")) for part in parts)
    if file.suffix not in _PAGES or private or file.stem in ("404", "500"):
        return None
    last = file.name.removesuffix(file.suffix)
    return _without_groups([*parts[:-1], *([] if last == "index" else [last])])


def _nuxt_server(before: str) -> Callable[[Parts, Path], Parts | None]:
    def read(parts: Parts, file: Path) -> Parts | None:
        stem, _, verb = file.stem.partition(".")
        if file.suffix not in (".ts", ".js", ".mjs") or verb not in ("", "get"):
            return None
        return [*before.split(), *parts[:-1], *([] if stem == "index" else [stem])]

    return read


def _flat(parts: Parts, file: Path) -> Parts | None:
    """Return the path of a flat route: dots are slashes, ``_`` hides, ``$`` varies."""
    name = parts[0] if len(parts) > 1 else file.stem
    if len(parts) > 2 or file.suffix not in _PAGES or (len(parts) == 2 and file.stem != "route"):
        return None
    kept = [p for p in _at_dots(name) if not p.startswith("_") and p not in ("route",)]
    optional = [re.sub(r"^\((.*)\)$", r"\1", part).removesuffix("_") for part in kept]
    return [
        "*" if p == "$" else f":{p[1:]}" if p.startswith("$") else _ESCAPED.sub(r"\1", p)
        for p in optional
    ]


def _at_dots(name: str) -> list[str]:
    """Divide a name at its dots, but those that are escaped."""
    held = _ESCAPED.sub(lambda found: found[0].replace(".", _NO_DOT), name)
    return [part.replace(_NO_DOT, ".") for part in held.split(".")]


def _tanstack(parts: Parts, file: Path) -> Parts | None:
    """Return the path of TanStack's: dots and folders are slashes, ``_`` hides, ``-`` is none."""
    if file.suffix not in (".tsx", ".jsx", ".ts", ".js") or any(p.startswith("-") for p in parts):
        return None
    flat = ".".join([*parts[:-1], file.stem.removesuffix(".lazy")]).split(".")
    if flat[0] == "__root" or flat[-1].startswith("_") or flat[-1] == "route":
        return None
    kept = [part.removesuffix("_") for part in flat if not part.startswith("_")]
    kept = _without_groups(kept[:-1] if kept[-1:] == ["index"] else kept)
    return ["*" if p == "$" else f":{p[1:]}" if p.startswith("$") else p for p in kept]


def _without_groups(parts: Parts) -> Parts:
    return [part for part in parts if not re.fullmatch(r"\(.*\)", part)]


_NEXT: Final[Mapping[str, Callable[[Parts, Path], Parts | None]]] = {
    "app": _next_app,
    "src/app": _next_app,
    "pages": _pages,
    "src/pages": _pages,
}
_FLAT: Final = {"app/routes": _flat}
_FRAMEWORKS: Final[Mapping[str, Mapping[str, Callable[[Parts, Path], Parts | None]]]] = {
    "@sveltejs/kit": {"src/routes": _sveltekit},
    "astro": {"src/pages": _pages},
    "next": _NEXT,
    "nuxt": {
        "pages": _pages,
        "app/pages": _pages,
        "server/api": _nuxt_server("api"),
        "server/routes": _nuxt_server(""),
    },
    "@remix-run/react": _FLAT,
    "@react-router/fs-routes": _FLAT,
    "@solidjs/start": {"src/routes": _pages},
    "@tanstack/react-start": {"src/routes": _tanstack},
    "@tanstack/solid-start": {"src/routes": _tanstack},
}
"""Package → the folders of its routes, and what reads the path of a file there."""
