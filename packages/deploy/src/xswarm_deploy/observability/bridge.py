"""The SMS bridge on the host: its configuration, its program, and the modules it is made of."""

from __future__ import annotations

import ast
from pathlib import Path, PurePosixPath
from typing import Any, Final

import xswarm_monitoring
from xswarm_deploy.observability.stack import (
    HEARTBEAT_URL,
    SMS_TOKEN,
    TWILIO_TOKEN,
    Places,
    Stack,
)

CONFIGURATION: Final = "bridge.json"
LIBRARY: Final = "xswarm_monitoring"
PROGRAM: Final = f"{LIBRARY}.bridge"
_ROOM: Final = Path(str(xswarm_monitoring.__file__)).parent


def file(stack: Stack) -> dict[str, Any]:
    """Return the bridge's configuration; secrets are in files beside it."""
    if not stack.bridged:
        return {}
    sms, places = stack.contacts.sms, stack.places
    told = {
        "service": f"{stack.service} ({stack.environment})",
        "listen": places.bridge,
        "token_file": str(places.secret(SMS_TOKEN)),
    }
    if stack.beats:
        told["heartbeat_file"] = str(places.secret(HEARTBEAT_URL))
    if sms is None:
        return told
    return told | {
        "account": sms.account,
        "sender": sms.sender,
        "recipient": sms.recipient,
        "base": sms.base,
        "twilio_token_file": str(places.secret(TWILIO_TOKEN)),
    }


def url(places: Places, path: str = "/") -> str:
    """Return the address that Alertmanager tells."""
    return f"http://{places.bridge}{path}"


def command(places: Places) -> list[str]:
    """Return the command that runs the bridge, in the folder :func:`modules` are in."""
    return ["/usr/bin/python3", "-m", PROGRAM, str(places.configuration / CONFIGURATION)]


def modules(places: Places) -> dict[PurePosixPath, str]:
    """Return each module's text by its path: the bridge, and what it imports of the library."""
    package = places.library / LIBRARY
    made = {package / "__init__.py": ""}
    waiting = [PROGRAM]
    while waiting:
        file = _ROOM / f"{waiting.pop().rpartition('.')[2]}.py"
        path = package / file.name
        if path not in made:
            made[path] = file.read_text(encoding="utf-8")
            waiting += _imported(made[path])
    return dict(sorted(made.items()))


def _imported(text: str) -> list[str]:
    """Name the library's modules that a module imports."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == LIBRARY:
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{LIBRARY}."):
            found.append(str(node.module))
    return found
