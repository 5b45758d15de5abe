from __future__ import annotations

import pytest
from invoke.context import Context

from xswarm_deploy.cli import context
from xswarm_deploy.errors import Refused
from xswarm_deploy.tasks import environment


def test_the_environment_is_selected_for_what_follows(c: Context) -> None:
    environment.production(c)
    assert context.environment(c) == "production"
    environment.staging(c)
    assert context.environment(c) == "staging"
    environment.local(c)
    assert context.environment(c) == "local"


def test_remedies_name_it(c: Context) -> None:
    error = Refused("no", "", "inv rollback; then inv local check, and ./inv sandbox.up")
    assert "next: ./inv rollback; then ./inv local check, and ./inv sandbox.up" in error.render()
    environment.production(c)
    assert "next: ./inv production rollback; then ./inv local check" in error.render()


def test_where_it_is_selected_twice_the_last_counts(c: Context) -> None:
    environment.production(c)
    environment.staging(c)
    with pytest.raises(Refused, match="no") as caught:
        raise Refused("no", "", "inv deploy.prod, or inv verify")
    assert caught.value.render().endswith("next: ./inv deploy.prod, or ./inv staging verify")
