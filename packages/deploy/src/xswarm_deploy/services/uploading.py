"""Send files in buckets, several at a time, and go on from what is missing when one is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, NamedTuple, TypeVar

from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.files import StaticFile

AT_ONCE: Final = 3
ROUNDS: Final = 20  # each sends at least one more bucket, or is the last

LARGEST_BUCKET: Final = 40 * 1024 * 1024  # bytes of one upload call
SMALLEST_BUCKET: Final = 256 * 1024
FIRST_BUCKET: Final = 2 * 1024 * 1024  # while it is not known how fast the uplink is
FULLEST_BUCKET: Final = 2_000  # files of one upload call
BUCKET_SECONDS: Final = 10.0  # what one call should take, and what a lost one costs

Bucket = TypeVar("Bucket")


class Round(NamedTuple):
    """How a round of uploads ended.

    Args:
        sent: buckets that got through.
        failure: why one did not; None: all of them did.
    """

    sent: int
    failure: ServiceUnavailable | None


def until_complete(one_round: Callable[[], Round]) -> None:
    """Repeat rounds, each of what is missing by then, as long as they get something through.

    Raises:
        ServiceUnavailable: nothing gets through any more.
    """
    for number in range(ROUNDS):
        sent, failure = one_round()
        if failure is None:
            return
        if not sent or number == ROUNDS - 1:
            raise failure


def send_all(take: Callable[[], Bucket | None], send: Callable[[Bucket], None]) -> Round:
    """Send buckets, three at a time; whoever loses one stops.

    Args:
        take: returns the next bucket; None: there is none left.
        send: sends one.

    Raises:
        ServiceError: one was refused, which sending it again would not change.
    """

    def work(_worker: int) -> Round:
        sent = 0
        while (bucket := take()) is not None:
            try:
                send(bucket)
            except ServiceUnavailable as failure:
                return Round(sent, failure)
            sent += 1
        return Round(sent, None)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = list(pool.map(work, range(AT_ONCE)))
    failure = next((one.failure for one in ended if one.failure), None)
    return Round(sum(one.sent for one in ended), failure)


class Queue:
    """Files to send, of which buckets are taken as large as the uplink is fast.

    Args:
        files: what is to be sent.
        rate: returns the bytes a second that leave; 0: not known yet.
    """

    def __init__(self, files: Iterable[StaticFile], rate: Callable[[], float]) -> None:
        self._files = sorted(files, key=lambda file: (-file.size, file.path))
        self._rate = rate
        self._first = 0  # the largest that is left; the smallest is at the end
        self._taking = Lock()

    def take(self) -> list[StaticFile] | None:
        """Return the next files to send: the largest left, filled up with the smallest."""
        with self._taking:
            if self._first == len(self._files):
                return None
            largest = self._files[self._first]
            self._first += 1
            return [largest, *self._filling(bucket_size(self._rate()) - largest.size)]

    def _filling(self, room: int) -> list[StaticFile]:
        chosen: list[StaticFile] = []
        while self._first < len(self._files) and len(chosen) < FULLEST_BUCKET - 1:
            room -= self._files[-1].size
            if room < 0:
                break
            chosen.append(self._files.pop())
        return chosen


def bucket_size(rate: float) -> int:
    """Return the bytes that one call should carry.

    Args:
        rate: bytes a second that leave, by all calls together; 0: not known yet.
    """
    wanted = rate * BUCKET_SECONDS / AT_ONCE if rate else FIRST_BUCKET
    return int(min(LARGEST_BUCKET, max(SMALLEST_BUCKET, wanted)))
