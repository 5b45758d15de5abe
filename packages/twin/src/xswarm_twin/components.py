"""The parts of the twin: which programs, with which arguments, and when each is ready."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xswarm_twin import files, programs
from xswarm_twin.address import HOST, address
from xswarm_twin.control import bearer
from xswarm_twin.credentials import TWILIO_ACCOUNT, Credentials
from xswarm_twin.folder import Folder
from xswarm_twin.providers import numbers

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
        environment: added to what every part inherits; the secrets are here.
        port: its first port.
        probes: all must answer before the part counts as ready.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    probes: tuple[Probe, ...]


@dataclass(frozen=True)
class Plan:
    """What one twin serves, and where."""

    folder: Folder
    workers: Sequence[str]
    pages: Sequence[str]
    ports: Mapping[str, int]
    credentials: Credentials


def build(plan: Plan, names: Sequence[str]) -> list[Part]:
    """Describe the parts of these names; files that they are told to read are written."""
    makers = {
        "cloudflare": _cloudflare,
        "sqld": _sqld,
        "emulate": _emulate,
        "providers": _providers,
    }
    return [makers[name](plan) for name in names]


def _cloudflare(plan: Plan) -> Part:
    """Describe the Cloudflare API stand-in, the edge and the objects, one process."""
    ports, keys = plan.ports, plan.credentials
    workers = {name: ports[f"worker:{name}"] for name in plan.workers}
    pages = {name: ports[f"pages:{name}"] for name in plan.pages}
    served = [item for name, port in workers.items() for item in ("--worker", f"{name}:{port}")]
    served += [item for name, port in pages.items() for item in ("--pages", f"{name}:{port}")]
    names = (
        "CLOUDFLARE_API_TOKEN",
        "CLOUDFLARE_ACCOUNT_ID",
        "S3_ACCESS_KEY_ID",
        "S3_SECRET_ACCESS_KEY",
    )
    token = bearer(keys["CLOUDFLARE_API_TOKEN"])
    return Part(
        name="cloudflare",
        argv=(
            *_python("xswarm_twin.cloudflare"),
            *("--state", str(plan.folder.path)),
            *("--api-port", str(ports["api"])),
            *("--objects-port", str(ports["objects"])),
            *served,
        ),
        environment={name: keys[name] for name in names},
        port=ports["api"],
        probes=(
            Probe(ports["api"], "/client/v4/user/tokens/verify", token),
            Probe(ports["objects"], statuses=()),
            *(Probe(port, statuses=()) for port in (*workers.values(), *pages.values())),
        ),
    )


def _sqld(plan: Plan) -> Part:
    """Describe libSQL's server; it takes only tokens that this twin's key signed."""
    port, keys = plan.ports["database"], plan.credentials
    key = plan.folder.path / "sqld.pem"
    files.write(key, keys["DATABASE_PUBLIC_KEY"])
    token = bearer(keys["TURSO_AUTH_TOKEN"])
    return Part(
        name="sqld",
        argv=(
            *(str(programs.sqld()), "--no-welcome"),
            *("--db-path", str(plan.folder.database)),
            *("--http-listen-addr", f"{HOST}:{port}"),
            *("--auth-jwt-key-file", str(key)),
            *("--max-log-size", _REPLICATION_LOG),
        ),
        environment={},
        port=port,
        probes=(Probe(port, "/v2/pipeline", token, body=json.dumps(_SELECT_ONE)),),
    )


def _emulate(plan: Plan) -> Part:
    """Describe Twilio's and Slack's stand-in; what they knew last is given to them again.

    Node reads ``unlimited.mjs`` before it.
    """
    twilio_port, slack_port = plan.ports["twilio-inner"], plan.ports["slack-inner"]
    token = plan.credentials["TWILIO_AUTH_TOKEN_TEST"]
    configuration = plan.folder.providers / "emulate.json"
    services = {
        "twilio": {
            "emulator": "twilio",
            "port": twilio_port,
            "baseUrl": address(plan.ports["twilio"]),
            "seed": numbers.seed(plan.folder.providers, token),
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
        environment={},
        port=twilio_port,
        probes=(
            Probe(twilio_port, account, {"Authorization": f"Basic {basic}"}),
            Probe(slack_port, statuses=()),
        ),
    )


def _providers(plan: Plan) -> Part:
    """Describe the process of our own stand-ins, and of the front before emulate."""
    ports, keys = plan.ports, plan.credentials
    own = [item for name in OWN for item in (f"--{name}", str(ports[name]))]
    fronts = [
        item
        for name in FRONTED
        for item in (f"--{name}", f"{ports[name]}:{ports[f'{name}-inner']}")
    ]
    names = (
        "CLOUDFLARE_API_TOKEN",  # the twin's own routes are opened by it
        "STRIPE_ACCOUNT_ID",
        "STRIPE_SECRET_KEY_TEST",
        "STRIPE_SECRET_KEY_LIVE",
        "STRIPE_RESTRICTED_KEY_TEST",
        "SENDGRID_API_KEY_TEST",
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "SLACK_WEBHOOK_TOKEN",
        "TWILIO_AUTH_TOKEN_TEST",
    )
    return Part(
        name="providers",
        argv=(
            *_python("xswarm_twin.providers"),
            *("--state", str(plan.folder.providers)),
            *own,
            *fronts,
        ),
        environment={name: keys[name] for name in names},
        port=ports["stripe"],
        probes=tuple(
            Probe(ports[name], "/__sandbox/faults", bearer(keys["CLOUDFLARE_API_TOKEN"]))
            for name in (*OWN, *FRONTED)
        ),
    )


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)
