"""Which events a Worker's main module handles, as the API tells of each version.

Cloudflare runs the module to know it. Here its text tells: the members of the default export, an
object or a class. Where the text does not tell (a framework's application, a class that inherits
from another of the Worker's own), ``fetch`` is among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

KNOWN: Final = ("fetch", "scheduled", "queue", "email", "tail", "trace")
FETCH: Final = ["fetch"]
_PYTHON: Final = re.compile(r"^[ \t]*+(?:async )?def (\w+)\(", re.MULTILINE)
_PYTHON_CLASSES: Final = re.compile(r"^class (\w+)", re.MULTILINE)
_EXPORT_ALL: Final = re.compile(r"\bexport\s*+\*")
_DECLARED: Final = re.compile(
    r"\bexport\s++(?:async\s++)?(?:class|function\b\s*\*?|const|let|var)\s++([\w$]++)"
)
_NAMED: Final = re.compile(
    r"(?<![\w$])([\w$]++) as default\b|\bexport default ([\w$]++)\s*+(?:;|$)"
)
_INLINE: Final = re.compile(r"\bexport default\s*+(?:class\b[^{]{0,200})?\{")
_TOKEN: Final = re.compile(
    r"""//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|"(?:\\.|[^"\\\n])*+"?|'(?:\\.|[^'\\\n])*+'?"""
    r"""|`(?:\\.|[^`\\])*+`?|(?<=[(,=:\[!&|?{};+])/(?:\\.|\[[^\]\n]{0,100}\]|[^/\\\n\[]){1,200}/"""
    r"""|[\w$]++|\S""",
    re.DOTALL,
)
_EXPORTS: Final = re.compile(
    r"\bexport\s*+(?:\{(?P<list>[^}]*+)\}|\*|(?P<name>default)\b"
    r"|(?:async\s++)?(?:class|function|const|let|var)\b)"
)
_INHERITED: Final = re.compile(r"\bextends\s++(?!WorkerEntrypoint\b)[\w$.]++[^{]{0,100}\{$")
_PYTHON_INHERITED: Final = re.compile(
    r"^(?:class Default\((?!(?:workers\.)?WorkerEntrypoint\))|(?:Default|on_fetch)\s*+=)",
    re.MULTILINE,
)
"""What a Worker inherits its handlers from, in part: another class, or what a call gives."""
_ALIASES: Final = 4  # how often one name is given another: a bundler calls Worker index_default
_BEFORE_A_NAME: Final = frozenset({"async", "static", "*"})
_DEEPER: Final = {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}


def of(source: str, *, python: bool) -> list[str]:
    """Return the events that a main module handles.

    Args:
        source: its text.
        python: whether it is Python's.
    """
    begin = len(source) if python else _begins(source)
    names = _of_python(source) if python else set(_members(source, begin))
    if _INHERITED.search(source[:begin]) if not python else _PYTHON_INHERITED.search(source):
        names |= {"fetch"}
    return [name for name in KNOWN if name in names] or FETCH


def exported(source: str, *, python: bool) -> list[str]:
    """Return the names of what a main module exports beside its default export: its entrypoints.

    Empty: none, or another module's, of which the text does not tell.

    Args:
        source: its text.
        python: whether it is Python's, whose classes at the top are exported.
    """
    if not python and _EXPORT_ALL.search(source):
        return []
    names = _PYTHON_CLASSES.findall(source) if python else [*_exported(source), *_declared(source)]
    return sorted({*names} - {"default", "Default", "*"})


def has_none(source: str) -> bool:
    """Return whether a module of JavaScript surely handles nothing: it exports nothing that could.

    A default export without members counts for nothing, anything else that is exported does.
    """
    others = [name for name in _exported(source) if name != "default"]
    if others or "addEventListener" in source:
        return False
    if "export" not in source:
        return True
    begin = _begins(source)
    inherits = _INHERITED.search(source[:begin])
    return begin < len(source) and not inherits and not any(_members(source, begin))


def _exported(source: str) -> Iterator[str]:
    """Yield the names that a module exports."""
    for found in _EXPORTS.finditer(source):
        listed = found["list"]
        names = listed.split(",") if listed is not None else [found["name"] or "*"]
        yield from (name.split()[-1] for name in names if name.strip())


def _declared(source: str) -> Iterator[str]:
    """Yield the names that are declared and exported at once."""
    yield from _DECLARED.findall(source)


def _of_python(source: str) -> set[str]:
    return {name.removeprefix("on_") for name in _PYTHON.findall(source)}


def _begins(source: str) -> int:
    """Return where the members of the default export begin; at the end: it cannot be told."""
    inline = _INLINE.search(source)
    if inline:
        return inline.end()
    exported = _NAMED.search(source.rstrip())
    name = re.escape(exported[1] or exported[2]) if exported else ""
    for _ in range(_ALIASES if name else 0):
        declared = rf"(?<![\w$.])(?:{name}\s*=\s*(?:class\b[^{{]*)?|class {name}\b[^{{]*)\{{"
        found = re.search(declared, source)
        if found:
            return found.end()
        alias = re.search(rf"(?<![\w$.]){name}\s*=\s*([\w$]+)\s*[;,]", source)
        name = re.escape(alias[1]) if alias else name
    return len(source)


def _members(source: str, begin: int) -> Iterator[str]:
    """Yield the names of an object's or a class's members."""
    depth, at_a_name = 0, True
    for found in _TOKEN.finditer(source, begin):
        part = found[0]
        if depth == 0 and part == "}":
            return
        if depth == 0 and at_a_name and part not in _BEFORE_A_NAME:
            yield part
        depth += _DEEPER.get(part, 0)
        ended = depth == 0 and part in (",", ";", "}")
        at_a_name = ended or (at_a_name and part in _BEFORE_A_NAME)
