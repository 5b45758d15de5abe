"""Faults in the running twin, switched on by people: a game day."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from xswarm_twin import components, files, folder, supervisor
from xswarm_twin.address import HOST, address
from xswarm_twin.control import bearer
from xswarm_twin.errors import Refused, Unavailable
from xswarm_twin.faults import Fault

CLOUDFLARE: Final = "cloudflare"
CERTIFICATE: Final = "certificate"
DEGRADED: Final = "degraded"
_PORTS: Final = {CLOUDFLARE: "api"} | {
    name: name for name in (*components.OWN, *components.FRONTED)
}
_PATH: Final = "/__sandbox/faults"
_PROFILE: Final = "/__sandbox/profile"
_EXPIRED: Final = "/__sandbox/expired"
_ADDRESSES: Final = {
    "stripe": "STRIPE_API_BASE",
    "twilio": "TWILIO_API_BASE",
    "sendgrid": "SENDGRID_API_BASE",
    "anthropic": "ANTHROPIC_BASE_URL",
    "openai": "OPENAI_BASE_URL",
}
"""The providers that can be asked at another address, and the variable that holds it."""
_LIMIT: Final = 10.0  # seconds


def put(root: Path, provider: str, wanted: Fault) -> None:
    """Let the next requests to a provider fail.

    Args:
        root: the project's folder.
        provider: whose stand-in.
        wanted: how, and how often; which of them, at Cloudflare's stand-in. The kind may also be a
            status alone, as ``429``; ``certificate``: the provider is asked where the certificate
            has expired; ``degraded``: Cloudflare's stand-in has a bad day.

    Raises:
        Refused: the provider or the fault is unknown.
        Unavailable: the twin is down.
    """
    if wanted.kind == CERTIFICATE:
        _move(root, provider, str(json.loads(_ask(root, provider, "POST", {}, _EXPIRED))["url"]))
        return
    if wanted.kind == DEGRADED and provider == CLOUDFLARE:
        _ask(root, provider, "PUT", {"name": DEGRADED}, _PROFILE)
        return
    kind = f"status:{wanted.kind}" if wanted.kind.isdigit() else wanted.kind
    _ask(root, provider, "PUT", {**asdict(wanted), "kind": kind})


def clear(root: Path, provider: str) -> None:
    """Switch a provider's faults off; it raises as :func:`put` does."""
    _ask(root, provider, "DELETE", {})
    if provider == CLOUDFLARE:
        _ask(root, provider, "DELETE", {}, _PROFILE)
    if provider in _ADDRESSES:
        _move(root, provider, address(_port(root, provider)))


def _move(root: Path, provider: str, url: str) -> None:
    """Let the local environment ask a provider at another address.

    Raises:
        Refused: its address cannot be another.
    """
    if provider not in _ADDRESSES:
        raise Refused(
            f"{provider} cannot have an expired certificate here",
            f"there are {', '.join(sorted(_ADDRESSES))}",
            "choose one of them, or another fault",
        )
    file, name = folder.of(root).endpoints, _ADDRESSES[provider]
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    moved = (f"{name}={url}\n" if line.startswith(f"{name}=") else line for line in lines)
    files.write(file, "".join(moved))


def _ask(root: Path, provider: str, method: str, body: Mapping[str, Any], path: str = _PATH) -> str:
    port = _port(root, provider)
    keys = files.read_object(folder.of(root).credentials)
    token = str(keys.get("CLOUDFLARE_API_TOKEN", ""))
    headers = {"Content-Type": "application/json", **bearer(token)}
    connection = http.client.HTTPConnection(HOST, port, timeout=_LIMIT)
    try:
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"{provider}'s stand-in does not answer", str(error), "xswarm-twin up"
        ) from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise Refused(f"{provider}'s stand-in does not know that fault", text, "see --help")
    return text


def _port(root: Path, provider: str) -> int:
    if provider not in _PORTS:
        raise Refused(f"unknown provider {provider!r}", f"there are {', '.join(sorted(_PORTS))}")
    now = supervisor.status(root)
    if not now.processes:
        raise Unavailable("the sandbox is down", "nothing runs", "xswarm-twin up")
    return now.ports[_PORTS[provider]]
