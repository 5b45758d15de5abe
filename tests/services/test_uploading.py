"""Buckets fit the uplink; what is lost is sent again, and nothing else; rounds end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xswarm_deploy.services import uploading
from xswarm_deploy.services.errors import Invalid, ServiceUnavailable
from xswarm_deploy.services.files import StaticFile
from xswarm_deploy.services.progress import Uploads
from xswarm_deploy.services.uploading import Queue, Round, bucket_size, send_all, until_complete

MB = 1_000_000


def files(*sizes: int) -> list[StaticFile]:
    return [StaticFile(f"/{n}", Path(), size, str(n), "") for n, size in enumerate(sizes)]


def taken(queue: Queue) -> list[list[StaticFile]]:
    return list(iter(queue.take, None))


def lost() -> ServiceUnavailable:
    return ServiceUnavailable("Cloudflare", "POST /x", message="no answer in time")


def test_buckets_hold_every_file_once_and_no_more_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploading, "FULLEST_BUCKET", 3)
    monkeypatch.setattr(uploading, "FIRST_BUCKET", 300_000)
    made = files(*(n % 60 * 5_000 for n in range(500)))
    divided = taken(Queue(made, lambda: 0.0))
    assert sorted(file.path for bucket in divided for file in bucket) == sorted(
        file.path for file in made
    )
    assert max(len(bucket) for bucket in divided) == 3
    assert max(sum(file.size for file in bucket) for bucket in divided) <= 300_000


def test_a_file_larger_than_a_bucket_travels_alone() -> None:
    assert [len(bucket) for bucket in taken(Queue(files(25 * MB, 10, 10), lambda: 1.0))] == [1, 2]


@pytest.mark.parametrize(
    ("rate", "size"),
    [
        (0.0, uploading.FIRST_BUCKET),
        (0.01 * MB, uploading.SMALLEST_BUCKET),
        (1.2 * MB, 4 * MB),  # 10 Mbit/s: three calls of ten seconds
        (100 * MB, uploading.LARGEST_BUCKET),
    ],
)
def test_buckets_are_as_large_as_the_uplink_is_fast(rate: float, size: int) -> None:
    assert bucket_size(rate) == size


def test_the_rate_counts_what_left_and_not_what_was_there() -> None:
    now = [100.0]
    told: list[tuple[int, int]] = []
    uploads = Uploads(10 * MB, lambda *given: told.append(given), 4 * MB, lambda: now[0])
    assert uploads.rate == 0.0
    sent = uploads.part(3 * MB, 4 * MB)  # base64 makes a body a third longer
    sent(0)
    now[0] += 2
    sent(2 * MB)
    assert told[-1] == (5_500_000, 10 * MB)
    assert uploads.rate == 750_000
    sent(0)  # the call is tried again
    assert told[-1] == (4 * MB, 10 * MB)
    sent(5 * MB)
    assert told[-1] == (7 * MB, 10 * MB)


def test_a_lost_bucket_is_sent_in_the_next_round_and_no_other() -> None:
    missing, sent, broken = list("abcdef"), [], {"c"}

    def one_round() -> Round:
        left = [one for one in missing if one not in sent]

        def send(one: str) -> None:
            if one in broken:
                broken.discard(one)
                raise lost()
            sent.append(one)

        return send_all(lambda: left.pop(0) if left else None, send)

    until_complete(one_round)
    assert sorted(sent) == missing


def rounds(*ended: Round) -> tuple[Callable[[], Round], list[Round]]:
    left = list(ended)
    return (lambda: left.pop(0)), left


def test_when_nothing_gets_through_it_ends() -> None:
    one_round, left = rounds(Round(2, lost()), Round(0, lost()), Round(9, None))
    with pytest.raises(ServiceUnavailable, match="no answer in time"):
        until_complete(one_round)
    assert len(left) == 1


def test_rounds_end_even_where_each_gets_something_through() -> None:
    with pytest.raises(ServiceUnavailable):
        until_complete(lambda: Round(1, lost()))


def test_a_refusal_is_no_loss() -> None:
    def refuse(_bucket: int) -> None:
        raise Invalid("Cloudflare", "POST /x", status=400)

    left = [1, 2, 3]
    with pytest.raises(Invalid):
        send_all(lambda: left.pop() if left else None, refuse)
