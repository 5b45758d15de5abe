"""Run ``inv``, and die by SIGKILL at the n-th boundary of its release: killed.py N FILE TASK…

Boundaries are the moments around each write of journal and ledger, and right after each change
and each undoing was made. With N = 0 nothing dies; FILE gets the number of boundaries and
what each is.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

from invoke.main import program

from xswarm_deploy.release import steps
from xswarm_deploy.release.journal import Journal
from xswarm_deploy.release.ledger import Ledger

seen: list[str] = []


def boundary(name: str) -> None:
    seen.append(name)
    if len(seen) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)


def surrounded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def around(*given: Any, **named: Any) -> Any:
        boundary(f"before {name}")
        result = call(*given, **named)
        boundary(f"after {name}")
        return result

    return around


class Followed:
    """A step after whose changes there is a boundary."""

    def __init__(self, step: Any) -> None:
        self.step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self.step, name)

    def apply(self, site: Any, change: Any) -> Any:
        outcome = self.step.apply(site, change)
        boundary(f"after making {change.step} {change.action} {change.resource}")
        return outcome

    def undo(self, site: Any, change: Any, outcome: Any) -> Any:
        said = self.step.undo(site, change, outcome)
        boundary(f"after undoing {change.step} {change.action} {change.resource}")
        return said


def main() -> None:
    """Run the command with boundaries in it, and write down those that it came to."""
    file, words = Path(sys.argv[2]), sys.argv[3:]
    Journal.append = surrounded("journal", Journal.append)  # type: ignore[method-assign]
    Ledger._write = surrounded("ledger", Ledger._write)  # type: ignore[method-assign]
    named = steps.step_named
    steps.step_named = lambda name: Followed(named(name))
    try:
        program.run(["inv", *words])
    finally:
        file.write_text("\n".join(seen))


if __name__ == "__main__":
    main()
