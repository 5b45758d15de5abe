"""What is measured for the guide is measured still, and the guide has it."""

from __future__ import annotations

import pytest

from tests.monitoring.measured import outside, prometheus
from tests.monitoring.measured.__main__ import BEGIN, END, GUIDE

pytestmark = [pytest.mark.slow, pytest.mark.needs("promtool")]


def test_what_prometheus_and_others_get_is_as_the_guide_says() -> None:
    _, _, rest = GUIDE.read_text(encoding="utf-8").partition(BEGIN)
    told, _, _ = rest.partition(END)
    for figure in (*prometheus.figures(), *outside.figures()):
        assert figure.good, figure.row()
        assert f"| {figure.what} | {figure.before} |" in told
    assert "✗" not in told
