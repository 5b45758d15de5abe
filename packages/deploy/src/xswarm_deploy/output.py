"""What a terminal or a pipe takes, and output that nobody can have any more."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from contextlib import suppress
from typing import Final, TextIO

_UNICODE: Final = "utf"
_BEYOND: Final = re.compile(r"[^\x00-\x7f]+")
_BEFORE_COMMANDS: Final = r"(?m)^[^\S\n]*(?=::)|##(?=\[)"
_PLAIN: Final = str.maketrans(
    {
        **{"✓": "+", "✅": "+", "✗": "x", "❌": "x", "⚠": "!", "🚨": "!!", "\ufe0f": ""},
        **{"→": "->", "·": "-", "•": "-", "…": "...", "–": "-", "—": "-", "█": "#", "░": "."},
    }
)
"""What stands for the signs of this tool where an encoding lacks them, such as Windows' cp1252."""


def unicode(stream: TextIO) -> bool:
    """Return whether a stream takes every character."""
    return (stream.encoding or _UNICODE).lower().startswith(_UNICODE)


def prepare(*streams: TextIO) -> None:
    """Let streams take all that is printed: colours of old consoles, and signs that they lack.

    A pipe or file on Windows has the encoding of the system's language, and Python ends a program
    that prints another character. Who reads it expects that encoding, so it stays.
    """
    if sys.platform == "win32":
        from colorama import just_fix_windows_console

        just_fix_windows_console()
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and not unicode(stream):
            codecs.register_error("plain", _plain)
            stream.reconfigure(errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].translate(_PLAIN)
    return lacking.encode("ascii", "replace").decode("ascii"), error.end


def escaped(json_text: str) -> str:
    """Return JSON in ASCII, each other character as JSON escapes it."""
    return _BEYOND.sub(lambda found: json.dumps(found[0])[1:-1], json_text)


def on_github() -> bool:
    """Return whether this is a step of GitHub Actions, or of a runner that does as it does."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def inert(text: str) -> str:
    """Return lines in which GitHub's runner finds no command: it obeys whoever wrote them.

    A commit's subject, a file's name or an answer of the Worker may hold one, which would mask
    text, hide annotations, or set outputs of the step. Elsewhere the text stays as it is.

    Source: actions/runner, src/Runner.Common/ActionCommand.cs: ``::`` where a line begins, and
    ``##[`` anywhere in it.
    """
    return re.sub(_BEFORE_COMMANDS, r"\g<0>\\", text) if on_github() else text


def inert_json(text: str) -> str:
    """Return the same JSON without such a command; in it no line begins with one."""
    return text.replace("##[", "##\\u005b") if on_github() else text


def discard_output(stream: TextIO) -> None:
    """Discard what is still written to a stream, which cannot be written any more."""
    with suppress(OSError):  # neither a file of its own nor a way to nowhere: then it fails again
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
