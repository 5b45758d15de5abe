"""Which file and line of a repository an error or a finding is about."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from xswarm_deploy.adoption import tree
from xswarm_deploy.errors import DeployError

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Finding

INVOKE_YAML: Final = "invoke.yaml"
_CONFIG: Final = "deployment/config"
_PART: Final = r"[\w./+@$-]|\[+[\w.]+\]+|\(\w+\)(?=/)"  # app/(shop)/[...slug]/+page.svelte
_FILE: Final = rf"(?P<file>(?:{_PART})++)(?:(?::|,? line )(?P<line>\d{{1,9}}))?"
_SUFFIXES: Final = frozenset(
    {".sql", ".json", ".jsonc", ".toml", ".yaml", ".yml", ".env", ".py"}
    | {".astro", ".svelte", ".vue"}
    | {f".{kind}{language}{x}" for kind in ("", "c", "m") for language in "jt" for x in ("s", "sx")}
)
_LINE: Final = re.compile(r"\bline (?P<line>\d{1,9})")
_SETTING: Final = r"\bdeploy(?:\.[a-z0-9_]+)+"
_ROUTE: Final = r"\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (?P<path>/[^\s:]*)"
_WORD: Final = r"[A-Za-z_][\w-]{2,}"


class Place(NamedTuple):
    """A file, from the top of the checkout, and a line."""

    file: str
    line: int = 1


def of_error(error: DeployError, root: Path) -> Place | None:
    """Return where the cause of an error stands; None: nowhere in the repository."""
    text = f"{error.what}\n{error.why}"
    routed = re.search(_ROUTE, text)
    return _in_text(text, root) or (_route(routed["path"], root) if routed else None)


def of_finding(finding: Finding, root: Path, environment: str) -> Place | None:
    """Return where the cause of a finding stands; None: nowhere in the repository."""
    if finding.group == "variables":
        example = root / _CONFIG / f"{environment}.env.example"
        return _line_with(example, re.compile(rf"^#?\s*{re.escape(finding.name)}="), root)
    routed = re.fullmatch(_ROUTE, finding.name)
    if routed:
        return _route(routed["path"], root)
    found = _in_text(f"{finding.evidence}\n{finding.remedy}", root)
    if found is None and finding.group == "configuration":
        return _in_configuration(finding, root)
    return found


def _in_text(text: str, root: Path) -> Place | None:
    """Return the first file of the repository that a text names, with the line it names."""
    for named in re.finditer(_FILE, text):
        name = named["file"].rstrip(".")
        file = _find(name, root) if Path(name).suffix in _SUFFIXES else None
        if file:
            after = _LINE.search(text, named.end())
            line = named["line"] or (after["line"] if after else "1")
            setting = re.search(_SETTING, text)
            if file.name == INVOKE_YAML and setting and not named["line"]:
                return _setting(setting[0], root)
            return Place(_relative(file, root), int(line))
    setting = re.search(_SETTING, text)
    return _setting(setting[0], root) if setting else None


def _route(path: str, root: Path) -> Place | None:
    """Return the line of invoke.yaml that has a route."""
    written = re.compile(rf"path:\s*[\"']?{re.escape(path)}[\"']?\s*(?:[,}}]|$)")
    return _line_with(root / INVOKE_YAML, written, root)


def _setting(path: str, root: Path) -> Place | None:
    key = path.rpartition(".")[2]
    return _line_with(root / INVOKE_YAML, re.compile(rf"\b{re.escape(key)}\s*:"), root)


def _in_configuration(finding: Finding, root: Path) -> Place | None:
    """Return the line of wrangler's file with the key that a finding names; else its first."""
    file = next((each for each in tree.files(root) if each.name in tree.CONFIGURATIONS), None)
    if file is None:
        return None
    lines = _lines(file)
    for word in re.findall(_WORD, f"{finding.evidence} {finding.name}"):
        key = re.compile(rf"[\"']?{re.escape(word)}[\"']?\s*[:=]")
        at = next((n for n, line in enumerate(lines, 1) if key.search(line)), None)
        if at:
            return Place(_relative(file, root), at)
    return Place(_relative(file, root))


def _find(name: str, root: Path) -> Path | None:
    """Return the file that a text means, by its path from the project or by its name alone.

    A build lists what it makes before it says what is wrong: no file that git ignores is meant.
    """
    if (root / name).is_file():
        return None if tree.is_made(root / name) else root / name
    same: Iterable[Path] = (each for each in tree.files(root) if each.name == Path(name).name)
    return next(iter(same), None)


def _line_with(file: Path, wanted: re.Pattern[str], root: Path) -> Place | None:
    at = next((n for n, line in enumerate(_lines(file), 1) if wanted.search(line)), None)
    return Place(_relative(file, root), at) if at else None


def _lines(file: Path) -> list[str]:
    return list(_read(file))


def _read(file: Path) -> Iterator[str]:
    if file.is_file():
        yield from file.read_text(encoding="utf-8", errors="replace").splitlines()


def _relative(file: Path, root: Path) -> str:
    """Return a path from the top of the checkout, as GitHub names files."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    top = Path(workspace) if workspace else tree.top(root)
    return Path(os.path.relpath(file, top)).as_posix()
