from __future__ import annotations

import ast
from pathlib import Path

import pytest

from xswarm_deploy import child

PROJECT = Path(__file__).parents[1]


def test_no_key_of_ours_reaches_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLOUDFLARE_API_TOKEN", "STRIPE_SECRET_KEY_LIVE", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary-of-a-child")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    for given in (child.environment(), child.installer()):
        assert "canary-of-a-child" not in given.values()
        assert "PATH" in given
    assert "PIP_INDEX_URL" in child.installer()
    assert "PIP_INDEX_URL" not in child.environment()


@pytest.mark.parametrize("folder", ["steps", "release", "services"])
def test_every_program_is_started_with_an_environment_of_its_own(folder: str) -> None:
    for file in (PROJECT / "deployment" / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            called = ast.unparse(node.func)
            if called in ("subprocess.run", "subprocess.Popen"):
                given = {keyword.arg for keyword in node.keywords}
                assert given & {"env", None}, f"{file.name}:{node.lineno}"
