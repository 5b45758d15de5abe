"""The SMS bridge on the host: its configuration, its program, and the modules it is made of."""

from __future__ import annotations

import ast
from pathlib import Path, PurePosixPath
from typing import Any, Final

import deployment.monitoring
from deployment.observability.stack import SMS_TOKEN, TWILIO_TOKEN, Places, Stack

CONFIGURATION: Final = "bridge.json"
PROGRAM: Final = "deployment.monitoring.bridge"
_ROOM: Final = Path(str(deployment.monitoring.__file__)).parent


def file(stack: Stack) -> dict[str, Any]:
    """Give the bridge's configuration; secrets are in files beside it."""
    sms, places = stack.contacts.sms, stack.places
    if sms is None:
        return {}
    return {
        "service": f"{stack.service} ({stack.environment})",
        "listen": places.bridge,
        "account": sms.account,
        "sender": sms.sender,
        "recipient": sms.recipient,
        "base": sms.base,
        "twilio_token_file": str(places.secret(TWILIO_TOKEN)),
        "token_file": str(places.secret(SMS_TOKEN)),
    }


def url(places: Places) -> str:
    """Give the address that Alertmanager tells."""
    return f"http://{places.bridge}/"


def command(places: Places) -> list[str]:
    """Give the command that runs the bridge, in the folder :func:`modules` are in."""
    return ["/usr/bin/python3", "-m", PROGRAM, str(places.configuration / CONFIGURATION)]


def modules(places: Places) -> dict[PurePosixPath, str]:
    """Give each module's text by its path: the bridge, and what it imports of the library."""
    made = {places.library / "deployment/__init__.py": ""}
    waiting, seen = [PROGRAM, "deployment.monitoring"], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            text = _file(name).read_text(encoding="utf-8")
            made[places.library / name.rpartition(".")[0].replace(".", "/") / _path(name)] = text
            waiting += _imported(text)
    return dict(sorted(made.items()))


def _file(name: str) -> Path:
    module = name.removeprefix("deployment.monitoring").lstrip(".")
    return _ROOM / (f"{module}.py" if module else "__init__.py")


def _path(name: str) -> str:
    module = name.rpartition(".")[2]
    return "monitoring/__init__.py" if name == "deployment.monitoring" else f"{module}.py"


def _imported(text: str) -> list[str]:
    """Name the library's modules that a module imports."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "deployment.monitoring":
            found += [f"deployment.monitoring.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(
            "deployment.monitoring."
        ):
            found.append(str(node.module))
    return found
