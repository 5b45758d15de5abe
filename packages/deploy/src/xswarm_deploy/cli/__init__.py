"""The command line: Invoke's program, its executor, and what tasks share.

Invoke imports unittest.mock, and with that unittest and asyncio, for its MockContext alone; and a
YAML of its own beside the installed one, which reads its files here (program.py). Both together
are a third of the time in which it starts.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from xswarm_deploy import patterns
from xswarm_deploy.imports import standing_in

with patterns.later():
    import yaml


def _mock(*given: Any, **named: Any) -> Any:
    """Return a mock, as MockContext makes one; its module is imported now."""
    from unittest.mock import Mock

    return Mock(*given, **named)


with (
    patterns.later(),
    standing_in("unittest.mock", Mock=_mock),
    standing_in("invoke.vendor.yaml", **vars(yaml)),
):
    import_module("invoke.context")
