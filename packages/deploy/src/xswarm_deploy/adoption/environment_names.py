"""The names that a Worker's code reads of its environment, and who gives them values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from xswarm_deploy.adoption.answers import Answers
from xswarm_deploy.settings import dev_vars
from xswarm_deploy.settings.variables import BY_NAME, PRODUCTION, STAGING
from xswarm_deploy.verification import sources

_SHOWN: Final = 6  # names in one line


def hints(answers: Answers) -> Iterator[str]:
    """Yield what a person should know of them, a line each."""
    for name in answers.found.withheld:
        yield (
            f"the code reads {name}, which is this tool's own and never reaches a Worker: one that"
            " wrangler secret put has set there stays; else give it another name in the code"
        )
    given = dev_vars.read(answers.found.config.parent)
    without = [name for name in answers.found.secrets if not given.get(name)]
    if without:
        yield (
            f"on the twin the Worker runs without {_some(without)}: {dev_vars.NAME} gives it values"
        )
    unnamed = sources.unnamed(answers.found.home, _known(answers))
    if unnamed:
        yield (
            f"the code reads {_some(unnamed)}, which no file names: secrets that are live stay;"
            " name under deploy.worker.secrets those that staging needs, too"
        )


def _some(names: list[str]) -> str:
    """Return names in one line, the first of many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _known(answers: Answers) -> Iterator[str]:
    """Yield the names that the Worker has: of what wrangler's file says, and of secrets."""
    found = answers.found
    yield from (*found.secrets, *found.variables, *found.withheld, *BY_NAME)
    contents = [found.content, *(answers.content(name) for name in (STAGING, PRODUCTION))]
    yield from (name for content in contents for name in _named(content))


def _named(value: object) -> Iterator[str]:
    """Yield the names of bindings and variables, wherever they stand in a configuration."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from map(str, each) if key == "vars" and isinstance(each, Mapping) else ()
            yield from [each] if key in ("binding", "name") and isinstance(each, str) else ()
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)
