"""The command line: Invoke's program, its executor, and what tasks share.

Invoke imports unittest.mock, and with that unittest and asyncio: a third of the time in which it
starts. It needs them for its MockContext alone, which gets them here when one is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from xswarm_deploy.imports import standing_in


def _mock(*given: Any, **named: Any) -> Any:
    """Return a mock; its module is imported by whoever makes one."""
    from unittest.mock import Mock

    return Mock(*given, **named)


with standing_in("unittest.mock", Mock=_mock):
    import_module("invoke.context")
