"""All files of the stack, as text: what is written to a folder, and what goes to a host."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from xswarm_deploy.observability import (
    alertmanager,
    bridge,
    grafana,
    prometheus,
    rule_tests,
    rules,
    slo_rules,
    units,
)
from xswarm_deploy.observability.stack import Stack

_MADE = "# Made by `inv monitor.files` from the project's settings; changes here are lost.\n"


@dataclass(frozen=True)
class File:
    """What a file holds.

    Args:
        path: on the host.
        content: its text; a secret's is never shown.
        secret: whether only its owner and the group of the stack's user may read it.
    """

    path: PurePosixPath
    content: str = field(repr=False)
    secret: bool = False

    @property
    def mode(self) -> int:
        """The file's permissions."""
        return 0o640 if self.secret else 0o644

    @property
    def sha256(self) -> str:
        """The hash it is read back by."""
        return hashlib.sha256(self.content.encode()).hexdigest()


def all_files(stack: Stack) -> list[File]:
    """Return every file of the stack, the secrets first, so that what reads them finds them."""
    return [*secrets(stack), *configuration(stack), *_bridge(stack), *_units(stack)]


def secrets(stack: Stack) -> list[File]:
    """Return one file for each secret."""
    return [
        File(stack.places.secret(name), secret.reveal(), secret=True)
        for name, secret in stack.secrets.items()
    ]


def configuration(stack: Stack) -> list[File]:
    """Return what holds no secret: configuration, rules, and the dashboard."""
    folder = stack.places.configuration
    made = {
        prometheus.CONFIGURATION: prometheus.file(stack),
        prometheus.RULES: rules.file(stack),
        alertmanager.CONFIGURATION: alertmanager.file(stack),
    }
    written = [File(folder / name, _yaml(data)) for name, data in made.items()]
    dashboard = json.dumps(grafana.file(stack), indent=2, ensure_ascii=False) + "\n"
    return [*written, File(folder / grafana.FILE, dashboard)]


def _bridge(stack: Stack) -> list[File]:
    """Return the SMS bridge: its configuration and its modules; nothing where there is no use."""
    if not stack.bridged:
        return []
    told = json.dumps(bridge.file(stack), indent=2) + "\n"
    modules = [File(path, text) for path, text in bridge.modules(stack.places).items()]
    return [File(stack.places.configuration / bridge.CONFIGURATION, told), *modules]


def _units(stack: Stack) -> list[File]:
    return [File(stack.places.units / name, text) for name, text in units.units(stack).items()]


def _rule_tests(stack: Stack) -> File:
    content = _yaml(rule_tests.file(stack, prometheus.RULES))
    return File(stack.places.configuration / rule_tests.FILE, content)


def _slo_tests(stack: Stack) -> list[File]:
    """Return the tests of the objectives' rules; nothing without objectives."""
    if not stack.slo.objectives:
        return []
    content = _yaml(slo_rules.tests(stack, prometheus.RULES))
    return [File(stack.places.configuration / slo_rules.TESTS, content)]


def _yaml(data: Mapping[str, Any]) -> str:
    import yaml

    return _MADE + yaml.safe_dump(data, sort_keys=False, width=100, allow_unicode=True)


def write(stack: Stack, folder: Path) -> list[Path]:
    """Write what holds no secret, and the rules' tests, into a folder; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file in [*configuration(stack), _rule_tests(stack), *_slo_tests(stack), *_units(stack)]:
        path = folder / file.path.name
        path.write_text(file.content, encoding="utf-8")
        written.append(path)
    return written
