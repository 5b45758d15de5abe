from __future__ import annotations

import compileall
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xswarm_twin.edge.bytecode import Bytecode


def compiled(folder: Path) -> Path:
    folder.mkdir()
    for number in range(40):
        (folder / f"module_{number}.py").write_text(f"value = {number}\n")
    assert compileall.compile_dir(folder, quiet=1)
    return folder


@pytest.mark.slow
def test_versions_that_start_at_once_keep_the_same_modules(tmp_path: Path) -> None:
    folders = [compiled(tmp_path / name) for name in ("one", "two", "three", "four")]
    store = tmp_path / "kept"
    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda folder: Bytecode(store).gather(folder), folders))
        kept = [path for path in store.rglob("*") if path.is_file()]
        assert len(kept) == 40
        for path in kept:
            path.unlink()
