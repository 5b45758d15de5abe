"""Mutation testing: python -m tests.support.mutants [--sample N] FILE|FOLDER [TESTS …].

Cosmic Ray changes one operator, number or condition at a time, in a copy of the project, and runs
the tests that should notice. What survives is printed as a diff: a test is missing there, or the
change means the same. Of a whole folder a sample says how good its tests are in minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

from tests.support.project import PROJECT
from xswarm_deploy.release.copies import of_project

PYTEST = (sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "-m", "not slow")
LIMIT = 300.0  # seconds for the tests of one mutant; one that hangs was noticed
# Of each operator the nearest neighbours alone: where `<` for `<=` is noticed, `is not` is, too.
# `|` stands mostly in annotations, which nothing runs.
ROOMS = {folder.name for folder in (PROJECT / "tests").iterdir() if folder.is_dir()}
COMPARISONS = "Lt_LtE LtE_Lt Gt_GtE GtE_Gt Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is"
KEPT = {
    "ReplaceComparisonOperator": COMPARISONS.split(),
    "ReplaceBinaryOperator": [
        "Add_Sub",
        "Sub_Add",
        "Mul_Div",
        "Div_Mul",
        "FloorDiv_Mul",
        "Mod_Mul",
    ],
}


def main(arguments: Sequence[str]) -> int:
    """Mutate the named file, or each of a folder; return 1 where a mutant survives."""
    given = _given(arguments)
    files = _files(given.module) if given.module else []
    if not files:
        return _refuse(
            "no file was named",
            "./inv test.mutants packages/deploy/src/xswarm_deploy/release/lock.py",
        )
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        copy = of_project(PROJECT, Path(scratch) / "project")
        results = _all_judged(copy, files, given.tests, given.sample)
    if len(files) > 1:
        sys.stdout.write(f"{score(given.module, results)}\n")
    return any(result.test_outcome is TestOutcome.SURVIVED for result in results) or not results


def _given(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.support.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="try so many alone, drawn by chance")
    parser.add_argument("module", nargs="?", default="")
    parser.add_argument("tests", nargs="*")
    return parser.parse_args(arguments)


def _files(named: str) -> list[str]:
    path = PROJECT / named
    found = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [str(file.relative_to(PROJECT)) for file in found if file.stat().st_size]


def _all_judged(
    copy: Path, files: Sequence[str], tests: Sequence[str], sample: int
) -> list[WorkResult]:
    """Mutate all files, or a sample of them, and report on each."""
    commands = {module: [*PYTEST, *(tests or named_for(Path(module)))] for module in files}
    sessions = {module: begin(copy, module, command) for module, command in commands.items()}
    if sample:
        draw(sessions, sample)
    results: list[WorkResult] = []
    for module, session in sessions.items():
        if _pending(session):
            results += _judged(copy, module, commands[module], session)
    return results


def _judged(copy: Path, module: str, command: Sequence[str], session: Path) -> list[WorkResult]:
    """Run a file's mutants and report; nothing where its tests cannot judge it."""
    if refusal := unfit(copy, module, command):
        _refuse(f"{module}: {refusal}", f"./inv test.mutants {module} --tests FILE,FILE")
        return []
    results = mutate(copy, session)
    sys.stdout.write(report(module, results))
    sys.stdout.flush()
    return results


def named_for(module: Path) -> list[str]:
    """Return the test files that bear a module's name, and then the folder of its room.

    Those that bear its name notice most, and come first: pytest ends with the first failure.
    """
    tests = PROJECT / "tests"
    room = next((tests / name for name in reversed(module.parts[:-1]) if name in ROOMS), None)
    found = [*sorted(tests.rglob(f"test_{module.stem}.py")), *filter(None, [room])]
    return [str(path.relative_to(PROJECT)) for path in found]


def unfit(copy: Path, module: str, command: Sequence[str]) -> str:
    """Return why these tests cannot judge a module; empty if they can."""
    before = _run(copy, command)
    if before.returncode:
        return f"the tests fail before anything was changed: {_summary(before.stdout)}"
    file = copy / module
    whole = file.read_text(encoding="utf-8")
    file.write_text("raise RuntimeError('a mutant')\n", encoding="utf-8")
    noticed = _run(copy, command).returncode
    file.write_text(whole, encoding="utf-8")
    return "" if noticed else f"these tests do not import {module}"


def _summary(said: str) -> str:
    """Return the tests that failed, as pytest's summary names them."""
    return "; ".join(line for line in said.splitlines() if line.startswith(("FAILED", "ERROR")))


def begin(copy: Path, module: str, command: Sequence[str]) -> Path:
    """Return the session that holds a file's mutants, none of them tried."""
    name = module.replace("/", ".")
    settings, session = copy / f"{name}.toml", copy / f"{name}.sqlite"
    settings.write_text(_settings(module, command), encoding="utf-8")
    _cosmic_ray(copy, "cosmic_ray.cli", "init", str(settings), str(session))
    _cosmic_ray(copy, "cosmic_ray.tools.filters.operators_filter", str(session), str(settings))
    return session


def draw(sessions: Mapping[str, Path], sample: int) -> None:
    """Leave so many mutants of all sessions to be tried; of the same files always the same."""
    pending = [(session, job) for session in sessions.values() for job in _pending(session)]
    chosen = set(random.Random(sample).sample(pending, min(sample, len(pending))))
    for session in sessions.values():
        left_out = [job for job in _pending(session) if (session, job) not in chosen]
        with use_db(session, WorkDB.Mode.open) as database:
            database.set_multiple_results(left_out, WorkResult(WorkerOutcome.SKIPPED))


def _pending(session: Path) -> list[str]:
    """Return the mutants of a session that are to be tried, as they stand in the file."""
    with use_db(session, WorkDB.Mode.open) as database:
        items = database.pending_work_items
    return [item.job_id for item in sorted(items, key=lambda item: _place(item.mutations[0]))]


def _place(mutation: MutationSpec) -> tuple[tuple[int, int], str, int]:
    return mutation.start_pos, mutation.operator_name, mutation.occurrence


def mutate(copy: Path, session: Path) -> list[WorkResult]:
    """Run the tests once for each mutant that a session has left."""
    _cosmic_ray(copy, "cosmic_ray.cli", "exec", str(session.with_suffix(".toml")), str(session))
    with use_db(session, WorkDB.Mode.open) as database:
        return [result for _, result in database.results if result.test_outcome is not None]


def _cosmic_ray(copy: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", *words], cwd=copy, env=_environment(copy), check=True)


def report(module: str, results: Sequence[WorkResult]) -> str:
    """Return the diffs of the survivors, and the score."""
    survivors = [r.diff or "" for r in results if r.test_outcome is TestOutcome.SURVIVED]
    return "".join([*(f"{diff.strip()}\n\n" for diff in survivors), f"{score(module, results)}\n"])


def score(name: str, results: Sequence[WorkResult]) -> str:
    """Return how many of the mutants the tests noticed."""
    if not results:
        return f"{name}: no mutant was tried"
    noticed = sum(result.is_killed for result in results)
    share = noticed / len(results)
    return f"{name}: {noticed} of {len(results)} mutants were noticed, {share:.0%}"


def _settings(module: str, command: Sequence[str]) -> str:
    excluded = [rf"core/{name}_(?!({'|'.join(kept)})$)" for name, kept in KEPT.items()]
    return f"""[cosmic-ray]
module-path = {json.dumps(module)}
timeout = {LIMIT}
excluded-modules = []
test-command = {json.dumps(shlex.join(command))}
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = {json.dumps(excluded)}
"""


def _run(copy: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = _environment(copy)
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )


def _environment(copy: Path) -> dict[str, str]:
    """Let Python import what is in the copy, whatever is installed."""
    sources = [copy, *copy.glob("packages/*/src")]
    path = os.pathsep.join(map(str, sources))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def _refuse(what: str, remedy: str) -> int:
    sys.stderr.write(f"✗ {what}\n  next: {remedy}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
