"""No failure of this machine stops the undoing: a full disk, a damaged journal, a terminal gone."""

from __future__ import annotations

import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.releases import NEW, OLD, Begin, FakeStep, failing, kill
from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError, Interrupted, Refused, StepFailed
from xswarm_deploy.output import discard_output
from xswarm_deploy.release import anchors, records, takeover, transaction
from xswarm_deploy.release.interruption import stoppable, unstoppable
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site

_WRITE = os.write


class FullDisk:
    """A disk that takes so many writes of files in a folder, and then no byte more."""

    def __init__(self, folder: Path, left: int, *, short: bool = False) -> None:
        self.folder, self.left, self.short, self.refused = folder, left, short, 0

    def write(self, handle: int, data: bytes) -> int:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if self.folder not in path.parents:
            return _WRITE(handle, data)
        self.left -= 1
        if self.left >= 0:
            return _WRITE(handle, data)
        self.refused += 1
        if self.short and self.refused == 1:
            return _WRITE(handle, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FullDisk]:
    def make(left: int, *, short: bool = False) -> FullDisk:
        disk = FullDisk(site.settings.path(".deployments"), left, short=short)
        monkeypatch.setattr(os, "write", disk.write)
        return disk

    return make


@pytest.fixture
def no_terminal() -> Iterator[Console]:
    """Yield a console whose every write fails, as those to a terminal that has gone."""
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        yield Console(stream)


def deploy(site: Site, step: FakeStep, console: Console) -> None:
    with transaction.transaction(site, "test", "", ("fake",), console) as release:
        release.perform(step)


def failure(act: Callable[[], None]) -> DeployError | None:
    try:
        act()
    except DeployError as error:
        return error
    return None


def statuses(site: Site) -> list[str]:
    return [record.status for record in records.read(site.database, "local")]


@pytest.mark.slow
@pytest.mark.parametrize("short", [False, True])
def test_a_disk_that_is_full_from_any_write_on_leaves_the_world_old_or_new(
    site: Site, step: FakeStep, full: Callable[..., FullDisk], *, short: bool
) -> None:
    ended = set()
    for writes in range(40):
        step.world.update(OLD)
        disk = full(writes, short=short)
        error = failure(lambda: deploy(site, step, Console()))
        assert step.world == (OLD if error else NEW)
        assert error is None or "No space left on device" in str(error)
        ended.add(type(error))
        if not disk.refused:
            break
    assert not disk.refused, "not every write was made to fail"
    assert ended == {Refused, StepFailed, type(None)}
    assert not set(statuses(site)) - {"succeeded", "rolled back"}


def test_it_is_aborted_and_resumed_without_a_disk(
    site: Site, step: FakeStep, begin: Begin, full: Callable[..., FullDisk]
) -> None:
    dead = begin()
    dead.make(step.plans[:2])
    kill(dead, site)
    full(0)
    takeover.abort(site)
    assert step.world == OLD
    assert statuses(site) == ["rolled back"]


def test_no_terminal_stops_neither_a_release_nor_its_undoing(
    site: Site, step: FakeStep, no_terminal: Console
) -> None:
    deploy(site, step, no_terminal)
    assert step.world == NEW
    step.world.update(OLD)
    step.fail_apply["c"] = failing()
    with pytest.raises(StepFailed, match="brought back"):
        deploy(site, step, no_terminal)
    assert step.world == OLD


def test_what_nobody_can_read_is_an_error_outside_of_releases(no_terminal: Console) -> None:
    with pytest.raises(OSError, match="No space left"):
        no_terminal.line("a list")
    discard_output(no_terminal.stream)


@pytest.fixture
def with_terminal() -> Iterator[None]:
    """Hear of a terminal that goes, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("with_terminal")
def test_a_terminal_that_goes_ends_a_release_as_ctrl_c_does(site: Site, step: FakeStep) -> None:
    def hang_up() -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    step.fail_undo = {}
    original = step.apply

    def apply(site: Site, change: object) -> object:
        if step.calls:
            hang_up()
        return original(site, change)  # type: ignore[arg-type]

    step.apply = apply  # type: ignore[assignment,method-assign]
    with pytest.raises(Interrupted, match="everything was brought back"):
        deploy(site, step, Console())
    assert step.world == OLD


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stoppable(), unstoppable(Console()):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def press_before(monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> None:
    """Let Ctrl-C be pressed at the very moment at which something is called."""
    called: Callable[..., object] = getattr(where, name)

    def pressed(*arguments: object, **named: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return called(*arguments, **named)

    monkeypatch.setattr(where, name, pressed)


def test_ctrl_c_twice_undoes_as_ctrl_c_once_does(
    site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    press_before(monkeypatch, step, "apply")
    press_before(monkeypatch, transaction, "unstoppable")  # before the undoing is sheltered
    with pytest.raises(Interrupted, match="everything was brought back"):
        deploy(site, step, Console())
    assert step.world == OLD
    assert statuses(site) == ["rolled back"]


@pytest.mark.parametrize(("where", "name"), [(anchors, "leave"), (transaction, "_show_told")])
def test_a_key_that_is_pressed_after_a_success_does_not_call_it_a_failure(
    site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch, where: object, name: str
) -> None:
    press_before(monkeypatch, where, name)
    said = Console(io.StringIO())
    with transaction.transaction(site, "test", "", ("fake",), said) as release:
        release.perform(step)
    transaction.report_success(release)
    assert step.world == NEW
    assert statuses(site) == ["succeeded"]
    printed = said.stream.getvalue()  # type: ignore[attr-defined]
    assert "interrupted after the release had succeeded" in printed
    assert f"release {release.record.release}" in printed


def test_what_succeeded_is_not_undone_by_a_key_at_that_very_moment(
    site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed = Release.succeed

    def pressed(release: Release) -> None:
        succeed(release)
        raise KeyboardInterrupt

    monkeypatch.setattr(Release, "succeed", pressed)
    deploy(site, step, Console())
    assert step.world == NEW
    assert statuses(site) == ["succeeded"]


DAMAGES = {
    "a number": b"12\n",
    "no number": b'{"event": "done"}\n',
    "an event that is none": b'{"event": 7}\n',
    "a number that is none": b'{"event": "done", "number": "2", "outcome": {}}\n',
    "an outcome that is none": b'{"event": "done", "number": 2, "outcome": []}\n',
    "facts that are none": b'{"event": "end", "status": "succeeded", "facts": 3}\n',
    "no UTF-8": b'\xff\xfe{"event": "end"}\n',
    "deep": b"[" * 100_000 + b"\n",
    "zeroes, as after a power cut": b"\0" * 512 + b"\n",
    "nothing": b"\n",
}


@pytest.mark.parametrize(
    ("damage", "how"),
    [
        *((damage, "abort") for damage in DAMAGES),
        ("no number", "resume"),
        ("no UTF-8", "the next release"),
    ],
)
def test_a_damaged_journal_is_set_aside_and_the_database_tells(
    site: Site, step: FakeStep, begin: Begin, damage: str, how: str
) -> None:
    dead = begin()
    dead.make(step.plans[:2])
    kill(dead, site)
    damaged(dead, DAMAGES[damage])
    if how == "abort":
        takeover.abort(site)
        assert step.world == OLD
    elif how == "resume":
        takeover.resume(site)
        assert step.world == NEW
    else:
        step.plans.clear()
        deploy(site, step, Console())
    assert not set(statuses(site)) - {"succeeded", "rolled back"}
    aside = dead.journal.path.with_suffix(".damaged")
    assert aside.exists() == (damage != "nothing")


def damaged(dead: Release, content: bytes) -> None:
    with dead.journal.path.open("ab") as file:
        file.write(content)


def test_what_was_torn_by_a_crash_does_not_tear_what_follows(site: Site, begin: Begin) -> None:
    release = begin()
    damaged(release, b'{"event": "do')
    release.note("verified")
    assert [event["event"] for event in release.journal.read()] == ["begin", "verified"]


def test_the_journal_may_be_gone(site: Site, step: FakeStep, begin: Begin) -> None:
    dead = begin()
    dead.make(step.plans[:2])
    kill(dead, site)
    dead.journal.path.unlink()
    takeover.abort(site)
    assert step.world == OLD
