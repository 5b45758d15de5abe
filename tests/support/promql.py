"""Prometheus' own engine, by promtool, over scrapes that were made by a clock turned by hand."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

Samples = Mapping[str, float]
"""Values of one scrape, by name and labels as the exposition writes them."""


def samples(exposition: str) -> Samples:
    """Return the samples of a text exposition."""
    lines = [line for line in exposition.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def query(scrapes: Sequence[Samples], expression: str, every: int = 15) -> dict[str, float]:
    """Return what an expression is at the last scrape, by the labels of each series.

    Args:
        scrapes: the oldest first.
        expression: PromQL.
        every: seconds between two of them.
    """
    names = sorted({name for each in scrapes for name in each})
    series = [
        {"series": name, "values": " ".join(f"{s[name]:g}" if name in s else "_" for s in scrapes)}
        for name in names
    ]
    at = f"{(len(scrapes) - 1) * every}s"
    # It tells what it got where that is not what was expected.
    expected = [{"labels": "no_such_series", "value": 0}]
    asked = [{"expr": expression, "eval_time": at, "exp_samples": expected}]
    test = {"interval": f"{every}s", "input_series": series, "promql_expr_test": asked}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.yml"
        file.write_text(json.dumps({"evaluation_interval": f"{every}s", "tests": [test]}))
        command = ["promtool", "test", "rules", str(file)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^\s*got: ?(.*)", told.stdout + told.stderr, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"promtool: {told.stdout}{told.stderr}")
    pairs = re.findall(r"(\{[^}]*\}) ([-+.\dEeNaInf]+)", found[1])
    return {labels: float(value) for labels, value in pairs}
