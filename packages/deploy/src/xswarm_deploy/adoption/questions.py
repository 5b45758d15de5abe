"""Questions to a person, each answer judged as it is given; without a terminal flags answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from xswarm_deploy.console import interactive
from xswarm_deploy.errors import Refused

Judge = Callable[[str], str]
"""Returns what is wrong with an answer; the empty string: nothing."""
T = TypeVar("T")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")


def text(question: str, default: str, judge: Judge, flag: str) -> str:
    """Return what a person types; without a terminal the default, where it is right.

    Args:
        question: what is asked.
        default: offered, and taken where nobody is there.
        judge: says what is wrong with an answer.
        flag: answers it on the command line, e.g. ``--name``.

    Raises:
        Refused: Ctrl-C, or nobody to ask and the default is wrong.
    """
    if not interactive():
        wrong = judge(default)
        if wrong:
            raise Refused(f"not answered: {question}", wrong, f"name it with {flag}")
        return default
    import questionary

    asked = questionary.text(question, default=default, validate=lambda given: judge(given) or True)
    return str(_answered(asked.ask(), question))


def choice(question: str, choices: Mapping[str, str], default: str, flag: str) -> str:
    """Return the key of what a person chooses; without a terminal the default.

    Args:
        question: what is asked.
        choices: key → what is shown for it.
        default: a key; empty: there is none, and somebody must choose.
        flag: answers it on the command line.

    Raises:
        Refused: Ctrl-C, or nobody to ask and no default.
    """
    if not interactive():
        if default not in choices:
            raise Refused(
                f"not answered: {question}",
                f"there are {', '.join(choices)}",
                f"name it with {flag}",
            )
        return default
    import questionary

    options = [questionary.Choice(title=shown, value=key) for key, shown in choices.items()]
    chosen = questionary.select(question, choices=options, default=default or None).ask()
    return str(_answered(chosen, question))


def several(question: str, choices: Sequence[str]) -> tuple[str, ...]:
    """Return which of some a person wants; without a terminal none.

    Raises:
        Refused: Ctrl-C.
    """
    if not choices or not interactive():
        return ()
    import questionary

    return tuple(_answered(questionary.checkbox(question, choices=list(choices)).ask(), question))


def name_judge(given: str) -> str:
    """Return what is wrong with a Worker's name.

    Source: Cloudflare, Workers, Configuration: letters, digits and dashes, 63 at the most.
    """
    fits = _NAME.fullmatch(given)
    return (
        "" if fits else "a name is up to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
    )


def file_judge(folder: Path) -> Judge:
    """Return what judges whether a file is there, from a folder."""

    def judge(given: str) -> str:
        if not given:
            return "none of the usual names is there"
        return "" if (folder / given).is_file() else f"no file {given!r} there"

    return judge


def _answered(given: T | None, question: str) -> T:
    if given is None:
        raise Refused(f"not answered: {question}", "nothing was changed")
    return given
