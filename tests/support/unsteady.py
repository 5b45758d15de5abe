"""Ask the tests that failed once more, alone: ``python -m tests.support.unsteady``.

Some tests start servers and wait for them; beside five thousand others on two cores one of them may
fail for want of time. Such a test is a defect of the test, and is named as one; it is no reason to
hold back a change that has nothing to do with it. More than a few failures are never asked again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

AT_MOST = 3
FAILED = Path(".pytest_cache/v/cache/lastfailed")


def failed(record: Path = FAILED) -> list[str]:
    """Return the tests that failed in the run before, by their node ids; none without a record."""
    return sorted(json.loads(record.read_text("utf-8"))) if record.is_file() else []


def ask(tests: Sequence[str], run: Callable[[Sequence[str]], int]) -> int:
    """Run those tests once more, unless they are many; return the exit code of the whole.

    Args:
        tests: the node ids of those that failed.
        run: runs tests by their node ids; returns pytest's exit code.
    """
    if not 0 < len(tests) <= AT_MOST:
        return 1
    sys.stderr.write(f"\n{len(tests)} failed; once more, alone:\n")
    if code := run(tests):
        return code
    sys.stderr.write(f"UNSTEADY: {len(tests)} failed beside the others and passed alone; mend:\n")
    sys.stderr.writelines(f"  {name}\n" for name in tests)
    return 0


def _pytest(tests: Sequence[str]) -> int:
    alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    return subprocess.run(alone, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(ask(failed(), _pytest))
