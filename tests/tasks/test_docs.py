from __future__ import annotations

import pytest
from invoke.context import MockContext

from tests.tasks.conftest import commands
from xswarm_deploy.tasks import docs, test


def test_the_site_is_built_strictly(context: MockContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test, "install", lambda _c: None)
    docs.docs(context)
    assert commands(context) == [["-m", "mkdocs", "build", "--quiet"]]
