"""S3's answers as XML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from xml.sax.saxutils import escape

Element: TypeAlias = tuple[str, "str | int | Sequence[Element]"]

_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_CARRIAGE_RETURN = {"\r": "&#13;"}


def render(root: str, content: str | int | Sequence[Element], *, namespace: bool = True) -> bytes:
    """Write a document.

    Args:
        root: the root's name.
        content: its text, or its elements in order.
        namespace: whether it is in S3's namespace (errors are not).
    """
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}<{root}{_NAMESPACE * namespace}>{_inner(content)}</{root}>".encode()


def _inner(content: str | int | Sequence[Element]) -> str:
    if isinstance(content, str | int):
        return escape(str(content), _CARRIAGE_RETURN)
    return "".join(f"<{name}>{_inner(inner)}</{name}>" for name, inner in content)
