"""wrangler's configuration as a release reads it, and as wrangler does: key by key, form by form.

The values of each key are made from the schema of the wrangler that is installed. Where wrangler
takes a file, a release reads the same of it, or refuses it and says what; where wrangler does not,
its dry run says so, and until then nothing may break.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest

from tests.bundling.reading import BASE, TOP, Case, by_wrangler, of, samples
from xswarm_deploy.bundling import configuration, configuration_shape, wrangler
from xswarm_deploy.bundling.configuration_keys import KEYS, PARTS, Fate
from xswarm_deploy.errors import Refused
from xswarm_deploy.steps.unversioned.changes import RESOURCES

pytestmark = pytest.mark.slow

Read = Mapping[str, Any]
RESOLVED = {"$schema", "env", "main", "base_dir", "build", "dev", "python_modules", "rules"} | {
    *("jsx_factory", "jsx_fragment", "pages_build_output_dir", "site", "tsconfig"),
    *("data_blobs", "text_blobs", "wasm_modules"),
}
"""Keys in which wrangler resolves paths, or fills in defaults of its own; a release reads none."""
ODD, FEW = 12, 3
"""How many values a key gets that a release reads itself, and any other."""
JSON = {
    "a byte order mark": "\ufeff{%s}",
    "line ends of Windows": '{%s,\r\n"vars": {"A": "1",\r\n},\r\n}',
    "comments": '{/* c */%s, // x\n"vars": {"A": "// no", "B": "/* no */"},}',
    "a key twice": '{%s, "vars": {"A": 1, "A": 2}, "logpush": true, "logpush": false}',
    "escapes": '{%s, "vars": {"A": "\\/\\ud83d\\ude00\\u2028\\t", "": "no name"}}',
    "a trailing comma in each list": '{%s, "routes": ["a.com/*",], "rules": [],}',
    "no comma may be alone": "{%s, , }",
    "a tabulator in a text": '{%s, "vars": {"A": "a\tb"}}',
    "single quotes": "{%s, 'vars': {}}",
    "nothing": "",
    "null": "null",
}
TOML = {
    "TOML with a byte order mark": "\ufeff%s",
    "TOML with line ends of Windows": "%s[vars]\r\nA = 1\r\n",
    "dotted keys": '%svars.A = "x"\nvars.B.C = 1\n',
    "texts of several lines": "%s[vars]\nA = \"\"\"\na\\\n  b\"\"\"\nB = '''\n\\n'''",
    "quoted and spaced keys": '%s[ vars ]\n"a.b" = 1\n[  vars . "C" ]\nD = 0x1_f\n',
    "a list of tables": '%s[[workflows]]\nname = "w"\nbinding = "W"\nclass_name = "C"\n',
    "an environment in TOML": '%slogpush = true\n[env.e]\nroutes = [\n "a.com/*", # c\n]\n',
    "an inline table of several lines": "%svars = {\n A = 1, # one\n B = { C = 2, },\n}\n",
    "escapes of TOML 1.1": "%s[vars]\nA = \"\\e[1m\\x41\"\nB = '\\e'\n",
    "a comma that is alone": "%svars = { A = 1,, }\n",
    "a brace in a text": "%svars = {\n A = \"}, # no\", B = '{' }\n",
    "an inline list of tables": '%sroutes = [ { pattern = "a.com",\n custom_domain = true, }, ]\n',
    "a table twice": "%s[vars]\nA = 1\n[vars]\nB = 1\n",
}
HEADS = {
    "json": json.dumps(BASE)[1:-1],
    "toml": "".join(f'{key} = "{value}"\n' for key, value in BASE.items()),
}


def _values(key: str) -> list[Any]:
    most = ODD if key in PARTS or KEYS[key].fate is Fate.SET else FEW
    found: list[Any] = ["2026-02-01"] if key == "compatibility_date" else []
    for value in islice(samples(TOP[key]), most):
        if not any(value == one and type(value) is type(one) for one in found):
            found.append(value)
    return found


def _of_key(key: str) -> Iterator[Case]:
    """Yield a value at the top, inherited, of an environment alone, and in place of another."""
    values = _values(key)
    usual = next((value for value in values if value), values[0])
    for value in [*values, None]:
        yield of({key: value})
        yield of({key: value, "env": {"e": {}}}, "e")
        yield of({"env": {"e": {key: value}}}, "e")
        yield of({key: usual, "env": {"e": {key: value}}}, "e")


def _of_routes() -> Iterator[Case]:
    """Yield each way in which ``route`` and ``routes`` meet, here and at the top level."""
    own_domain = {"pattern": "c.com", "custom_domain": True}
    lists: list[list[Any]] = [[], ["b.com/*"], [own_domain]]
    tables: list[dict[str, Any]] = [{}, {"route": "a.com/*"}, {"route": ""}]
    tables += [{"routes": routes} for routes in lists]
    tables += [{"route": "", "routes": ["b.com/*"]}]
    for above, own in product(tables, tables):
        yield of({**above, "env": {"e": own}}, "e")


def _of_texts(texts: Mapping[str, str], suffix: str) -> Iterator[tuple[str, list[Case]]]:
    """Yield forms of a file: each has a mark where the keys stand that every file has."""
    for name, text in texts.items():
        part = "e" if "[env.e]" in text else ""
        yield name, [Case(text.replace("%s", HEADS[suffix]), part, suffix)]


CASES: dict[str, list[Case]] = {
    **{key: list(_of_key(key)) for key in KEYS if key not in ("$schema", "env")},
    "route and routes": list(_of_routes()),
    **dict(_of_texts(JSON, "json")),
    **dict(_of_texts(TOML, "toml")),
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[tuple[Path, Case, Any]]]:
    """Return each case, its file, and what wrangler reads there; None: it refuses that."""
    work = tmp_path_factory.mktemp("reading")
    named = [(name, case) for name, cases in CASES.items() for case in cases]
    files = [case.written(work / str(number)) for number, (_, case) in enumerate(named)]
    parts = [case.environment for _, case in named]
    told = by_wrangler(list(zip(files, parts, strict=True)), work)
    found: dict[str, list[tuple[Path, Case, Any]]] = {name: [] for name in CASES}
    for (name, case), file, theirs in zip(named, files, told, strict=True):
        found[name].append((file, case, theirs))
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what fills in wrangler's defaults: those of a file that says nothing."""
    work = tmp_path_factory.mktemp("defaults")
    [defaults] = by_wrangler([(of({}).written(work / "w"), "")], work)
    assert defaults is not None
    return partial(_filled, defaults)


def _filled(defaults: Read, content: Read) -> dict[str, Any]:
    whole = {**defaults, **content}
    tables = {key: value for key, value in defaults.items() if isinstance(value, dict)}
    for key, default in tables.items():
        if isinstance(whole[key], dict):
            whole[key] = {**default, **whole[key]}
    if whole.get("routes") is not None:
        whole["route"] = None  # wrangler reads it only where there are no routes
    kept = [key for key in KEYS if key not in RESOLVED and whole.get(key) is not None]
    return {key: whole[key] for key in kept}


def _ours(file: Path, case: Case) -> Read:
    content = wrangler.parsed(file)
    if case.environment:
        content = wrangler.environment(content, case.environment)
    configuration_shape.require(content, file.name)
    return content


def _described(content: Read) -> dict[str, Any]:
    """Return what is set beside the version; without the tags, which the whole file tells."""
    found = {name: one.described(content, "shop") for name, one in RESOURCES.items()}
    settings = {key: value for key, value in (found["settings"] or {}).items() if key != "tags"}
    return {**found, "settings": settings}


@pytest.mark.parametrize("name", CASES)
def test_a_release_reads_what_wrangler_reads(
    read: Mapping[str, list[tuple[Path, Case, Any]]], filled: Any, name: str
) -> None:
    for file, case, theirs in read[name]:
        try:
            ours = _ours(file, case)
            described = _described(ours)
        except Refused:
            assert theirs is None, case
            continue
        if theirs is None or "route" in configuration.refused(ours):
            continue
        assert filled(ours) == filled(theirs), case
        assert described == _described(filled(theirs)), case


def test_enough_of_the_cases_are_taken_by_wrangler(
    read: Mapping[str, list[tuple[Path, Case, Any]]],
) -> None:
    """What wrangler refuses compares nothing: each key needs a value that it takes."""
    taken = {name: sum(theirs is not None for *_, theirs in cases) for name, cases in read.items()}
    refused = {name for name, count in taken.items() if not count}
    assert refused == {
        *(
            "no comma may be alone",
            "a tabulator in a text",
            "single quotes",
            "a comma that is alone",
            "a table twice",
        ),
        *("nothing", "null"),
    }
