"""Invoke, without what it imports for cases that do not occur here.

Invoke imports unittest.mock, and with that unittest and asyncio, for its MockContext alone; and a
YAML of its own beside the installed one, which reads its files here (cli/program.py). Both together
are a third of the time in which a command starts. Whatever of ours imports it first does so here.
"""

from __future__ import annotations

from typing import Any

from xswarm_deploy.imports import standing_in

__all__ = ["Exit"]


def _mock(*given: Any, **named: Any) -> Any:
    """Return a mock, as MockContext makes one; its module is imported now."""
    from unittest.mock import Mock

    return Mock(*given, **named)


def _of_yaml(name: str) -> Any:
    """Return what the installed YAML has of that name; it is imported now."""
    import yaml

    return getattr(yaml, name)


with (
    standing_in("unittest.mock", Mock=_mock),
    standing_in("invoke.vendor.yaml", __getattr__=_of_yaml),
):
    from invoke.exceptions import Exit
