"""Every message that the guide explains is one that the code says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[1]
CHAPTER = PROJECT / "deployment/docs/guide/troubleshooting.md"
OF_INVOKE = "No idea what '…' is!"


def messages() -> list[str]:
    """Return what stands in the first column of the chapter's tables."""
    rows = re.findall(r"^\| (.+?) \|", CHAPTER.read_text(encoding="utf-8"), re.MULTILINE)
    return [row for row in rows if row not in ("it says", OF_INVOKE)]


@cache
def said() -> tuple[str, ...]:
    """Return every text in the code that a person may meet, and what the wrapper says."""
    files = [file for folder in ("tasks", "packages") for file in PROJECT.glob(f"{folder}/**/*.py")]
    return (*(text for file in files for text in _texts(file)), (PROJECT / "inv").read_text())


def _texts(file: Path) -> Iterator[str]:
    """Return a file's texts; of an f-string the parts between its values, at once."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [n.value if isinstance(n, ast.Constant) else "\0" for n in node.values]
            yield "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{\w*\}", "\0", node.value)


@pytest.mark.parametrize("message", messages())
def test_the_code_says_what_the_chapter_explains(message: str) -> None:
    fragments = [part.strip() for part in message.split("…") if part.strip()]
    assert fragments
    assert any(all(part in text for part in fragments) for text in said()), message


def test_what_nobody_says_would_be_found_out() -> None:
    with pytest.raises(AssertionError):
        test_the_code_says_what_the_chapter_explains("the … is of another flavour")


def test_the_chapter_explains_many() -> None:
    assert len(messages()) > 60
