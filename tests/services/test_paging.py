"""Every list of pages ends: whatever a service says about a next one."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import responses

from xswarm_deploy.secret import Secret
from xswarm_deploy.services import paging
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.errors import UnexpectedReply
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.paging import every
from xswarm_deploy.services.r2 import R2
from xswarm_deploy.services.sigv4 import Signer
from xswarm_deploy.services.stripe import Stripe

BASE = "https://api.example.test"


def http(fake_time: Any, service: str) -> Http:
    return Http(service, BASE, {}, clock=fake_time.clock)


def test_all_pages_are_read_in_their_order() -> None:
    pages = {1: ("a", 2), 2: ("b", 3), 3: ("c", None)}
    assert list(every("S", "GET /", 1, lambda at: pages[at], lambda: 0.0)) == ["a", "b", "c"]


def test_an_empty_page_does_not_end_a_list() -> None:
    pages = {1: ("", 2), 2: ("b", None)}
    assert list(every("S", "GET /", 1, lambda at: pages[at], lambda: 0.0)) == ["b"]


def test_a_list_may_not_be_longer_than_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_PAGES", 5)
    with pytest.raises(UnexpectedReply, match="after 5 pages"):
        list(every("S", "GET /", 0, lambda at: ("x", at + 1), lambda: 0.0))


def test_a_list_may_not_take_longer_than_its_time(fake_time: Any) -> None:
    def slow(at: int) -> tuple[str, int]:
        fake_time.sleep(30)
        return "x", at + 1

    with pytest.raises(UnexpectedReply, match="within 600 s"):
        list(every("S", "GET /", 0, slow, fake_time.now))


def _answer(body: Any) -> None:
    responses.get(
        re.compile(f"{BASE}/.*"),
        body=body if isinstance(body, str) else json.dumps(body),
    )


@responses.activate
def test_stripe_that_always_has_more(fake_time: Any) -> None:
    endpoint = {"id": "we_1", "url": "https://a.test"}
    _answer({"data": [endpoint], "has_more": True})
    with pytest.raises(UnexpectedReply, match="leads back"):
        Stripe(http(fake_time, "Stripe")).endpoints()


@responses.activate
def test_r2_whose_token_repeats(fake_time: Any) -> None:
    xml = "<R><Contents><Key>a</Key></Contents><NextContinuationToken>t</NextContinuationToken></R>"
    _answer(xml)
    signer = Signer(Secret("a", "ID"), Secret("b", "KEY"))
    with pytest.raises(UnexpectedReply, match="leads back"):
        list(R2(http(fake_time, "R2"), signer, "bucket").objects())


@responses.activate
def test_buckets_whose_cursor_repeats(fake_time: Any) -> None:
    page = {"success": True, "result": {"buckets": []}, "result_info": {"cursor": "c"}}
    _answer(page)
    with pytest.raises(UnexpectedReply, match="leads back"):
        Cloudflare(http(fake_time, "Cloudflare"), "acc").buckets()


@responses.activate
def test_accounts_that_never_end(fake_time: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_PAGES", 3)
    page = {"success": True, "result": [{"id": "a"}], "result_info": {"total_pages": 10**9}}
    _answer(page)
    with pytest.raises(UnexpectedReply, match="after 3 pages"):
        Cloudflare(http(fake_time, "Cloudflare"), "acc").accounts()
