"""A pytest plugin: a file whose tests are all slow is not read where those are left out.

Reading all files is what takes longest of the quick tests, and each of pytest's workers does it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

LEFT_OUT: Final = "not slow"
_ALL_SLOW: Final = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file out whose mark for all of its tests is ``slow``."""
    if config.option.markexpr != LEFT_OUT or collection_path.suffix != ".py":
        return None
    return bool(_ALL_SLOW.search(collection_path.read_text(encoding="utf-8"))) or None
