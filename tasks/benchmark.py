"""Measure this tool against its peers: ``inv benchmark``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.tasks.test import install, python


@task(
    auto_shortflags=False,
    help={"name": "one of them, e.g. deployments; without it: all, about an hour"},
)
def benchmark(c: Context, name: str = "") -> None:
    """Run the benchmarks, and write the ratios to benchmarks/RESULTS.md."""
    install(c)
    python(c, "-m", "benchmarks", *([name] if name else []))
