"""Cloudflare's API: the account, its Workers, R2 buckets and zones; Pages and assets beside.

Every answer is an envelope ``{success, errors, result}``. Calls that state a whole
result (a traffic split, a script, a subdomain switch) are harmless to repeat; those that
make a new thing are settled by looking when their reply was lost.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from xswarm_deploy.services import envelope
from xswarm_deploy.services.cloudflare import refusals
from xswarm_deploy.services.cloudflare.accounts import Account, Token
from xswarm_deploy.services.cloudflare.buckets import Bucket, Buckets
from xswarm_deploy.services.cloudflare.deployments import Deployment, Deployments
from xswarm_deploy.services.cloudflare.observed import Observed
from xswarm_deploy.services.cloudflare.stores import Stores
from xswarm_deploy.services.cloudflare.versions import Version, Versions
from xswarm_deploy.services.cloudflare.workers import Subdomain, Workers
from xswarm_deploy.services.cloudflare.zones import DnsRecord, Zone, Zones
from xswarm_deploy.services.http import Http, bearer

if TYPE_CHECKING:
    from xswarm_deploy.services.assets import Assets
    from xswarm_deploy.services.pages import Pages
    from xswarm_deploy.services.queues import Queues
    from xswarm_deploy.services.routes import Domains, Routes
    from xswarm_deploy.services.workflows import Workflows
    from xswarm_deploy.settings.settings import Settings

__all__ = [
    "Account",
    "Bucket",
    "Cloudflare",
    "Deployment",
    "DnsRecord",
    "Subdomain",
    "Token",
    "Version",
    "Zone",
]


class Cloudflare(Stores, Workers, Versions, Deployments, Observed, Buckets, Zones):
    """One Cloudflare account; each noun of it has a file beside this one.

    Args:
        http: the way to the API, with the token.
        account_id: 32 hexadecimal digits.
    """

    @classmethod
    def of(cls, settings: Settings) -> Cloudflare:
        """Return the client of an environment."""
        token = settings.secret("CLOUDFLARE_API_TOKEN")
        http = Http(
            "Cloudflare",
            settings.text("CLOUDFLARE_API_BASE_URL"),
            {"Authorization": bearer(token)},
            judge=refusals.judged,
            refuses=envelope.refuses,
        )
        return cls(http, settings.text("CLOUDFLARE_ACCOUNT_ID"))

    @cached_property
    def pages(self) -> Pages:
        """Return Pages."""
        from xswarm_deploy.services.pages import Pages

        return Pages(self.http, self._account)

    @cached_property
    def assets(self) -> Assets:
        """Return the static assets of Workers."""
        from xswarm_deploy.services.assets import Assets

        return Assets(self.http, self._account)

    @cached_property
    def queues(self) -> Queues:
        """Return the queues."""
        from xswarm_deploy.services.queues import Queues

        return Queues(self.http, self._account)

    @cached_property
    def workflows(self) -> Workflows:
        """Return the Workflows."""
        from xswarm_deploy.services.workflows import Workflows

        return Workflows(self.http, self._account)

    @cached_property
    def routes(self) -> Routes:
        """Return the routes of zones."""
        from xswarm_deploy.services.routes import Routes

        return Routes(self.http)

    @cached_property
    def domains(self) -> Domains:
        """Return the custom domains of Workers."""
        from xswarm_deploy.services.routes import Domains

        return Domains(self.http, self._account)
