"""Which code of the twin's own is installed."""

from __future__ import annotations

import os
from pathlib import Path

from xswarm_twin import code


def test_each_file_of_its_own_counts_and_no_package_of_others(tmp_path: Path) -> None:
    for name in ("a.py", "edge/b.py", "node_modules/wrangler/c.js", "edge/__pycache__/b.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = code.stamp(tmp_path)
    (tmp_path / "node_modules/wrangler/c.js").write_text("22")
    (tmp_path / "edge/__pycache__/b.pyc").write_text("22")
    assert code.stamp(tmp_path) == before
    (tmp_path / "edge/b.py").write_text("22")
    longer = code.stamp(tmp_path)
    os.utime(tmp_path / "edge/b.py", ns=(1, 1))
    assert len({before, longer, code.stamp(tmp_path)}) == 3
