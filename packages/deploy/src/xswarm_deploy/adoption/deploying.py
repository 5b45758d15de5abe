"""How a repository deployed until now: what its scripts tell wrangler, and who else deploys.

A release reads wrangler's file alone, so that a flag of ``wrangler deploy`` is to be written there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

FLAGS: Final[Mapping[str, str]] = {
    "assets": "assets",
    "alias": "alias",
    "compatibility-date": "compatibility_date",
    "compatibility-flag": "compatibility_flags",
    "compatibility-flags": "compatibility_flags",
    "define": "define",
    "domain": "routes",
    "domains": "routes",
    "jsx-factory": "jsx_factory",
    "jsx-fragment": "jsx_fragment",
    "keep-vars": "keep_vars",
    "latest": "compatibility_date",
    "logpush": "logpush",
    "minify": "minify",
    "no-bundle": "no_bundle",
    "route": "routes",
    "routes": "routes",
    "schedule": "triggers",
    "schedules": "triggers",
    "triggers": "triggers",
    "tsconfig": "tsconfig",
    "upload-source-maps": "upload_source_maps",
    "var": "vars",
    "zone": "routes",
    "zones": "routes",
    "zone-id": "routes",
    "zone-ids": "routes",
}
"""Flag of ``wrangler deploy`` → the key of its file that says the same."""
OTHERWISE: Final = frozenset(
    {
        *("config", "env", "name", "cwd"),  # which Worker, and from where: see named()
        *("tag", "message", "dry-run", "outdir", "outfile", "metafile", "strict", "old-asset-ttl"),
        *("help", "version", "profile", "env-file", "install-skills", "autoconfig"),
        *("experimental-route-zones", "x-route-zones", "secrets-file"),
        # what a release refuses by the check, or does in its own way
        *("dispatch-namespace", "containers-rollout", "durable-objects-code-update-mode"),
    }
)
"""Its other flags: they say nothing that the file could."""
_SEVERAL: Final = frozenset(
    {"alias", "compatibility_flags", "define", "routes", "triggers", "vars"}
)
"""Keys to which a flag adds."""
_SHORT: Final = {"c": "config", "e": "env"}
_VERBS: Final = ("deploy", "publish")
_DEVELOPS: Final = ("dev",)
_SWITCHES: Final = frozenset(
    {
        *("minify", "no-bundle", "keep-vars", "upload-source-maps", "latest", "logpush", "strict"),
        *("dry-run", "local", "remote", "live-reload", "test-scheduled", "x-remote-bindings"),
    }
)
"""Flags without a value, so that a file after one is the Worker's."""
_CODE: Final = re.compile(r"[\w./@-]+\.(?:[cm]?[jt]sx?|py)")
_PROGRAMS: Final = ("wrangler", "opennextjs-cloudflare")
_MANAGERS: Final = frozenset({"npm", "pnpm", "yarn", "bun"})
_SCRIPT: Final = re.compile(r"(?:npm|pnpm|yarn|bun) (?:run )?([\w:.-]+)")
_ELSEWHERE: Final = re.compile(
    r"\bmigrat|\bwrangler\b|test\b|lint|check|\btsc\b|typegen|prettier|biome|format|^(?:cd|echo|exit|set|export)\b"
)
_MIGRATES: Final = re.compile(
    r"\b(?:drizzle-kit (?:migrate|push)|prisma (?:migrate deploy|db push))\b"
)
"""What would run again what releases have applied: its ledger is not kept."""
_D1: Final = re.compile(r"\bwrangler d1 (?:migrations apply|execute) +(?!-)(\S+)")
_FILTER: Final = re.compile(r"--filter[= ](\S+)")
_RUNNERS: Final = _MANAGERS | {"npx", "run", "turbo"}
_TOKEN: Final = re.compile(r"[\w:./@-]+")
_ENDS: Final = frozenset({"&&", "||", ";", "|", "&"})
_DEPLOYS: Final = re.compile(
    r"^(?!\s*#).*(?:cloudflare/wrangler-action"
    r"|\b(?:wrangler|opennextjs-cloudflare)(?:@\S+)? (?:deploy|publish)\b)",
    re.MULTILINE,
)


def flags(package: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, str]:
    """Return flag → key of wrangler's file, of what the scripts say and the file does not.

    Args:
        package: the package.json.
        content: the configuration.
    """
    told = {flag: FLAGS[flag] for flag, _ in _given(package) if flag in FLAGS}
    return {f: key for f, key in told.items() if key in _SEVERAL or key not in content}


def named(package: Mapping[str, Any], flag: str) -> list[str]:
    """Return what the scripts give a flag, such as the name of the Worker that is live."""
    return list(dict.fromkeys(value for name, value in _given(package) if name == flag and value))


def developed(package: Mapping[str, Any], config: str) -> str:
    """Return the part under ``env`` that ``wrangler dev`` runs by the scripts; empty: none.

    Of several scripts ``dev`` and ``start`` are what people type.

    Args:
        package: the package.json.
        config: the configuration, from there: a script may run another one (``--config``).
    """
    scripts = {name: str(text) for name, text in (package.get("scripts") or {}).items()}
    ordered = sorted(scripts, key=lambda name: name not in ("dev", "start"))
    given = (dict(_of_script(scripts[name], _DEVELOPS)) for name in ordered)
    ours = (flags for flags in given if Path(flags.get("config", config)) == Path(config))
    return next((flags["env"] for flags in ours if flags.get("env")), "")


def of_d1(package: Mapping[str, Any]) -> str:
    """Return the D1 database that the scripts name to ``wrangler d1``; empty: none."""
    scripts = (str(text) for text in (package.get("scripts") or {}).values())
    return next((found[1] for text in scripts if (found := _D1.search(text))), "")


def entry(package: Mapping[str, Any]) -> str:
    """Return the file that the scripts give wrangler as the Worker's first; empty: none."""
    scripts = (str(text) for text in (package.get("scripts") or {}).values())
    commands = (command for text in scripts for command in _commands(_words(text)))
    run = (command for command in commands if _is_run(command, (*_VERBS, *_DEVELOPS)))
    given = (pair for command in run for pair in pairwise(command))
    files = (after for before, after in given if _CODE.fullmatch(after) and not _takes(before))
    return next(files, "")


def _takes(word: str) -> bool:
    """Return whether the next word is the value of this one."""
    return word.startswith("-") and "=" not in word and _name(word) not in _SWITCHES


def beside(package: Mapping[str, Any], build: str) -> list[str]:
    """Return what scripts that deploy run beside wrangler, and a release does not.

    Args:
        package: the package.json; ``deploy:production`` is looked at as ``deploy`` is.
        build: what a release runs.
    """
    scripts = {name: str(text) for name, text in (package.get("scripts") or {}).items()}
    hooks = [f"{when}{name}" for name in _deploying(package) for when in ("pre", "", "post")]
    run = [each for hook in hooks for each in _texts(scripts, hook)]
    return [text for text in dict.fromkeys(run) if not _is_known(text, scripts, build)]


def migrating(package: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return command → the scripts that migrate by it, and so by a ledger that no release keeps."""
    found: dict[str, list[str]] = {}
    for name, text in (package.get("scripts") or {}).items():
        for command in _MIGRATES.findall(str(text)):
            found.setdefault(command, []).append(str(name))
    return found


def _texts(scripts: Mapping[str, str], name: str) -> Iterator[str]:
    commands = _commands(_words(scripts.get(name, "")))
    return (" ".join(command) for command in commands if command and not _is_deployment(command))


def _is_known(command: str, scripts: Mapping[str, str], build: str) -> bool:
    """Return whether a release runs a command, or a pipeline does: tests, linters, migrations."""
    named = _SCRIPT.fullmatch(command)
    meant = f"{command} {scripts.get(named[1], '')}" if named else command
    built = command.removeprefix("npx ") in build or _is_filtered(command, build)
    return built or bool(_ELSEWHERE.search(meant))


def _is_filtered(command: str, build: str) -> bool:
    """Return whether a build does, for the packages of a workspace, what a command does."""
    packages, script = _filtered(command)
    built, does = _filtered(build)
    return bool(packages) and packages <= built and script <= does


def _filtered(command: str) -> tuple[set[str], set[str]]:
    """Return the packages that a command is for, and what it runs there."""
    packages = {name.strip("\"'.^") for name in _FILTER.findall(command)}
    return packages, {*_FILTER.sub("", command).split()} - _RUNNERS


def others(top: Path, package: Mapping[str, Any]) -> Iterator[Path]:
    """Return the workflows that deploy by wrangler: they would put a version past a release.

    Args:
        top: of the checkout.
        package: the package.json, whose scripts they may run.
    """
    scripts = set(_deploying(package))
    for file in sorted((top / ".github/workflows").glob("*.y*ml")):
        text = file.read_text(encoding="utf-8", errors="replace")
        if _DEPLOYS.search(text) or any(_runs(line, scripts) for line in text.splitlines()):
            yield file


def _deploying(package: Mapping[str, Any]) -> Iterator[str]:
    """Return the names of the scripts that deploy."""
    for name, text in (package.get("scripts") or {}).items():
        if deploys(str(text)):
            yield str(name)


def deploys(script: str) -> bool:
    """Return whether a script deploys by wrangler."""
    return any(_is_deployment(command) for command in _commands(_words(script)))


def _runs(line: str, scripts: Container[str]) -> bool:
    """Return whether a line runs one of some scripts, of a package of the workspace, too."""
    words = [] if line.lstrip().startswith("#") else _TOKEN.findall(line)
    at = next((number for number, word in enumerate(words) if word in _MANAGERS), len(words))
    return any(word in scripts for word in words[at:])


def _given(package: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for text in (package.get("scripts") or {}).values():
        yield from _of_script(str(text))


def _of_script(text: str, verbs: Container[str] = _VERBS) -> Iterator[tuple[str, str]]:
    """Return the flags that a script gives ``wrangler deploy``, each with its value."""
    for command in _commands(_words(text)):
        if _is_run(command, verbs):
            for word, after in pairwise([*command, "-"]):
                if word.startswith("-"):
                    flag, _, value = word.partition("=")
                    yield _name(flag), value or ("" if after.startswith("-") else after)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that does not end: a shell would not take it either
        return []


def _commands(words: Iterable[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in words:
        if word in _ENDS:
            yield command
            command = []
        else:
            command.append(word)
    yield command


def _is_deployment(command: list[str]) -> bool:
    return _is_run(command, _VERBS)


def _is_run(command: list[str], verbs: Container[str]) -> bool:
    return any(a.partition("@")[0] in _PROGRAMS and b in verbs for a, b in pairwise(command))


def _name(word: str) -> str:
    """Return a flag's name as wrangler's help has it; it takes ``--keepVars``, too."""
    name = re.sub("(?<=[a-z])(?=[A-Z])", "-", word.lstrip("-")).lower()
    return _SHORT.get(name, name)
