"""What of Cloudflare's own stands in front of a Worker, and how a service token passes it.

Cloudflare Access answers in the Worker's place with a redirect to its login, bot protection with a
page that only a browser solves. Neither says anything of a version. Sources: Cloudflare One,
"Service tokens"; Cloudflare challenges, "Detect a Challenge Page response".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

ID: Final = "ACCESS_CLIENT_ID"
SECRET: Final = "ACCESS_CLIENT_SECRET"  # noqa: S105 - a variable's name
LOGIN: Final = "the login of Cloudflare Access"
CHALLENGE: Final = "a challenge of Cloudflare's bot protection"
WALLED: Final = "something of Cloudflare's own answers in the Worker's place"
REMEDY: Final = (
    f"Access: make a service token, let a policy (Service Auth) accept it, and put it into {ID} and"
    f" {SECRET} of the environment file; bot protection: let a rule skip the User-Agent xswarm-boss"
)
_LOGINS: Final = ".cloudflareaccess.com"


def headers(settings: Settings) -> dict[str, str]:
    """Return what lets a request of verification pass Access; empty where no token is given."""
    client, secret = settings.secret(ID), settings.secret(SECRET)
    if not (client and secret):
        return {}
    return {"CF-Access-Client-Id": client.reveal(), "CF-Access-Client-Secret": secret.reveal()}


def wall(status: int, headers: Mapping[str, str]) -> str:
    """Return what of Cloudflare's own answered; empty: nothing that is known.

    Args:
        status: of the answer.
        headers: of the answer, by name in any case.
    """
    if not 300 <= status < 600:
        return ""
    lower = {name.lower(): text for name, text in headers.items()}
    if lower.get("cf-mitigated", "").lower() == "challenge":
        return CHALLENGE
    to = urlsplit(lower.get("location", ""))
    is_login = (to.hostname or "").endswith(_LOGINS) and "/cdn-cgi/access/login" in to.path
    return LOGIN if is_login and status < 400 else ""
