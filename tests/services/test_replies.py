"""Whatever JSON a service sends, each call returns what it promises or one kind of error."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import responses

from xswarm_deploy.errors import StepFailed
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.anthropic import Anthropic
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.errors import ServiceError, UnexpectedReply
from xswarm_deploy.services.files import pages_files
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.monitor import Monitor
from xswarm_deploy.services.openai import OpenAI
from xswarm_deploy.services.pages import Commit
from xswarm_deploy.services.r2 import R2
from xswarm_deploy.services.sendgrid import ParseSetting, SendGrid
from xswarm_deploy.services.sigv4 import Signer
from xswarm_deploy.services.stripe import Stripe
from xswarm_deploy.services.twilio import Twilio

BASE = "https://api.example.test"
DEEP = "[" * 100_000

RESULTS: tuple[Any, ...] = (
    None,
    7,
    -1.5,
    True,
    "text",
    [],
    {},
    [None],
    [[]],
    [7],
    {"id": None},
    {"id": 7},
    {"id": "x", "versions": 7},
    {"id": "x", "url": [], "metadata": "no"},
    {"deployments": [{"id": "x", "versions": [{"version_id": "v", "percentage": "much"}]}]},
    {"items": {"id": "x"}},
    {"data": [{"id": {}}], "has_more": "maybe"},
    {"subdomain": {"enabled": "perhaps"}},
    {"jwt": {"a": 1}, "buckets": [["not a file"]]},
    {"incoming_phone_numbers": [{"sid": "PN1"}], "scopes": 7, "webhooks": [7], "status": []},
    {"result": [{"hostname": 1}], "policies": [{}], "results": [{}], "buckets": [{}]},
    ["not a file"],
)
WHOLE = ("", "null", "{", "<html>", "7", '"x"', DEEP, '{"success": "x"}', '{"success": true}')


def _envelope(result: Any) -> str:
    return json.dumps({"success": True, "errors": [], "result": result})


BODIES = [*map(json.dumps, RESULTS), *map(_envelope, RESULTS), *WHOLE]


def _calls(http: Http, folder: Path) -> dict[str, Callable[[], object]]:
    cloudflare, stripe, twilio = Cloudflare(http, "acc"), Stripe(http), Twilio(http, "AC1")
    sendgrid, pages, files = SendGrid(http), cloudflare.pages, pages_files(folder)
    r2 = R2(http, Signer(Secret("a", "ID"), Secret("b", "KEY")), "bucket")
    setting = ParseSetting("a.test", "https://a.test")
    return {
        "token": cloudflare.verify_token,
        "accounts": cloudflare.accounts,
        "worker exists": lambda: cloudflare.worker_exists("w"),
        "deployments": lambda: cloudflare.deployments("w"),
        "deploy": lambda: cloudflare.deploy("w", {"v": 100.0}),
        "versions": lambda: [one.secret_names for one in cloudflare.versions("w")],
        "version": lambda: cloudflare.version("w", "v").secret_names,
        "upload": lambda: cloudflare.upload_version("w", b"", {}, "tag"),
        "create": lambda: cloudflare.create_worker("w", b"", {}),
        "account subdomain": cloudflare.account_subdomain,
        "subdomain": lambda: cloudflare.worker_subdomain("w"),
        "set subdomain": lambda: cloudflare.set_subdomain("w", True, True),
        "schedules": lambda: cloudflare.schedules("w"),
        "secrets": lambda: cloudflare.secrets("w"),
        "patch secrets": lambda: cloudflare.patch_latest_secrets("w", {}),
        "buckets": cloudflare.buckets,
        "bucket": lambda: cloudflare.bucket("b"),
        "zone": lambda: cloudflare.zone("a.test"),
        "records": lambda: cloudflare.dns_records("z"),
        "setting": lambda: cloudflare.zone_setting("z", "ssl"),
        "assets": lambda: cloudflare.assets.upload("w", files),
        "project": lambda: pages.project("p"),
        "pages deployments": lambda: pages.deployments("p"),
        "pages deployment": lambda: pages.deployment("p", "d"),
        "pages upload": lambda: pages.upload("p", files),
        "pages deploy": lambda: pages.create_deployment("p", {}, Commit("main")),
        "livemode": stripe.livemode,
        "account": stripe.account,
        "endpoints": stripe.endpoints,
        "create endpoint": lambda: stripe.create_endpoint("https://a.test", ["x"], "a"),
        "update endpoint": lambda: stripe.update_endpoint("we_1", "https://a.test", ["x"]),
        "account status": twilio.account_status,
        "number": lambda: twilio.number("+1"),
        "update number": lambda: twilio.update_number("PN1", {}),
        "scopes": sendgrid.scopes,
        "sender": lambda: sendgrid.sender_is_verified("a@a.test"),
        "hooks": sendgrid.event_webhooks,
        "create hook": lambda: sendgrid.create_event_webhook("https://a.test", [], "n"),
        "update hook": lambda: sendgrid.update_event_webhook("h", "https://a.test", []),
        "public key": lambda: sendgrid.public_key("h"),
        "sign": lambda: sendgrid.sign_event_webhook("h"),
        "parse": sendgrid.parse_settings,
        "create parse": lambda: sendgrid.create_parse_setting(setting),
        "policies": sendgrid.security_policies,
        "create policy": lambda: sendgrid.create_security_policy("n"),
        "openai": OpenAI(http).model,
        "anthropic": Anthropic(http).model,
        "objects": lambda: list(r2.objects()),
        "health": lambda: [one.checks for one in Monitor(http).everything()],
        "metrics": lambda: Monitor(http).metrics("1h"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_any_reply_is_read_or_refused(fake_time: Any, tmp_path: Path, body: str) -> None:
    (tmp_path / "index.html").write_text("x")
    http = Http("Service", BASE, {}, clock=fake_time.clock, retries=0)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            mock.add(method, re.compile(f"{BASE}/.*"), body=body)
        for call in _calls(http, tmp_path).values():
            with contextlib.suppress(ServiceError, StepFailed):
                call()  # anything else fails the test


def test_the_error_says_what_is_wrong_and_where(fake_time: Any) -> None:
    with responses.RequestsMock() as mock:
        mock.post(f"{BASE}/v1/webhook_endpoints/we_1", json={"id": 7, "url": "https://a.test"})
        with pytest.raises(UnexpectedReply) as caught:
            Stripe(Http("Stripe", BASE, {}, clock=fake_time.clock)).update_endpoint("we_1", "u", [])
    assert caught.value.render().splitlines()[:2] == [
        "✗ Stripe sent a reply that cannot be used",
        "  why:  HTTP 200, Expected `str`, got `int` - at `$.id` "
        "(POST /v1/webhook_endpoints/we_1); it may have been applied all the same",
    ]
