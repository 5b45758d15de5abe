"""The lease and the protocol of a release, checked as a model: races need no luck here.

Several deployers act on one simulated world, in any order that Hypothesis can think of: they are
stopped before and after a call, die, wake, are overtaken, abort each other's releases. The code is
the real one, but for the clocks, and the step, which sets words in a mapping.

More than CI looks at: ``MODEL_EXAMPLES=20000 ./inv test --only tests/release/test_protocol.py``
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.project import LOCAL_VALUES, using_everything
from tests.support.releases import UPDATE
from xswarm_deploy import fence
from xswarm_deploy.console import Console
from xswarm_deploy.database import fencing
from xswarm_deploy.database.file import FileDatabase
from xswarm_deploy.database.rows import Result, Statement
from xswarm_deploy.errors import DeployError, Locked, NotRolledBack, Refused
from xswarm_deploy.model.payload import encode
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.release import (
    ledger,
    lock,
    process_identity,
    records,
    recovery,
    steps,
    transaction,
    undo,
)
from xswarm_deploy.release.records import Entry
from xswarm_deploy.release.release import Release
from xswarm_deploy.settings.settings import CONFIG, load
from xswarm_deploy.site import Site
from xswarm_deploy.steps import pages, traffic

pytestmark = pytest.mark.slow
DEPLOYERS: Final = (0, 1, 2)
RESOURCES: Final = ("a", "b", "c")
BEGAN: Final = 1_000_000.0
EXAMPLES: Final = int(os.environ.get("MODEL_EXAMPLES", "20"))


class SimulatedDatabase(FileDatabase):
    """The database, by a clock that stands still until the model moves it."""

    now = BEGAN

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Result:
        return super().execute(self._told(sql), parameters)

    def transaction(self, statements: Sequence[Statement], **how: Any) -> list[Result]:
        told = [each._replace(sql=self._told(each.sql)) for each in statements]
        return super().transaction(told, **how)

    @staticmethod
    def _told(sql: str) -> str:
        return sql.replace(lock.NOW, f"{SimulatedDatabase.now:f}")


class World:
    """A provider: it takes every call that reaches it, and notes who sent it."""

    NAME = "fake"
    ACTIONS = (UPDATE,)
    INPUTS = ()

    def __init__(self) -> None:
        self.words = dict.fromkeys(RESOURCES, "old")
        self.calls: list[int] = []
        self.before: list[Any] = []
        self.after: list[Any] = []

    def _set(self, resource: str, word: object) -> None:
        while self.before:
            self.before.pop()()
        fence.require_held()
        by = fence.current()
        assert isinstance(by, lock.Lease)
        self.calls.append(by.fence)
        self.words[resource] = str(word)
        while self.after:
            self.after.pop()()

    def apply(self, _site: Site, change: Change) -> Facts:
        self._set(change.resource, change.after)
        return {change.resource: encode(change.after)}

    def undo(self, _site: Site, change: Change, _outcome: Facts) -> str:
        self._set(change.resource, change.undo)
        return ""

    def forget(self) -> None:
        """Forget what was to happen in a call that did not come."""
        self.before.clear()
        self.after.clear()

    def plan(self, _site: Site) -> list[Change]:
        return []

    def require_undisturbed(self, _site: Site, _change: Change) -> None:
        """Refuse nothing."""


class Died(BaseException):
    """The deployer's process is dead."""


class Meanwhile(NamedTuple):
    """What happens while a deployer is stopped in the middle of a call.

    Args:
        when: ``before`` the call arrives, or ``after`` it was carried out.
        seconds: that pass.
        then: what another deployer does, or that this one dies.
    """

    when: str
    seconds: float
    then: str


MEANWHILE: Final = [
    None,
    *(
        Meanwhile(when, seconds, then)
        for when in ("before", "after")
        for seconds, then in [
            (30.0, "begin"),
            (61.0, "nothing"),
            (61.0, "begin"),
            (61.0, "release"),
            (61.0, "abort"),
            (0.0, "die"),
        ]
    ),
]
PICK: Final = st.integers(0, len(DEPLOYERS) * 2 - 1)


class Protocol(RuleBasedStateMachine):
    """What deployers can do, and what must hold whatever they do."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.world = World()
        self.running: dict[int, Release] = {}
        self.stack.enter_context(_simulated(self.world))
        SimulatedDatabase.now = BEGAN
        self.sites = [self._site(number) for number in DEPLOYERS]
        self.made = 0
        records.prepare(self.sites[0].database)

    def teardown(self) -> None:
        """Settle all as the next release would: then the world is one release's, wholly."""
        try:
            self.settle()
        finally:
            for site in self.sites:
                site.database.close()
            self.stack.close()

    def settle(self) -> None:
        self.running.clear()
        SimulatedDatabase.now += 2 * lock.LEASE_SECONDS
        self._begin(0)
        assert 0 in self.running, "nobody can release any more"

    def require_whole(self) -> None:
        """Require that the world is the last good release's, wholly; all before is settled."""
        listed = records.read(self.sites[0].database, "local")
        good = [r.message for r in listed if r.status == records.SUCCEEDED]
        wanted = good[0] if good else "old"
        stuck = [r for r in listed if r.status == records.FAILED]
        assert stuck or set(self.world.words.values()) == {wanted}, self.world.words

    @precondition(lambda self: self.idle)
    @rule(pick=PICK, dies=st.booleans())
    def begin(self, pick: int, dies: bool) -> None:
        """Begin a release; it may die at the first call of settling an earlier one."""
        self._mortally(dies, lambda: self._begin(_picked(self.idle, pick)))

    @precondition(lambda self: self.running)
    @rule(pick=PICK, meanwhile=st.sampled_from(MEANWHILE))
    def change(self, pick: int, meanwhile: Meanwhile | None) -> None:
        """Make the next change; stopped in the middle of it, while time passes and others act."""
        number = _picked(self.running, pick)
        if self.running[number].complete:
            self._finish(number)
        else:
            self._change(number, meanwhile, _picked(set(DEPLOYERS) - {number}, pick))

    @precondition(lambda self: self.running)
    @rule(pick=PICK)
    def fail(self, pick: int) -> None:
        self._roll_back(self.running.pop(_picked(self.running, pick)))

    @precondition(lambda self: self.running)
    @rule(pick=PICK)
    def die(self, pick: int) -> None:
        self.running.pop(_picked(self.running, pick))

    @precondition(lambda self: self.idle)
    @rule(pick=PICK, dies=st.booleans())
    def abort(self, pick: int, dies: bool) -> None:
        """Undo a release that died, from another machine."""
        self._mortally(dies, lambda: self._abort(_picked(self.idle, pick)))

    @rule(seconds=st.sampled_from([1.0, 20.0, 59.0, 61.0]))
    def wait(self, seconds: float) -> None:
        SimulatedDatabase.now += seconds

    @precondition(lambda self: self.running)
    @rule(pick=PICK)
    def beat(self, pick: int) -> None:
        number = _picked(self.running, pick)
        self.running[number].ledger.lease._renew(self.sites[number].database)

    @invariant()
    def nobody_changes_anything_after_another_has_the_lock(self) -> None:
        assert self.world.calls == sorted(self.world.calls)

    @property
    def idle(self) -> set[int]:
        """Return the deployers that do nothing."""
        return set(DEPLOYERS) - set(self.running)

    def _begin(self, number: int) -> None:
        self.made += 1
        word, site = f"release {self.made}", self.sites[number]
        try:
            release = transaction.begin(site, "test", word, ("fake",), Console(io.StringIO()))
        except (Locked, NotRolledBack):
            return
        self.require_whole()
        changes = [
            UPDATE.change(
                name, before=self.world.words[name], after=word, undo=self.world.words[name]
            )
            for name in RESOURCES
        ]
        self.running[number] = release
        with fence.fenced(release.ledger.lease):
            release.ledger.plan("fake", 1, changes)
            release.record = release.record._replace(phase="fake")
        release.entries += [
            Entry(place, "fake", records.PLANNED, change, {})
            for place, change in enumerate(changes, start=1)
        ]

    def _change(self, number: int, meanwhile: Meanwhile | None, other: int) -> None:
        release = self.running[number]
        if meanwhile:
            then = partial(self._meanwhile, meanwhile, other)
            getattr(self.world, meanwhile.when).append(then)
        place = next(e.number for e in release.entries if e.state != records.DONE)
        self._end_unless(number, lambda: release.carry_out(place))
        self.world.forget()

    def _finish(self, number: int) -> None:
        self._end_unless(number, self.running[number].succeed)
        self.running.pop(number, None)

    def _abort(self, number: int) -> None:
        site = self.sites[number]
        record = recovery.find(site)
        try:
            if record is None:
                return
            recovery.require_abortable(site, record)
            lease = lock.acquire(site.database, site.connect, "abort")
        except (Locked, Refused):
            return
        try:
            with fence.fenced(lease):
                dead = recovery.reopened(site, record, lease, Console(io.StringIO()))
                undo.abandon(dead)
        except (Locked, NotRolledBack):
            pass
        finally:
            lease.release()

    def _mortally(self, dies: bool, act: Callable[[], None]) -> None:
        if dies:
            self.world.after.append(_die)
        with suppress(Died):
            act()
        self.world.forget()

    def _meanwhile(self, what: Meanwhile, other: int) -> None:
        """Let time pass, and another deployer act, in a process of its own."""
        SimulatedDatabase.now += what.seconds
        if what.then == "die":
            _die()
        with fence.lifted():
            if what.then == "abort" and other not in self.running:
                self._abort(other)
            elif what.then in ("begin", "release") and other not in self.running:
                self._begin(other)
            while what.then == "release" and other in self.running:
                if self.running[other].complete:
                    self._finish(other)
                else:
                    self._change(other, None, other)

    def _end_unless(self, number: int, act: Any) -> None:
        release = self.running[number]
        try:
            with fence.fenced(release.ledger.lease):
                act()
        except Died:
            self.running.pop(number, None)
        except DeployError:
            self.running.pop(number, None)
            self._roll_back(release)

    def _roll_back(self, release: Release) -> None:
        with fence.fenced(release.ledger.lease):
            undo.roll_back(release, DeployError("it failed"))

    def _site(self, number: int) -> Site:
        root = self.folder / str(number)
        file = root / CONFIG / "local.env"
        file.parent.mkdir(parents=True)
        values = {**LOCAL_VALUES, "TURSO_DATABASE_URL": f"file:{self.folder / 'app.db'}"}
        file.write_text("".join(f'{name}="{value}"\n' for name, value in values.items()))
        file.chmod(0o600)
        site = Site(load("local", using_everything(), root, {}))
        site.__dict__["database"] = SimulatedDatabase(self.folder / "app.db")
        return site


def _picked(among: Iterable[int], pick: int) -> int:
    listed = sorted(among)
    return listed[pick % len(listed)]


def _die() -> None:
    raise Died


def _simulated(world: World) -> ExitStack:
    stack = ExitStack()
    for patch in (
        mock.patch.object(steps, "step_named", return_value=world),
        mock.patch.dict(steps.STEPS, {"fake": "tests.release.test_protocol"}),
        mock.patch.object(traffic, "live_split", return_value={}),
        mock.patch.object(pages, "current", return_value=None),
        mock.patch.object(lock.Lease, "keep", lambda self: self),
        mock.patch.object(lock, "awake_or_not", side_effect=lambda: SimulatedDatabase.now),
        mock.patch.object(process_identity, "is_dead", return_value=False),
        mock.patch.object(transaction, "_inputs", return_value={}),
        mock.patch.object(os, "fsync"),
    ):
        stack.enter_context(patch)
    return stack


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def _without_the_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fence, "require_held", lambda: None)


def _without_the_lease_in_the_ledger(patch: pytest.MonkeyPatch) -> None:
    """Let who lost the lock write: neither statements nor transactions ask for it."""
    patch.setattr(fencing, "_fence", lambda _url: None)
    for name, sql in list(vars(ledger).items()):
        if isinstance(sql, str) and lock.HELD in sql:
            patch.setattr(ledger, name, sql.replace(lock.HELD, "(? <> '' AND ? > 0)"))


def _without_intents(patch: pytest.MonkeyPatch) -> None:
    """Let a change be made before it is written that it will be."""
    harmless = Statement("UPDATE _release_lock SET doing = doing")
    patch.setattr(ledger.Ledger, "_intent", lambda *_: [harmless])


@pytest.mark.parametrize(
    "take_away", [_without_the_fence, _without_the_lease_in_the_ledger, _without_intents]
)
def test_a_safeguard_that_is_taken_away_is_found_out(
    monkeypatch: pytest.MonkeyPatch, take_away: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """The model sees what it is to see."""
    take_away(monkeypatch)
    found = settings(
        TestProtocol.settings,
        max_examples=1000,
        phases=[Phase.generate],
        database=None,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Protocol, settings=found)
