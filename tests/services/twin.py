"""The whole local twin, in a scratch project, for tests of the clients against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
import yaml

from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.settings import Settings, load
from xswarm_deploy.settings.variables import VARIABLES
from xswarm_deploy.site import Site
from xswarm_twin import credentials, folder, supervisor
from xswarm_twin.control import bearer

PROJECT = Path(__file__).resolve().parents[2]
SHARED = (
    "deployment/config",
    "worker",
    "site",
    "migrations",
)
PROVIDERS = ("stripe", "sendgrid", "anthropic", "openai", "twilio", "slack")


class Twin:
    """A running twin, and the settings of the project it belongs to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in (*SHARED, "node_modules"):
            link = root / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(PROJECT / name)
        self.state = supervisor.up(root, ["boss-ai"], ["xswarm-boss"])
        self._project = yaml.safe_load((PROJECT / "invoke.yaml").read_text())["deploy"]
        self._token = bearer(credentials.load(folder.of(root))["CLOUDFLARE_API_TOKEN"])

    def down(self) -> None:
        supervisor.down(self.root)

    def settings(self, **values: str) -> Settings:
        """Read the settings as ``deploy.local`` does, with values in place of the twin's."""
        read = load("local", self._project, self.root, {})
        plain, secret = dict(read._values), dict(read._secrets)
        for variable in VARIABLES:
            value = values.pop(variable.file_name("local"), None)
            if value is not None and variable.secret:
                secret[variable.name] = Secret(value, variable.name)
            elif value is not None:
                plain[variable.name] = value
        assert not values, f"unknown: {values}"
        return replace(read, _values=plain, _secrets=secret)

    def site(self, **values: str) -> Site:
        return Site(self.settings(**values), ReleaseState({"release": "release-1"}, uploads=True))

    def fault(self, service: str, kind: str, times: int = 1) -> None:
        """Switch a fault on at a provider's stand-in."""
        wanted = {"kind": kind, "times": times}
        _settle("PUT", self._control(service), json=wanted, headers=self._token)

    def cloudflare_fault(self, method: str, path: str, kind: str, times: int = 1) -> None:
        """Switch a fault on at the Cloudflare stand-in."""
        wanted = {"method": method, "path": path, "kind": kind, "times": times}
        _settle("PUT", self._cloudflare(), json=wanted, headers=self._token)

    def clear(self) -> None:
        """Switch all faults off."""
        for service in PROVIDERS:
            _settle("DELETE", self._control(service), headers=self._token)
        _settle("DELETE", self._cloudflare(), headers=self._token)

    def _control(self, service: str) -> str:
        port = self.state.ports[service]
        return f"http://127.0.0.1:{port}/__sandbox/faults"

    def _cloudflare(self) -> str:
        return f"http://127.0.0.1:{self.state.ports['api']}/__sandbox/faults"


def _settle(method: str, url: str, **options: Any) -> None:
    with requests.Session() as session:
        session.trust_env = False
        reply = session.request(method, url, timeout=60, **options)
        assert reply.status_code == 200, reply.text
