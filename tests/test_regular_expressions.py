"""Every regular expression of this project is linear in the text it is asked about.

Anybody may write a path, a summary, a header or a migration. One expression that looks twice at
what it has read lets one request stop a Worker. So all expressions are collected from the source,
each gets texts made from its own parts (a part repeated, then one that does not fit), and twice
the text may take no more than about twice the time of the processor, up to 100 KB.
"""

from __future__ import annotations

import ast
import importlib
import re
import string
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from xswarm_deploy.settings.variables import VARIABLES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

kinds: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

ROOT = Path(__file__).parents[1]
SOURCES = {
    "xswarm_deploy": ROOT / "packages/deploy/src",
    "xswarm_monitoring": ROOT / "packages/monitoring/src",
    "xswarm_twin": ROOT / "packages/twin/src",
    "boss": ROOT / "worker/src",
}
sys.path.insert(0, str(ROOT / "worker/src"))
METHODS = ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
ANCHORED = ("match", "fullmatch")

FIRST = (500, 2_000, 8_000)  # characters that every text is tried at
THEN = (25_000, 100_000)  # and the slowest ones
SLOWEST = 6  # texts of each expression
PARTS = 14  # of an expression's own texts, by each of two choices of characters
TOO_LONG = 0.5  # seconds: nothing that is linear takes it
SURELY = 3.0  # times at twice a short text, whose time is less exact
STEEPEST = 2.5  # of the time at twice the text; quadratic is 4
PER_CHARACTER = 0.2e-6  # seconds: what is quicker than this is not judged by its growth


class Expression(NamedTuple):
    """One expression of the source, and how it is asked."""

    place: str
    pattern: Any
    anchored: bool


def modules() -> dict[str, Path]:
    """Return the modules that import ``re``, by their names."""
    found = {}
    for package, folder in SOURCES.items():
        for file in sorted((folder / package).rglob("*.py")):
            name = ".".join(file.relative_to(folder).with_suffix("").parts)
            if re.search(r"^import re$", file.read_text(encoding="utf-8"), re.MULTILINE):
                found[name.removesuffix(".__init__")] = file
    return found


def expressions(name: str, file: Path) -> list[Expression]:
    """Return every expression that a module compiles, or hands to a function of ``re``."""
    return list(_of_module(name, ast.parse(file.read_text(encoding="utf-8"))))


def _of_module(name: str, tree: ast.Module) -> Iterator[Expression]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        method = _of_re(call)
        if method not in (*METHODS, "compile"):
            continue
        for pattern in _patterns(name, call, method):
            anchored = method in ANCHORED or (method == "compile" and _only_anchored(tree, call))
            yield Expression(f"{name}:{call.lineno}", pattern, anchored)


def _of_re(call: ast.Call) -> str:
    asked = call.func
    if isinstance(asked, ast.Attribute) and isinstance(asked.value, ast.Name):
        return asked.attr if asked.value.id == "re" else ""
    return ""


def _only_anchored(tree: ast.Module, compiled: ast.Call) -> bool:
    """Return whether a compiled expression's name is only ever asked from a fixed beginning."""
    names = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is compiled
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    asked = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
    ]
    return bool(asked) and all(method in ANCHORED for method in asked)


def _patterns(name: str, call: ast.Call, method: str) -> list[Any]:
    flags = next((each.value for each in call.keywords if each.arg == "flags"), None)
    place = {"compile": 1, "search": 2, "match": 2, "fullmatch": 2}.get(method, 9)
    flags = call.args[place] if flags is None and len(call.args) > place else flags
    module = importlib.import_module(name)
    scope = {**vars(module)}
    given = _value(call.args[0], scope)
    options = 0 if flags is None else eval(ast.unparse(flags), scope)
    texts = given if isinstance(given, list) else [given]
    return [re.compile(text, options) for text in texts if text is not None]


def _value(node: ast.expr, scope: dict[str, Any]) -> Any:
    """Evaluate an expression's text; what only a call knows is stood in for by a word."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_value(part, scope) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        found = _value(node.value, scope)
        return found if isinstance(found, str) else "word"
    try:
        return eval(ast.unparse(node), scope)
    except (NameError, AttributeError):
        return None


def settings_patterns() -> Iterator[Expression]:
    """Return the forms that variables must have."""
    for variable in VARIABLES:
        if variable.pattern:
            yield Expression(f"variables:{variable.name}", re.compile(variable.pattern), True)


def texts_of(pattern: Any) -> list[str]:
    """Return short texts that an expression is made for, part by part."""
    wide = parser.parse(pattern.pattern, pattern.flags & ~re.LOCALE)
    both = [list(dict.fromkeys(_walk(wide, pick)))[-PARTS:] for pick in (0, -1)]
    return [text for text in dict.fromkeys(both[0] + both[1]) if text]


def _walk(parsed: Any, pick: int) -> Iterator[str]:
    """Return a sample of each part, of the beginning up to each part, and of what repeats."""
    began = ""
    for operation, value in parsed:
        for inner in _inner(operation, value):
            yield from _walk(inner, pick)
            yield from (began + text for text in list(_walk(inner, pick))[:3])
        text = _sample(operation, value, pick)
        began += text
        yield text
        yield began


def _inner(operation: Any, value: Any) -> list[Any]:
    if operation in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
        return [value[2]]
    if operation is kinds.SUBPATTERN:
        return [value[3]]
    if operation is kinds.BRANCH:
        return list(value[1])
    if operation is kinds.ATOMIC_GROUP:
        return [value]
    if operation in (kinds.ASSERT, kinds.ASSERT_NOT):
        return [value[1]]
    return []


def _sample(operation: Any, value: Any, pick: int) -> str:
    if operation is kinds.LITERAL:
        return chr(value)
    if operation is kinds.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if operation is kinds.ANY:
        return "a"
    if operation is kinds.IN:
        return _member(value, pick)
    if operation in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
        return "".join(_sample(part[0], part[1], pick) for part in value[2]) * max(
            1, min(int(value[0]), 40)
        )
    if operation is kinds.BRANCH:
        return "".join(_sample(part[0], part[1], pick) for part in value[1][0])
    return "".join(
        "".join(_sample(part[0], part[1], pick) for part in inner)
        for inner in _inner(operation, value)[:1]
    )


def _member(value: Any, pick: int) -> str:
    """Return a character of a set: a letter where it has one, or the last sign it takes."""
    text = "[" + "".join(_shown(*each) for each in value) + "]"
    fits = re.compile(text)
    every = [*string.ascii_lowercase, *string.digits, " ", *string.punctuation]
    found = [each for each in every if fits.match(each)] or [x for x in "\t\0é" if fits.match(x)]
    return found[pick] if found else ""


def _shown(operation: Any, value: Any) -> str:
    classes = {
        kinds.CATEGORY_DIGIT: r"\d",
        kinds.CATEGORY_NOT_DIGIT: r"\D",
        kinds.CATEGORY_SPACE: r"\s",
        kinds.CATEGORY_NOT_SPACE: r"\S",
        kinds.CATEGORY_WORD: r"\w",
        kinds.CATEGORY_NOT_WORD: r"\W",
    }
    if operation is kinds.NEGATE:
        return "^"
    if operation is kinds.LITERAL:
        return re.escape(chr(value))
    if operation is kinds.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return classes[value]


def attacks(pattern: Any) -> Iterator[Callable[[int], str]]:
    """Return makers of long texts: a beginning, a part repeated, and an end that does not fit."""
    parts = texts_of(pattern)
    pumps = dict.fromkeys([*parts, *(f"{part}-" for part in parts), "a", "a-", "a "])
    for pump in pumps:
        for start in dict.fromkeys(["", *parts[-2:]]):
            yield partial(_text, start, pump)


def _text(start: str, pump: str, size: int) -> str:
    return start + pump * (size // len(pump) + 1) + "\0 !"


def asked(expression: Expression, text: Any) -> float:
    """Return the processor's seconds that an expression takes for a text."""
    pattern = expression.pattern
    given = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    began = time.thread_time()
    if expression.anchored:
        pattern.fullmatch(given)
        pattern.match(given)
    else:
        for _ in pattern.finditer(given):
            pass
    return time.thread_time() - began


def steepest(expression: Expression) -> tuple[float, str]:
    """Return by how much the time grows at most at twice the text, and the text that shows it."""
    ranked: list[tuple[float, Callable[[int], str]]] = []
    for make in attacks(expression.pattern):
        growth, took = _growth(expression, make, FIRST, times=1)
        if growth > SURELY:  # or the one look was disturbed
            growth, took = _growth(expression, make, FIRST)
        if growth > SURELY:
            return growth, make(40)
        ranked.append((took, make))
    ranked.sort(key=lambda each: -each[0])
    return max((_surely(expression, make), make(40)) for _, make in ranked[:SLOWEST])


def _surely(expression: Expression, make: Callable[[int], str]) -> float:
    """Return by how much the time grows at long texts; more than allowed is measured again."""
    growth, _ = _growth(expression, make, THEN, times=1)
    return _growth(expression, make, THEN)[0] if growth > STEEPEST else growth


def _growth(
    expression: Expression, make: Callable[[int], str], sizes: Sequence[int], times: int = 3
) -> tuple[float, float]:
    """Return by how much the time grows where the text doubles, and the last time.

    The shortest of so many times counts: whatever disturbs a measure makes it longer.

    0 where even the longest text is too quick to be judged.
    """
    first, last, size = 0.0, 0.0, 0
    for size in sizes:
        text = make(size)
        # The shortest text's time is what the others' are compared with: a long one by mistake
        # would hide how much they grow.
        again = times if first else max(times, 3)
        last = min(asked(expression, text) for _ in range(again))
        first = first or last
        if last > TOO_LONG:
            break
    doublings = log2(size / sizes[0])
    if not doublings or last < PER_CHARACTER * size:
        return (float("inf") if last > TOO_LONG else 0.0), last
    return (last / first) ** (1 / doublings), last


MODULES = modules()  # their expressions are looked for in the test: that imports them all


@pytest.mark.parametrize("name", MODULES)
def test_twice_the_text_takes_twice_the_time(name: str) -> None:
    for expression in expressions(name, MODULES[name]):
        require_linear(expression)


def test_the_forms_of_variables_are_linear_too() -> None:
    for expression in settings_patterns():
        require_linear(expression)


def require_linear(expression: Expression) -> None:
    growth, text = steepest(expression)
    for _ in range(4):  # another process may have disturbed the measure; a slow text stays slow
        if growth > STEEPEST:
            growth, text = steepest(expression)
    assert growth <= STEEPEST, f"{expression.place}: {text!r}: {growth:.1f} times at twice the text"


@pytest.mark.parametrize(
    "pattern",
    [
        r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        r"(?i)\b[\w-]*(?:password|token)[\w-]*\s*[=:]\s*\S+",
        r"(?s)/\*.*?\*/",
        r"\[[^\]]*\]",
        r"(?i)([?&][^=&]*(?:token|key)[^=&]*=)[^&#]*",
        r"\beyJ[\w-]{8,}\.[\w-]+",
        r"(\w+://)[^/\s:@]+@",
    ],
)
def test_the_measure_finds_what_once_stopped_a_worker(pattern: str) -> None:
    once = Expression("once", re.compile(pattern), anchored=False)
    assert steepest(once)[0] > STEEPEST


def test_no_expression_is_overlooked() -> None:
    """Whoever compiles by another way than ``re`` would not be measured."""
    for package, folder in SOURCES.items():
        for file in (folder / package).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"^\s*from re import|^\s*import regex|import re as", text, re.M)
    for name in ("xswarm_monitoring.redaction", "boss.inputs"):
        assert expressions(name, MODULES[name])
    assert list(settings_patterns())
