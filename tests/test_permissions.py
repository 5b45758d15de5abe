from __future__ import annotations

import re
from pathlib import Path

import pytest

from xswarm_deploy import permissions
from xswarm_deploy.services.cloudflare import refusals
from xswarm_deploy.services.errors import error_kind

ACCOUNT = "/client/v4/accounts/0123"
REFUSED = (403, ["10000"], "Authentication error")
GUIDE = Path(__file__).parents[1] / "deployment/docs/guide/accounts-and-keys.md"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (f"GET {ACCOUNT}/workers/scripts/shop/deployments", "Account, Workers Scripts: Edit"),
        (f"POST {ACCOUNT}/workers/scripts/shop/tails", "Account, Workers Tail: Read"),
        (f"GET {ACCOUNT}/workers/domains", "Account, Workers Scripts: Edit"),
        (f"PUT {ACCOUNT}/workflows/w", "Account, Workers Scripts: Edit"),
        (f"POST {ACCOUNT}/d1/database/x/raw", "Account, D1: Edit"),
        (f"GET {ACCOUNT}/storage/kv/namespaces", "Account, Workers KV Storage: Edit"),
        (f"GET {ACCOUNT}/r2/buckets", "Account, Workers R2 Storage: Edit"),
        (f"GET {ACCOUNT}/queues", "Account, Queues: Edit"),
        (f"GET {ACCOUNT}/pages/projects", "Account, Cloudflare Pages: Edit"),
        ("GET /client/v4/zones", "Zone, Zone: Read"),
        ("GET /client/v4/zones/z/workers/routes", "Zone, Workers Routes: Edit"),
        ("PUT /client/v4/zones/z/rulesets/phases/p", "Zone, Transform Rules: Edit"),
    ],
)
def test_a_refused_call_names_the_permission_and_its_place(call: str, name: str) -> None:
    told = permissions.remedy(call, *REFUSED)
    assert name in told
    assert ("this zone" if name.startswith("Zone") else "CLOUDFLARE_ACCOUNT_ID") in told
    assert permissions.is_of_token(told)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "10000", "Authentication error"),
        (401, "1000", "Invalid API Token"),
        (400, "6003", "Invalid request headers"),  # a Global API Key as a bearer token
        (400, "9106", "Missing X-Auth-Key, X-Auth-Email or Authorization headers"),
        (403, "9109", "Invalid access token"),
    ],
)
def test_a_credential_that_is_none_is_said_to_be_none(status: int, code: str, message: str) -> None:
    call = f"GET {ACCOUNT}/d1/database/x"
    assert permissions.is_wrong_token(call, status, [code], message)
    assert "no Global API Key" in permissions.remedy(call, status, [code], message)


def test_a_token_of_another_address_lacks_no_permission() -> None:
    message = "Cannot use the access token from location: 192.0.2.1"
    assert not permissions.is_wrong_token("GET /zones", 403, ["9109"], message)
    assert "Client IP Address Filtering" in permissions.remedy("GET /zones", 403, ["9109"], message)


@pytest.mark.parametrize("status", [400, 403])
def test_an_upload_that_lacks_the_permission_of_a_binding_names_that(status: int) -> None:
    message = (
        "You do not have access to this feature. Please ensure it is enabled. If you are an"
        " Enterprise user, reach out to your account team.: kv bindings require kv write perms"
    )
    told = permissions.remedy(
        f"POST {ACCOUNT}/workers/scripts/s/versions", status, ["10023"], message
    )
    assert "Account, Workers KV Storage: Edit" in told


@pytest.mark.parametrize(
    ("status", "code", "message", "told"),
    [
        (403, "10042", "Please enable R2 through the Cloudflare Dashboard.", "switch R2 on"),
        (403, "10034", "You need to verify your email address to use Workers.", "e-mail address"),
        (403, "10063", "You need a workers.dev subdomain", "name under workers.dev"),
        (400, "10089", "You need to enable Analytics Engine.", "switch Analytics Engine on"),
        (400, "10097", "In order to use Durable Objects with a free plan", "new_sqlite_classes"),
        (400, "10072", "This account has reached the Workers Free limit", "remove cron triggers"),
        (400, "100328", "CPU limits are not supported for the Free plan.", 'remove "limits"'),
        (403, "100158", "workers.api.error.no_access_to_vectorize", "Workers Paid plan"),
        (409, "10035", "Multiple attempts to modify a resource", "somebody else changes the same"),
    ],
)
def test_what_the_account_lacks_is_no_permission_of_the_token(
    status: int, code: str, message: str, told: str
) -> None:
    kind, remedy = refusals.judged(f"GET {ACCOUNT}/r2/buckets", status, [code], message)
    assert told in remedy
    assert not permissions.is_of_token(remedy)
    assert issubclass(kind, error_kind(status))


def test_a_namespace_that_is_none_has_the_code_of_r2_and_not_its_remedy() -> None:
    """10042 means two things: workers-sdk shows it of a KV namespace, too."""
    told = refusals.judged("PUT /x", 400, ["10042"], "KV namespace 'YOUR_ID' is not valid.")[1]
    assert "R2" not in told


def test_a_token_that_may_not_verify_itself_is_not_of_the_account() -> None:
    assert permissions.is_wrong_token(f"GET {ACCOUNT}/tokens/verify", *REFUSED)


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_what_is_of_no_token_has_no_remedy_here(status: int) -> None:
    assert permissions.remedy(f"GET {ACCOUNT}/d1/x", status, ["10021"], "no") == ""


def test_the_guide_names_every_permission() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    names = {name for _, name in permissions._NEEDED}
    missing = [name for name in names if re.sub(r": .*", "", name.split(", ")[1]) not in guide]
    assert missing == []
