"""The twin's Cloudflare API, asked by tests for what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import requests


class TwinApi(NamedTuple):
    """The API of the twin that runs in a folder; ``A`` begins the account's paths."""

    root: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the result of a call, or None where there is no such thing."""
        known = self._endpoints()
        path = path.replace("A/", f"/accounts/{known['CLOUDFLARE_ACCOUNT_ID']}/", 1)
        reply = requests.request(
            method,
            known["CLOUDFLARE_API_BASE_URL"] + path,
            headers={"Authorization": f"Bearer {known['CLOUDFLARE_API_TOKEN']}"},
            json=body,
            timeout=60,
        )
        assert reply.ok or reply.status_code == 404, reply.text
        return reply.json()["result"] if reply.ok else None

    def addresses(self, worker: str) -> dict[str, Any]:
        """Return where a Worker answers."""
        switches = self.call("GET", f"A/workers/scripts/{worker}/subdomain")
        domains = self.call("GET", f"A/workers/domains?service={worker}")
        zones = [zone["id"] for zone in self.call("GET", "/zones")]
        routes = [
            one for zone in zones for one in self.call("GET", f"/zones/{zone}/workers/routes")
        ]
        return {
            "workers.dev": switches and switches["enabled"],
            "domains": [domain["hostname"] for domain in domains],
            "routes": [route["pattern"] for route in routes if route["script"] == worker],
        }

    def consumers(self, queue: str) -> list[Any]:
        """Return what consumes a queue."""
        listed = self.call("GET", f"A/queues?name={queue}")
        return [consumer for one in listed for consumer in one["consumers"]]

    def _endpoints(self) -> dict[str, str]:
        lines = (self.root / ".sandbox/endpoints.env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line)
        return {name: value.strip("\"'") for name, value in pairs}
