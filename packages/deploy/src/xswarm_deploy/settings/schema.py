"""The JSON Schema of invoke.yaml, made from the types that read it: for editors, and for a test."""

from __future__ import annotations

import json
from typing import Any, Final

from xswarm_deploy.settings import deploy_schema, monitor_schema

DIALECT: Final = "http://json-schema.org/draft-07/schema#"


def document() -> dict[str, Any]:
    """Return the schema of the whole file."""
    return {
        "$schema": DIALECT,
        "title": "invoke.yaml of xswarm",
        "type": "object",
        "properties": {"deploy": deploy_schema.block(), "monitor": monitor_schema.block()},
    }


def text() -> str:
    """Return the schema as the file that editors read."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
