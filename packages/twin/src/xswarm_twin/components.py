"""The parts of the twin: which programs, with which arguments, and when each is ready."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xswarm_twin import credentials, files, programs
from xswarm_twin.address import HOST, address
from xswarm_twin.control import bearer
from xswarm_twin.credentials import TWILIO_ACCOUNT, Credentials
from xswarm_twin.folder import Folder
from xswarm_twin.providers import numbers
from xswarm_twin.state import State

CODE: Final = Path(__file__).resolve().parents[1]  # from where `-m xswarm_twin` is found
_UNLIMITED: Final = (Path(__file__).parent / "providers" / "unlimited.mjs").as_uri()
NAMES: Final = ("cloudflare", "sqld", "emulate", "providers")
FRONTED: Final = ("twilio", "slack")
OWN: Final = ("stripe", "sendgrid", "anthropic", "openai")
_REPLICATION_LOG: Final = "16"  # MB until it is compacted; nobody replicates the twin
_SELECT_ONE: Final = {"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1"}}]}


@dataclass(frozen=True)
class Probe:
    """One request that tells whether a part is ready.

    Args:
        port: on 127.0.0.1.
        path: what is asked for.
        headers: sent along.
        statuses: the answers that mean ready; empty: any HTTP answer does.
        body: JSON text to POST; empty: GET.
    """

    port: int
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (200,)
    body: str = ""


@dataclass(frozen=True)
class Part:
    """One program of the twin.

    Args:
        name: also of its log.
        argv: what is run; never with a secret.
        port: its first port.
        probes: all must answer before the part counts as ready.
    """

    name: str
    argv: tuple[str, ...]
    port: int
    probes: tuple[Probe, ...]


def build(folder: Folder, planned: State) -> list[Part]:
    """Describe the parts that are planned; files that they are told to read are written."""
    keys = credentials.load(folder)
    makers = {
        "cloudflare": _cloudflare,
        "sqld": _sqld,
        "emulate": _emulate,
        "providers": _providers,
    }
    return [makers[name](folder, planned, keys) for name in planned.parts]


def _cloudflare(folder: Folder, planned: State, keys: Credentials) -> Part:
    """Describe the Cloudflare API stand-in, the edge and the objects, one process."""
    ports, token = planned.ports, bearer(keys["CLOUDFLARE_API_TOKEN"])
    hosts = [f"worker:{name}" for name in planned.workers]
    hosts += [f"pages:{name}" for name in planned.pages]
    return Part(
        name="cloudflare",
        argv=_python("xswarm_twin.cloudflare", folder),
        port=ports["api"],
        probes=(
            Probe(ports["api"], "/client/v4/user/tokens/verify", token),
            Probe(ports["objects"], statuses=()),
            *(Probe(ports[name], statuses=()) for name in hosts),
        ),
    )


def _sqld(folder: Folder, planned: State, keys: Credentials) -> Part:
    """Describe libSQL's server; it takes only tokens that this twin's key signed."""
    port, key = planned.ports["database"], folder.path / "sqld.pem"
    files.write(key, keys["DATABASE_PUBLIC_KEY"])
    token = bearer(keys["TURSO_AUTH_TOKEN"])
    return Part(
        name="sqld",
        argv=(
            *(str(programs.sqld()), "--no-welcome"),
            *("--db-path", str(folder.database)),
            *("--http-listen-addr", f"{HOST}:{port}"),
            *("--auth-jwt-key-file", str(key)),
            *("--max-log-size", _REPLICATION_LOG),
        ),
        port=port,
        probes=(Probe(port, "/v2/pipeline", token, body=json.dumps(_SELECT_ONE)),),
    )


def _emulate(folder: Folder, planned: State, keys: Credentials) -> Part:
    """Describe Twilio's and Slack's stand-in; what they knew last is given to them again.

    Node reads ``unlimited.mjs`` before it.
    """
    ports = planned.ports
    twilio_port, slack_port = ports["twilio-inner"], ports["slack-inner"]
    token = keys["TWILIO_AUTH_TOKEN_TEST"]
    configuration = folder.providers / "emulate.json"
    services = {
        "twilio": {
            "emulator": "twilio",
            "port": twilio_port,
            "baseUrl": address(ports["twilio"]),
            "seed": numbers.seed(folder.providers, token),
        },
        "slack": {"emulator": "slack", "port": slack_port},
    }
    files.write(configuration, json.dumps({"services": services}))
    basic = base64.b64encode(f"{TWILIO_ACCOUNT}:{token}".encode()).decode()
    account = f"/2010-04-01/Accounts/{TWILIO_ACCOUNT}.json"
    return Part(
        name="emulate",
        argv=(
            *(str(programs.node()), "--import", _UNLIMITED),
            *(str(programs.emulate()), "start"),
            *("--config", str(configuration)),
        ),
        port=twilio_port,
        probes=(
            Probe(twilio_port, account, {"Authorization": f"Basic {basic}"}),
            Probe(slack_port, statuses=()),
        ),
    )


def _providers(folder: Folder, planned: State, keys: Credentials) -> Part:
    """Describe the process of our own stand-ins, and of the front before emulate."""
    ports, token = planned.ports, bearer(keys["CLOUDFLARE_API_TOKEN"])
    return Part(
        name="providers",
        argv=_python("xswarm_twin.providers", folder),
        port=ports["stripe"],
        probes=tuple(Probe(ports[name], "/__sandbox/faults", token) for name in (*OWN, *FRONTED)),
    )


def _python(module: str, folder: Folder) -> tuple[str, ...]:
    """Return the command of a part of ours, which reads ports and keys in the twin's folder."""
    return (sys.executable, "-m", module, str(folder.path))
