"""Run the fault matrix: ``inv test.faults``; each result is kept, so that a run can go on later."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults import matrix, report
from tests.faults.scenarios import SCENARIOS
from tests.faults.world import standing

RESULTS: Final = Path(".sandbox/faults.json")


def main(words: Sequence[str]) -> int:
    """Run the cases that have no result yet; return 1 where one broke what is promised."""
    parser = argparse.ArgumentParser(prog="tests.faults")
    parser.add_argument("--full", action="store_true", help="every operation, every way")
    parser.add_argument("--scenario", default="", help="only this one")
    parser.add_argument("--expression", default="", help="only cases whose name holds this")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")
    parser.add_argument("--write", action="store_true", help="write the table into the docs")
    parser.add_argument("--anew", action="store_true", help="forget earlier results")
    chosen = parser.parse_args(words)
    results = {} if chosen.anew else _read(chosen.results)
    until = time.monotonic() + 60 * chosen.minutes
    began = time.monotonic()
    with closing(_run(chosen, results)) as run:
        for case, result in run:
            results[case.key] = {**vars(result), "sort": case.operation.sort, "kind": case.kind}
            results[case.key]["seconds"] = round(time.monotonic() - began, 2)
            began = time.monotonic()
            for problem in result.problems:
                print(f"✗ {case.key}\n    {problem}", flush=True)  # noqa: T201
            if len(results) % 50 == 0 or result.problems:
                _write(chosen.results, results)
            if time.monotonic() > until:
                break
    _write(chosen.results, results)
    if chosen.write:
        report.write(results)
    broken = sum(bool(one["problems"]) for one in results.values())
    fired = sum(bool(one["fired"]) for one in results.values())
    print(f"{len(results)} cases, {fired} faults fired, {broken} broke a promise")  # noqa: T201
    return int(broken > 0)


def _run(chosen: argparse.Namespace, done: dict[str, Any]) -> Generator[tuple[matrix.Case, Any]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        standing(Path(folder), patch) as world,
    ):
        for scenario in [chosen.scenario] if chosen.scenario else SCENARIOS:
            wanted = matrix.clean(world, scenario)
            cases = matrix.every(scenario, wanted.operations)
            for case in cases if chosen.full else matrix.sample(cases):
                if case.key not in done and chosen.expression in case.key:
                    yield case, matrix.judged(world, case, wanted)


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def _write(file: Path, results: dict[str, Any]) -> None:
    """Write all or nothing: a run that is ended here loses hours."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True))
    fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
