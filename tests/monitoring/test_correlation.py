from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.monitoring import needs_processes
from xswarm_monitoring.correlation import correlate

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_request_id_that_came_in_is_kept() -> None:
    assert correlate([(b"x-request-id", b"abc-123")]).request_id == "abc-123"


@pytest.mark.parametrize(
    "bad", [b"", b"a" * 129, b"a b", b"a\r\nSet-Cookie: x", b'"quoted"', "é".encode()]
)
def test_a_request_id_that_could_do_harm_is_replaced(bad: bytes) -> None:
    assert re.fullmatch("[0-9a-f]{32}", correlate([(b"x-request-id", bad)]).request_id)


def test_a_valid_traceparent_is_continued() -> None:
    correlation = correlate([(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())])
    assert (correlation.trace_id, correlation.parent_id, correlation.flags) == (TRACE, SPAN, "01")
    assert correlation.request_id == TRACE


def test_requests_made_on_behalf_carry_the_trace_with_a_span_of_their_own() -> None:
    correlation = correlate([(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())])
    headers = correlation.headers()
    assert headers["X-Request-ID"] == TRACE
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert re.fullmatch("[0-9a-f]{16}", span)
    assert span not in (SPAN, correlation.headers()["traceparent"].split("-")[2])


@pytest.mark.parametrize(
    "bad",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"00-{TRACE}-{SPAN}",
        "",
    ],
)
def test_an_invalid_traceparent_begins_a_new_trace(bad: str) -> None:
    correlation = correlate([(b"traceparent", bad.encode())])
    assert correlation.trace_id != TRACE
    assert correlation.parent_id == ""


def test_a_later_version_of_traceparent_is_read_as_far_as_known() -> None:
    assert correlate([(b"traceparent", f"01-{TRACE}-{SPAN}-01-more".encode())]).trace_id == TRACE


def test_ids_that_are_drawn_in_advance_are_each_given_once() -> None:
    ids = [correlate([]).trace_id for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


FORKED = """
import os
from xswarm_monitoring.correlation import correlate
correlate([])
os.fork()
os.write(1, correlate([]).trace_id.encode() + b"\\n")
"""


@needs_processes
def test_two_processes_of_one_share_no_id() -> None:
    """A server that forks its workers after the first request, say."""
    run = subprocess.run(
        [sys.executable, "-c", FORKED], check=True, capture_output=True, text=True, timeout=60
    )
    assert len(set(run.stdout.split())) == 2
