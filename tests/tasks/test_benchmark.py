from __future__ import annotations

from invoke.context import MockContext

from tests.tasks.conftest import commands
from xswarm_deploy.tasks import benchmark


def test_a_benchmark_is_run_by_its_name(context: MockContext) -> None:
    benchmark.benchmark(context)
    benchmark.benchmark(context, name="deployments")
    assert commands(context) == [["-m", "benchmarks"], ["-m", "benchmarks", "deployments"]]
