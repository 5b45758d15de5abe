"""The fault matrix: each operation of each scenario, made to fail in each way, and judged.

A case is a scenario, an operation by its number in a clean run, a kind of fault, and whether it
lasts. Judged is what anybody can see from outside afterwards (:mod:`tests.faults.observer`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.faults.interception import (
    KINDS,
    OFTEN,
    Fault,
    Interception,
    Killed,
    Operation,
    intercepting,
)
from tests.faults.observer import Observer, Seen
from tests.faults.scenarios import (
    HERE,
    PREPARED,
    SCENARIOS,
    SETTINGS,
    SETTLING,
    deploy,
    expire,
)
from tests.faults.world import NEW_CODE, OLD_CODE, World
from tests.support.project import LOCAL_VALUES
from xswarm_deploy.errors import DeployError, Locked, NotRolledBack, Refused
from xswarm_deploy.release import takeover
from xswarm_deploy.services import doubt

SECRETS: Final = tuple(
    value for name, value in LOCAL_VALUES.items() if name.endswith(("SECRET", "TOKEN", "KEY"))
)
_LOSING_ROWS: Final = ("restore",)
"""Scenarios whose purpose is that rows go, and with them the schema of today's code."""


class Case(NamedTuple):
    """One case of the matrix."""

    scenario: str
    operation: Operation
    kind: str
    lasting: bool = False
    again: int = 0
    """The operation of the recovery at which the second deployer is killed, too; 0: none."""

    @property
    def key(self) -> str:
        """Return its name, in results."""
        place = f"{self.operation.name} #{self.operation.nth}"
        more = " from then on" * self.lasting + (f", again at {self.again}" if self.again else "")
        return f"{self.scenario} | {place} | {self.kind}{more}"


@dataclass
class Result:
    """What came of a case: whether the fault fired, and what is wrong; empty: nothing."""

    fired: int = 0
    ended: str = ""
    problems: list[str] = field(default_factory=list)


class Clean(NamedTuple):
    """A scenario without a fault: its operations, and the world before and after."""

    operations: tuple[Operation, ...]
    before: Seen
    after: Seen


def clean(world: World, scenario: str) -> Clean:
    """Run a scenario without a fault.

    Raises:
        AssertionError: users noticed it.
    """
    _begin(world, scenario)
    observer, interception = world.observer(), Interception(world.project)
    before = _roles(world, observer.seen())
    if scenario in SETTLING:  # half of it is made already: undone is what was before that half
        world.reset()
        before = _roles(world, world.observer().seen())
        _begin(world, scenario)
        observer, interception = world.observer(), Interception(world.project)
    interception.before = lambda: observer.users(world.codes, _newer(scenario))
    with intercepting(interception):
        _outcome(lambda: SCENARIOS[scenario](world, world.site()))
    assert scenario in _LOSING_ROWS or not observer.failed, observer.failed
    return Clean(tuple(interception.seen), before, _roles(world, observer.seen()))


def every(scenario: str, operations: Sequence[Operation]) -> Iterator[Case]:
    """Return every case of a scenario."""
    for operation in operations:
        for kind in KINDS[operation.sort]:
            yield Case(scenario, operation, kind)
            if kind in OFTEN:
                yield Case(scenario, operation, kind, lasting=True)
            if kind == "kill":
                yield Case(scenario, operation, kind, again=1 + operation.number * 7 % 40)


def sample(cases: Iterable[Case], *, kinds: bool = True) -> list[Case]:
    """Choose a few: each operation that differs from the others once, each kind, always the same.

    Which kind an operation gets is drawn from its name, so that the choice stays as it is.

    Args:
        cases: all of a scenario.
        kinds: choose each kind of fault once, too.
    """
    listed = list(cases)
    chosen: dict[str, Case] = {}
    for case in listed:
        name = f"{case.scenario} {case.operation.sort} {case.operation.name}"
        there = chosen.get(name)
        if there is None or _drawn(case) < _drawn(there):
            chosen[name] = case
    there_are = {(case.operation.sort, case.kind, case.lasting) for case in chosen.values()}
    for case in sorted(listed, key=_drawn) if kinds else ():
        if (case.operation.sort, case.kind, case.lasting) not in there_are:
            there_are.add((case.operation.sort, case.kind, case.lasting))
            chosen[case.key] = case
    return list(chosen.values())


def _drawn(case: Case) -> int:
    text = f"{case.scenario}{case.operation.name}{case.kind}{case.lasting}{case.again}"
    return zlib.crc32(text.encode())


def judged(world: World, case: Case, wanted: Clean) -> Result:
    """Run a case in a world of its own, and judge what is left of it."""
    _begin(world, case.scenario)
    run = _Run(world, case, wanted, world.observer())
    run.go()
    return run.result


@dataclass
class _Run:
    """One case while it is run."""

    world: World
    case: Case
    wanted: Clean
    observer: Observer
    result: Result = field(default_factory=Result)
    overtaken: Seen | None = None
    ended: int = 0
    """The releases that had ended before it."""
    ended_before: bool = False
    """Whether it had ended, but for what is written on this machine, when another overtook it."""

    def go(self) -> None:
        rows, self.ended = self.observer.rows(), self.observer.ended()
        fault = Fault(self.case.operation, self.case.kind, self.case.lasting)
        scenario = SCENARIOS[self.case.scenario]
        error = self._act(fault, lambda: scenario(self.world, self.world.site()))
        self.result.fired, self.result.ended = fault.fired, type(error).__name__
        self._judge(error)
        if self.observer.failed and self.case.scenario not in _LOSING_ROWS:
            self.result.problems.append(self.observer.failed)
        if self.case.scenario not in _LOSING_ROWS and not self._kept(rows):
            self.result.problems.append("rows that were acknowledged are gone")
        self._look_for_secrets(error)

    def _act(self, fault: Fault | None, act: Callable[[], object]) -> BaseException | None:
        interception = Interception(self.world.project, self._users, fault)
        interception.sleep = self.world.time.sleep
        interception.overtake = self._overtake
        self.world.time.due = interception.deliver
        with intercepting(interception):
            error = _outcome(act)
        interception.deliver()
        return error

    def _users(self) -> None:
        self.observer.users(self.world.codes, _newer(self.case.scenario))

    def _overtake(self) -> None:
        """Let another deployer, elsewhere, take over and release."""
        self.ended_before = self.observer.ended() > self.ended
        expire(self.world)
        elsewhere = self.case.scenario not in HERE
        self.world.as_another(lambda: deploy(self.world, self.world.site(elsewhere=elsewhere)))
        self.overtaken = self._seen()

    def _seen(self) -> Seen:
        return _roles(self.world, self.observer.seen())

    def _kept(self, rows: int) -> bool:
        return self.observer.rows() >= rows + self.observer.acknowledged

    def _judge(self, error: BaseException | None) -> None:
        if isinstance(error, Killed):
            self._recover()
        elif error is not None and not isinstance(error, DeployError | KeyboardInterrupt):
            self.result.problems.append(f"unforeseen: {type(error).__name__}: {error}")
        elif self.overtaken and isinstance(error, Locked | NotRolledBack):
            self._expect([self.overtaken], "after another took over")
        elif isinstance(error, NotRolledBack):
            self._recover(resume=False)
        elif error is None:
            self._expect([self._after_success()], "after success")
        elif self.case.scenario in SETTLING and self.observer.interrupted():
            if "brought back" in str(error):
                self.result.problems.append(f"not honest: {error}")
            self._recover()
        elif self.overtaken:
            self._expect([self.wanted.before, self.wanted.after, self.overtaken], "after a stop")
        else:
            self._expect([self.wanted.before], f"after {type(error).__name__}")

    def _after_success(self) -> Seen:
        """Return what the scenario wants; for the rest, what another deployer released before."""
        before, after = self.wanted.before, self.wanted.after
        if self.overtaken is None:
            return after
        if self.ended_before:
            return self.overtaken
        left = [name for name in Seen._fields if getattr(before, name) == getattr(after, name)]
        return after._replace(**{name: getattr(self.overtaken, name) for name in left})

    def _recover(self, *, resume: bool | None = None) -> None:
        """Settle it as a person would, here or elsewhere; it must end wholly old or wholly new."""
        number = self.case.operation.number
        finishing = number % 2 == 0 if resume is None else resume
        finishing = finishing and self.case.scenario != "abort"  # who wanted it undone repeats that
        elsewhere = number % 3 == 0 and self.case.scenario not in HERE
        if self.case.again:
            fault = Fault(Operation(self.case.again, "", ""), "kill")
            expire(self.world)
            self._act(fault, lambda: self._settle(finishing=finishing, elsewhere=elsewhere))
        expire(self.world)
        error = self._act(None, lambda: self._settle(finishing=finishing, elsewhere=elsewhere))
        if finishing and isinstance(error, DeployError):
            expire(self.world)
            error = self._act(None, lambda: self._settle(finishing=False, elsewhere=elsewhere))
        if error and not (isinstance(error, Refused) and "it succeeded" in str(error)):
            self.result.problems.append(f"not settled: {type(error).__name__}: {error}")
        self._expect([self.wanted.before, self.wanted.after], "after it was settled")

    def _settle(self, *, finishing: bool, elsewhere: bool) -> None:
        site = self.world.site(elsewhere=elsewhere)
        act = takeover.resume if finishing else takeover.abort
        act(site, console=self.world.console())

    def _expect(self, allowed: Sequence[Seen], when: str) -> None:
        seen = self._seen()
        if seen not in allowed:
            names = [
                f"{name} is {getattr(seen, name)}"
                for name in Seen._fields
                if all(getattr(seen, name) != getattr(one, name) for one in allowed[:1])
            ]
            self.result.problems.append(f"{when} the world is mixed: {'; '.join(names)}")

    def _look_for_secrets(self, error: BaseException | None) -> None:
        """Look for secrets in what was said and written down, but in the environment file."""
        texts = [repr(error)]
        for folder in self.world.project.glob(".deployments"):
            files = (file for file in folder.rglob("*") if file.is_file())
            texts += [file.read_text(encoding="utf-8", errors="replace") for file in files]
        if any(secret in text for secret in SECRETS for text in texts):
            self.result.problems.append("a secret was written down or said")


def _begin(world: World, scenario: str) -> None:
    world.reset(scenario if scenario in PREPARED else "")
    world.settings = SETTINGS.get(scenario, {})
    doubt.forget()


def _newer(scenario: str) -> str:
    """Return the statement of the code that a scenario makes a version of."""
    return OLD_CODE if scenario == "rotate" else NEW_CODE


def _roles(world: World, seen: Seen) -> Seen:
    """Name versions by what they are: ids differ from run to run."""
    return seen._replace(code=tuple(world.named.get(one, "the one just made") for one in seen.code))


def _outcome(act: Callable[[], object]) -> BaseException | None:
    try:
        act()
    except (Exception, KeyboardInterrupt, Killed) as error:
        return error
    return None
