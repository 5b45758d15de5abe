"""What a Worker's package.json tells: what builds it, which services it speaks to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.adoption import deploying, from_pages, tree
from xswarm_deploy.bundling import node_packages

_OPENNEXT: Final = "@opennextjs/cloudflare"
_OPENNEXT_BUILD: Final = "opennextjs-cloudflare"
_PAGES_AS_FILES: Final = "static-assets-incremental-cache"
_FRAMEWORKS: Final[Mapping[str, str]] = {
    _OPENNEXT: "Next.js (OpenNext)",
    "@astrojs/cloudflare": "Astro",
    "astro": "Astro",
    "@react-router/dev": "React Router",
    "@sveltejs/adapter-cloudflare": "SvelteKit",
    "@tanstack/react-start": "TanStack Start",
    "@solidjs/start": "SolidStart",
    "@builder.io/qwik": "Qwik",
    "@analogjs/platform": "Analog",
    "nuxt": "Nuxt",
    "nitropack": "Nitro",
    "waku": "Waku",
    "vike": "Vike",
    "rwsdk": "RedwoodSDK",
    "@cloudflare/vite-plugin": "Vite",
    "vite": "Vite",
}
"""Package → framework whose build makes the Worker; the more telling first."""
_WRANGLER: Final = re.compile(
    r"(?:npx |pnpm exec |yarn |bunx )?wrangler (?:deploy|versions upload)\b"
)
_PAGES: Final = re.compile(r"wrangler pages (?:deploy|publish)(?: +(?!-)[\w./-]+)?")
_SCRIPT: Final = re.compile(r"(?:npm|pnpm|yarn|bun) run ([\w:.-]+)")
_CONFIG_PATH: Final = re.compile(r"""\bconfigPath\s*:\s*['"]([^'"\n]+)['"]""")
_BUILDING: Final = re.compile(r"\b(?:npm|pnpm|yarn|bun) run build(?![\w:.-])")
_OTHERWISE: Final = re.compile(r"migrat|\bwrangler (?!types)|deploy|\btest|lint|check|tsc\b")
_PARTS: Final[Mapping[str, str]] = {
    "stripe": "stripe",
    "twilio": "twilio",
    "@sendgrid/mail": "sendgrid",
    "openai": "openai",
    "@anthropic-ai/sdk": "anthropic",
    "@ai-sdk/openai": "openai",
    "@ai-sdk/anthropic": "anthropic",
}
"""Package → the part of ``uses`` it belongs to."""
_OTHER_DATABASES: Final = frozenset({"pg", "postgres", "mysql2", "@neondatabase/serverless"})
_LIBSQL: Final = frozenset({"@libsql/client", "@tursodatabase/serverless", "libsql"})


def framework(package: Mapping[str, Any]) -> str:
    """Return the framework whose build makes the Worker; empty: there is none."""
    named = _dependencies(package)
    return next((title for name, title in _FRAMEWORKS.items() if name in named), "")


def build(folder: Path, home: Path, content: Mapping[str, Any], program: str) -> str:
    """Return the command that must run before wrangler bundles; empty: none.

    A framework in a package above the configuration may be another application's.

    Args:
        folder: of the wrangler configuration.
        home: of the Worker's package.json, where the command is typed.
        content: the configuration; wrangler runs a ``build.command`` itself.
        program: the package manager.
    """
    package = node_packages.read(home)
    parts = [_script(folder, home, content, program)]
    if parts[0] and _OPENNEXT in _dependencies(package):
        parts.append(_as_files(home))
    parts.append(from_pages.compiling(folder, content) if folder == home else "")
    return " && ".join(filter(None, parts))


def _script(folder: Path, home: Path, content: Mapping[str, Any], program: str) -> str:
    """Return the command that runs the script ``build``, or OpenNext's; empty: none is needed."""
    package = node_packages.read(home)
    scripts = package.get("scripts") or {}
    if "build" not in scripts or (content.get("build") or {}).get("command"):
        return ""
    if _OPENNEXT in _dependencies(package) and _OPENNEXT_BUILD not in str(scripts["build"]):
        return f"npx {_OPENNEXT_BUILD} build"  # it runs the script, which makes no Worker by itself
    named = (content.get("main"), (content.get("assets") or {}).get("directory"))
    made = [name for name in named if name and tree.is_made(folder / str(name))]
    ours = folder == home or _is_named(folder, home)
    if not (made or (framework(package) and ours)):
        return ""
    return " && ".join(f"{program} run {name}" for name in ("build", *_after_build(scripts)))


def _is_named(folder: Path, home: Path) -> bool:
    """Return whether Vite's configuration names wrangler's in a folder (``configPath``)."""
    texts = (file.read_text(encoding="utf-8") for file in home.glob("vite.config.*"))
    named = (name for text in texts for name in _CONFIG_PATH.findall(text))
    return any((home / name).parent.resolve() == folder.resolve() for name in named)


def build_for(package: Mapping[str, Any], build: str, names: Iterable[str]) -> str:
    """Return the build of one environment, where a script of its own makes it; empty: none does.

    Args:
        package: the package.json.
        build: the build of all others, which runs the script ``build``.
        names: what the environment is called: ``build:staging`` is staging's.
    """
    scripts = package.get("scripts") or {}
    own = next((f"build:{n}" for n in names if f"build:{n}" in scripts), "")
    if not own or deploying.deploys(str(scripts[own])):
        return ""
    made = _BUILDING.sub(rf"\g<0>{own.removeprefix('build')}", build)
    return made if made != build else ""


def _as_files(home: Path) -> str:
    """Return what puts OpenNext's pages among the static files, where it keeps them there."""
    texts = [file.read_text(encoding="utf-8") for file in home.glob("open-next.config.*")]
    kept = any(_PAGES_AS_FILES in text for text in texts)
    return f"npx {_OPENNEXT_BUILD} populateCache local" if kept else ""


def _after_build(scripts: Mapping[str, Any]) -> list[str]:
    """Return the scripts that the repository's own ``deploy`` runs before wrangler does.

    Such as one that puts a file into what was built. What migrates, tests or deploys is none.
    """
    steps = [step.strip() for step in str(scripts.get("deploy", "")).split("&&")]
    if not any(_WRANGLER.match(step) for step in steps):
        return []
    before = itertools.takewhile(lambda step: not _WRANGLER.match(step), steps)
    named = [found[1] for step in before if (found := _SCRIPT.fullmatch(step))]
    return [
        name
        for name in named
        if name in scripts and name != "build" and not _OTHERWISE.search(f"{name} {scripts[name]}")
    ]


def site(package: Mapping[str, Any]) -> str:
    """Return the script by which a folder is deployed to Pages, up to it; empty: there is none."""
    texts = map(str, (package.get("scripts") or {}).values())
    found = next((match for text in texts if (match := _PAGES.search(text))), None)
    return found[0].strip() if found else ""


def parts(package: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the services whose SDK the Worker depends on, as ``uses`` calls them."""
    named = _dependencies(package)
    return tuple(dict.fromkeys(part for name, part in _PARTS.items() if name in named))


def configured(package: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return those of some variables that a framework reads by their names alone.

    Source: Nuxt, Runtime Config: ``NUXT_API_KEY`` is ``runtimeConfig.apiKey``.
    """
    if "nuxt" not in _dependencies(package):
        return []
    return [n for n in names if n.startswith("NUXT_") and not n.startswith("NUXT_PUBLIC_")]


def not_installed(folder: Path, package: Mapping[str, Any]) -> list[str]:
    """Return what package.json names and is not installed; a framework's build needs all of it."""
    named = {**(package.get("dependencies") or {})}
    if framework(package):
        named |= package.get("devDependencies") or {}
    return node_packages.missing(folder, named)


def libsql(package: Mapping[str, Any]) -> bool:
    """Return whether the Worker speaks to a libSQL database, such as Turso's."""
    return bool(_dependencies(package) & _LIBSQL)


def other_database(package: Mapping[str, Any]) -> bool:
    """Return whether the Worker speaks to a database that is no libSQL: its SQL is that one's."""
    return bool(_dependencies(package) & _OTHER_DATABASES) and not libsql(package)


def _dependencies(package: Mapping[str, Any]) -> set[str]:
    return {*(package.get("dependencies") or {}), *(package.get("devDependencies") or {})}
