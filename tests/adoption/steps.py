"""Run the steps of a pipeline as its runner does: read from its YAML, in order, each in a shell.

Of GitHub: ``env`` and ``defaults`` of the workflow, ``env`` and ``working-directory`` of a step,
the files by which a step tells the next ones (``GITHUB_ENV``, ``GITHUB_OUTPUT``, ``GITHUB_PATH``),
and expressions of secrets, of the token and of outputs. Of GitLab: ``default``, ``extends``,
``variables``, ``before_script`` and ``script``. What is none of it fails, so that nothing is passed
over.

Sources: GitHub, Workflow syntax, and Workflow commands; GitLab, CI/CD YAML syntax reference.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

USED: Final = ("actions/checkout@", "actions/setup-python@")
"""What other people's steps bring is there already: the checkout, and Python."""
_EXPRESSION: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_WORKFLOW: Final = {"name", "on", True, "permissions", "env", "defaults", "jobs"}
_JOB: Final = {"if", "runs-on", "steps", "concurrency", "environment"}
_STEP: Final = {"uses", "with", "run", "env", "id", "name", "shell", "working-directory"}


@dataclass
class GitHub:
    """One run of a job.

    Args:
        checkout: its top folder.
        variables: what the runner has in its environment.
        secrets: of the repository.
        scratch: a folder for the files of workflow commands.
        said: all that was printed.
        outputs: step → its outputs.
    """

    checkout: Path
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    scratch: Path
    said: str = ""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, workflow: Path, job: str) -> int:
        """Run a job up to its first failure; return that one's exit code, or 0."""
        content: dict[Any, Any] = yaml.safe_load(workflow.read_text())
        made: dict[str, Any] = content["jobs"][job]
        assert set(content) <= _WORKFLOW, set(content) - _WORKFLOW
        assert set(made) <= _JOB, set(made) - _JOB
        folder = content.get("defaults", {}).get("run", {}).get("working-directory", ".")
        environment = {**self.variables, **self._filled(content.get("env") or {})}
        for number, step in enumerate(made["steps"]):
            assert set(step) <= _STEP, set(step) - _STEP
            if "uses" in step:
                assert step["uses"].startswith(USED), step["uses"]
                continue
            code = self._step(number, step, folder, environment)
            if code:
                return code
        self._filled(made.get("environment") or {})  # its URL is an output of a step
        return 0

    @property
    def summary(self) -> str:
        """Return what the steps wrote for the page of the run."""
        return "".join(file.read_text() for file in sorted(self.scratch.glob("summary-*")))

    def _step(
        self, number: int, step: Mapping[str, Any], folder: str, environment: dict[str, str]
    ) -> int:
        files = {
            name: self.scratch / f"{kind}-{number}"
            for name, kind in (
                ("GITHUB_OUTPUT", "output"),
                ("GITHUB_STEP_SUMMARY", "summary"),
                ("GITHUB_ENV", "env"),
                ("GITHUB_PATH", "path"),
            )
        }
        for file in files.values():
            file.touch()
        assert isinstance(step["run"], str), step
        script = self._expanded(step["run"])
        options = ["--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") else ["-e"]
        given = {**environment, **self._filled(step.get("env") or {})}
        ended = subprocess.run(
            ["bash", *options, "-c", script],
            cwd=self.checkout / step.get("working-directory", folder),
            env={**given, **{name: str(file) for name, file in files.items()}},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        self.said += f"$ {script}\n{ended.stdout}{ended.stderr}"
        environment |= _pairs(files["GITHUB_ENV"])
        paths = files["GITHUB_PATH"].read_text().split()
        environment["PATH"] = os.pathsep.join([*reversed(paths), environment["PATH"]])
        self.outputs[step.get("id", "")] = _pairs(files["GITHUB_OUTPUT"])
        return ended.returncode

    def _filled(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._expanded(str(value)) for name, value in values.items()}

    def _expanded(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._value(found[1]), text)

    def _value(self, expression: str) -> str:
        """Return the value of an expression; a secret that is not set is empty."""
        parts = expression.split(".")
        if parts[0] == "secrets" and len(parts) == 2:
            return self.secrets.get(parts[1], "")
        if expression == "github.token":
            return "token-of-the-job"
        if parts[0] == "steps" and parts[2] == "outputs" and len(parts) == 4:
            return self.outputs[parts[1]][parts[3]]
        raise AssertionError(f"an expression that is not known here: {expression}")


def _pairs(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines()
    assert all("=" in line for line in lines), lines
    return dict(line.split("=", 1) for line in lines)


def gitlab(file: Path, job: str, top: Path, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a job of GitLab's; return its exit code, and what it said.

    Args:
        file: ``.gitlab-ci.yml``, or what one includes.
        job: its name.
        top: of the checkout.
        variables: what the runner and the project's settings give.
    """
    content = yaml.safe_load(file.read_text())
    made = {**content.get("default", {}), **content.get(content[job].get("extends", ""), {})}
    made |= content[job]
    lines = [*made.get("before_script", ()), *made["script"]]
    assert all(isinstance(line, str) for line in lines), lines
    ended = subprocess.run(
        ["sh", "-euc", "\n".join(lines)],
        cwd=top,
        env={**(content.get("variables") or {}), **variables},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return ended.returncode, ended.stdout + ended.stderr
