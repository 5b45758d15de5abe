"""The reference, made from the code: every task and flag, setting, variable and exit code."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from invoke.collection import Collection
from invoke.parser.argument import Argument

from xswarm_deploy.cli.catalogue import flags
from xswarm_deploy.errors import EXIT_CODES, ExitCode
from xswarm_deploy.settings import schema
from xswarm_deploy.settings.process import PROCESS
from xswarm_deploy.settings.variables import PRODUCTION, STAGING, VARIABLES, Sent, Variable

_NOTE: Final = "<!-- Made from the code by `./inv config.reference`; do not edit. -->"
_WHERE: Final[Mapping[Sent, str]] = {
    Sent.WORKER_SECRET: "the Worker, secret",
    Sent.WORKER_VARIABLE: "the Worker, plain",
    Sent.HERE: "here only",
}


def pages(collection: Collection) -> dict[str, str]:
    """Return the name of each page and its Markdown.

    Args:
        collection: all tasks.
    """
    return {
        "tasks.md": _page("Tasks", _tasks(collection)),
        "settings.md": _page("Settings of invoke.yaml", _settings()),
        "variables.md": _page("Variables", _variables()),
        "exit-codes.md": _page("Exit codes", _exit_codes()),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", _NOTE, "", *lines]).rstrip() + "\n"


def _tasks(collection: Collection) -> Iterator[str]:
    yield "Name the environment first: `xswarm production check`. In this repository's checkout the"
    yield "program is `./inv`, elsewhere `xswarm`; `inv` of Invoke works as well. Flags of Invoke"
    yield "itself (`--dry`, `--list`, `--help`) stand before the first task."
    yield ""
    for name, task in sorted(_all(collection)):
        arguments = flags(task)
        yield f"## {name}"
        yield ""
        yield str(task.__doc__).partition("\n")[0]
        yield ""
        if arguments:
            yield from _table(("flag", "what it does", "default"), map(_flag, arguments))


def _flag(argument: Argument) -> tuple[str, str, str]:
    name = f"`{str(argument.name).replace('_', '-').upper()}`"
    if not argument.positional:
        long = str(argument.name).replace("_", "-")
        name = f"`--no-{long}`" if argument.kind is bool and argument.default else f"`--{long}`"
        name += "" if argument.kind is bool else f" {_kind(argument)}"
    shown = "" if argument.default in (None, "", False, True) else f"`{argument.default}`"
    told = argument.help or ""
    negated = argument.kind is bool and argument.default is True
    return name, f"not: {told}" if negated else told, shown


def _kind(argument: Argument) -> str:
    return {int: "NUMBER", float: "NUMBER", str: "TEXT"}.get(argument.kind, "TEXT")


def _all(collection: Collection, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return every task by the name that is typed; a group's default by the group's alone."""
    for name, task in collection.tasks.items():
        default = prefix and name == collection.default
        yield (prefix.rstrip(".") if default else prefix + name), task
    for name, inner in collection.collections.items():
        yield from _all(inner, f"{prefix}{name}.")


def _settings() -> Iterator[str]:
    yield "Each may be set in the process environment, too: `deploy.verify.timeout_seconds` as"
    yield "`INVOKE_DEPLOY_VERIFY_TIMEOUT_SECONDS`; a list by commas. What stands under"
    yield "`deploy.environments.production`, `.staging` or `.local` is laid over the rest."
    yield ""
    properties = schema.document()["properties"]
    for name in ("deploy", "monitor"):
        for heading, said, rows in _blocks(name, properties[name]):
            yield f"## {heading}"
            yield ""
            yield said
            yield ""
            yield from _table(("setting", "kind", "default", "what it is"), rows)


def _blocks(
    path: str, block: Mapping[str, Any]
) -> Iterator[tuple[str, str, Iterator[tuple[str, ...]]]]:
    inner = {name: each for name, each in block["properties"].items() if _below(each)}
    plain = {name: each for name, each in block["properties"].items() if name not in inner}
    yield path, block.get("description", ""), (_setting(*item) for item in plain.items())
    for name, each in inner.items():
        if name != "environments":
            lists = "[]" if each.get("type") == "array" else ""
            yield from _blocks(f"{path}.{name}{lists}", _below(each))


def _below(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the block of settings that a value is, or that a list of it holds; else nothing."""
    found: Mapping[str, Any] = value.get("items", value)
    return found if "properties" in found else {}


def _setting(name: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    default = value.get("default")
    shown = "" if default is None else f"`{str(default).lower() if default is True else default}`"
    return f"`{name}`", _kinds(value), shown, value.get("description", "")


def _kinds(value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"] if each)
    if "anyOf" in value:
        return " or ".join(sorted({_kinds(each) for each in value["anyOf"]}))
    kind = value.get("type")
    if isinstance(kind, list):
        return " or ".join(kind)
    named = {"array": "list", "object": "mapping", "string": "text", "boolean": "true or false"}
    return named.get(str(kind), str(kind))


def _variables() -> Iterator[str]:
    yield "Those of the environment files, `deployment/config/*.env`; in staging and production the"
    yield "process environment goes before the file. A Worker gets those that its part of `uses`"
    yield "brings, and those that `deploy.worker.secrets` and `.variables` name."
    yield ""
    groups = dict.fromkeys(variable.group for variable in VARIABLES)
    for group in groups:
        rows = (_variable(each) for each in VARIABLES if each.group == group)
        yield f"## {group}"
        yield ""
        yield from _table(("name", "what it is", "goes to", "needed", "default"), rows)
    yield "## Of the process"
    yield ""
    yield "Read from the process environment alone."
    yield ""
    yield from _table(("name", "what it does"), ((f"`{n}`", t) for n, t in PROCESS.items()))


def _variable(variable: Variable) -> tuple[str, ...]:
    names = dict.fromkeys(variable.file_name(each) for each in (PRODUCTION, STAGING))
    needed = f"with `{variable.part}`" if variable.part else "always"
    needed = "where the Worker has none" if variable.workers_own else needed
    return (
        "<br>".join(f"`{name}`" for name in names),
        variable.comment,
        _WHERE[variable.sent],
        needed if variable.required else "",
        f"`{variable.default}`" if variable.default else "",
    )


def _exit_codes() -> Iterator[str]:
    rows = ((f"{code.value}", code.name, EXIT_CODES[code]) for code in ExitCode)
    yield from _table(("code", "name", "meaning"), rows)
    yield inspect.cleandoc(
        """
        Plain `inv` of Invoke ends with 1 where `xswarm` ends with 2 for a line that it does not
        understand, or with 130.
        """
    )


def _table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    lines = [_row(row) for row in rows]
    if lines:
        yield from (_row(header), _row(("---",) * len(header)), *lines, "")


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Return a text that ends no cell; what looks like a tag is shown as it stands."""
    return text.replace("\n", " ").replace("|", "\\|")
