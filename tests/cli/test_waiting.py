from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from xswarm_deploy.cli.waiting import waited_for
from xswarm_deploy.errors import Locked, Refused
from xswarm_deploy.model import duration


class Lock:
    """A lock that somebody holds for some seconds, on a clock of its own."""

    def __init__(self, held: float) -> None:
        self.held, self.now, self.ended = held, 0.0, ""

    @contextmanager
    def begin(self) -> Iterator[str]:
        if self.now < self.held:
            raise Locked("another release is under way", "ann, for 3 s")
        try:
            yield "begun"
        except BaseException as error:
            self.ended = str(error)
            raise
        self.ended = "well"

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(lock: Lock, wait: float, *, fail: bool = False) -> str:
    with waited_for(wait, lock.begin, lambda: lock.now, lock.sleep) as value:
        if fail:
            raise Locked("the lease was lost", "")
    return value


def test_without_a_wait_a_held_lock_ends_it_at_once() -> None:
    lock = Lock(1)
    with pytest.raises(Locked):
        run(lock, 0)
    assert lock.now == 0


def test_it_begins_as_soon_as_the_lock_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    lock = Lock(150)
    assert (run(lock, 900), lock.ended) == ("begun", "well")
    assert lock.now == 150
    assert capsys.readouterr().out.count("waiting") == 3  # a line a minute
    with pytest.raises(Locked):
        run(Lock(1000), 900)


def test_a_lock_that_is_lost_later_is_no_reason_to_begin_again() -> None:
    lock = Lock(0)
    with pytest.raises(Locked, match="the lease was lost"):
        run(lock, 900, fail=True)
    assert (lock.now, lock.ended) == (0, "the lease was lost")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("90", 90), ("30s", 30), ("15m", 900), ("2h", 7200), ("1d", 86400), (" 5m ", 300)],
)
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert duration.seconds(text, "--wait") == seconds


@pytest.mark.parametrize("text", ["m", "-1", "1.5h", "1 m", "15min", "9" * 10])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"--wait .* is no length of time"):
        duration.seconds(text, "--wait")
