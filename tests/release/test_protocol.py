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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from tests.support.project import LOCAL_VALUES, using_everything
from tests.support.releases import UPDATE
from xswarm_deploy import fence
from xswarm_deploy.console import Console
from xswarm_deploy.database.file import FileDatabase
from xswarm_deploy.database.rows import Result, Statement
from xswarm_deploy.errors import DeployError, Locked, NotRolledBack, Refused
from xswarm_deploy.model.payload import encode
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.release import (
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

    def plan(self, _site: Site) -> list[Change]:
        return []

    def require_undisturbed(self, _site: Site, _change: Change) -> None:
        """Refuse nothing."""


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
        self.begin(0)
        assert 0 in self.running, "nobody can release any more"
        listed = records.read(self.sites[0].database, "local")
        good = [r.message for r in listed if r.status == records.SUCCEEDED]
        wanted = good[0] if good else "old"
        stuck = [r for r in listed if r.status == records.FAILED]
        assert stuck or set(self.world.words.values()) == {wanted}, self.world.words

    @rule(number=st.sampled_from(DEPLOYERS))
    def begin(self, number: int) -> None:
        if number in self.running:
            return
        self.made += 1
        word, site = f"release {self.made}", self.sites[number]
        try:
            release = transaction.begin(site, "test", word, ("fake",), Console(io.StringIO()))
        except (Locked, NotRolledBack):
            return
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

    @rule(
        number=st.sampled_from(DEPLOYERS),
        when=st.sampled_from(["before", "after", "never"]),
        seconds=st.sampled_from([0.0, 30.0, 61.0]),
        other=st.sampled_from(DEPLOYERS),
        then=st.sampled_from(["nothing", "begin", "release", "abort", "die"]),
    )
    def change(self, number: int, when: str, seconds: float, other: int, then: str) -> None:
        """Make the next change; stopped in the middle of it, while time passes and others act."""
        release = self.running.get(number)
        if release is None or release.complete:
            return
        if when != "never":
            getattr(self.world, when).append(lambda: self._meanwhile(number, seconds, other, then))
        place = next(e.number for e in release.entries if e.state != records.DONE)
        self._end_unless(number, lambda: release.carry_out(place))

    @rule(number=st.sampled_from(DEPLOYERS))
    def finish(self, number: int) -> None:
        release = self.running.get(number)
        if release is not None and release.complete:
            self._end_unless(number, release.succeed)
            self.running.pop(number, None)

    @rule(number=st.sampled_from(DEPLOYERS))
    def fail(self, number: int) -> None:
        if release := self.running.pop(number, None):
            self._roll_back(release)

    @precondition(lambda self: self.running)
    @rule(number=st.sampled_from(DEPLOYERS))
    def die(self, number: int) -> None:
        self.running.pop(number, None)

    @rule(number=st.sampled_from(DEPLOYERS))
    def abort(self, number: int) -> None:
        """Undo a release that died, from another machine."""
        if number in self.running:
            return
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

    @rule(seconds=st.sampled_from([1.0, 20.0, 59.0, 61.0]))
    def wait(self, seconds: float) -> None:
        SimulatedDatabase.now += seconds

    @rule(number=st.sampled_from(DEPLOYERS))
    def beat(self, number: int) -> None:
        if release := self.running.get(number):
            release.ledger.lease._renew(self.sites[number].database)

    @invariant()
    def nobody_changes_anything_after_another_has_the_lock(self) -> None:
        assert self.world.calls == sorted(self.world.calls)

    def _meanwhile(self, number: int, seconds: float, other: int, then: str) -> None:
        """Let time pass, and another deployer act, in a process of its own."""
        SimulatedDatabase.now += seconds
        if other == number or then == "nothing":
            return
        with fence.lifted():
            if then == "abort":
                self.abort(other)
            elif then == "die":
                self.die(other)
            else:
                self.begin(other)
            while then == "release" and other in self.running:
                self.change(other, "never", 0.0, other, "nothing")
                self.finish(other)

    def _end_unless(self, number: int, act: Any) -> None:
        release = self.running[number]
        try:
            with fence.fenced(release.ledger.lease):
                act()
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
