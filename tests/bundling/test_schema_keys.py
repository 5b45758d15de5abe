"""Keys that wrangler drops, by the schema of the installed one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xswarm_deploy.bundling import schema_keys

PROGRAM = Path(__file__).resolve().parents[2] / "node_modules/wrangler/wrangler-dist/cli.js"


@pytest.fixture(scope="module")
def schema() -> schema_keys.Schema:
    found = schema_keys.of(PROGRAM)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"limits": {"cpu": 50}}, {"limits.cpu": "limits.cpu_ms"}),
        ({"placement": {"mode": "smart", "hnt": 1}}, {"placement.hnt": "placement.hint"}),
        (
            {"observability": {"enabled": True, "logs": {"invocation_log": False}}},
            {"observability.logs.invocation_log": "observability.logs.invocation_logs"},
        ),
        (
            {"d1_databases": [{"binding": "A"}, {"binding": "B", "migrations_directory": "m"}]},
            {"d1_databases.migrations_directory": "d1_databases.migrations_dir"},
        ),
        (
            {"queues": {"consumers": [{"queue": "a", "max_retry": 3}]}},
            {"queues.consumers.max_retry": "queues.consumers.max_retries"},
        ),
        ({"build": {"command": "x", "upload": {"format": "modules"}}}, {"build.upload": ""}),
        (
            {"env": {"production": {"kv_namespace": []}}},
            {"env.production.kv_namespace": "env.production.kv_namespaces"},
        ),
        ({"vars": {"any": {"thing": {"at": "all"}}}, "define": {"A.B": "1"}}, {}),
        ({"routes": ["a", {"pattern": "b", "custom_domain": True}], "migrations": []}, {}),
        ({"unsafe": {"metadata": {"of_anything": 1}}, "limits": None, "assets": "x"}, {}),
    ],
)
def test_what_wrangler_drops_is_named_at_any_depth(
    schema: schema_keys.Schema, content: dict[str, Any], expected: dict[str, str]
) -> None:
    assert schema_keys.unknown(content, schema) == expected


def test_a_wrangler_without_a_schema_tells_nothing(tmp_path: Path) -> None:
    assert schema_keys.of(tmp_path / "wrangler-dist/cli.js") is None
    (tmp_path / "config-schema.json").write_text("{}")
    assert schema_keys.of(tmp_path / "wrangler-dist/cli.js") is None
