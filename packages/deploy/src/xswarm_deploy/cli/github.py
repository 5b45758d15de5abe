"""What GitHub Actions shows of a command: groups, annotations, a step's summary, its outputs.

Source: GitHub Docs, Workflow commands for GitHub Actions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xswarm_deploy.cli.locating import Place, of_error, of_finding
from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError, typed
from xswarm_deploy.output import on_github
from xswarm_deploy.secret import redact, without_secrets

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Finding, Report
    from xswarm_deploy.release.preview import Plan

_LEVELS: Mapping[str, str] = {"fail": "error", "warn": "warning", "unknown": "warning"}
_MARKS: Mapping[str, str] = {"pass": "✅", "warn": "⚠️", "fail": "❌", "unknown": "❔", "skip": "➖"}


def active() -> bool:
    """Return whether this is a step of GitHub Actions."""
    return on_github()


@contextmanager
def group(title: str, *, quiet: bool = False) -> Iterator[None]:
    """Fold the lines that are printed in the block.

    Args:
        title: what is shown of them.
        quiet: do nothing, as for ``--json``.
    """
    shown = active() and not quiet
    if shown:
        _command(f"::group::{_data(title)}")
    try:
        yield
    finally:
        if shown:
            _command("::endgroup::")


def annotate_error(error: DeployError, root: Path) -> None:
    """Mark the file and line that an error is about."""
    if active():
        text = "\n".join(part for part in (error.why, _next(error.remedy)) if part)
        _annotate("error", error.what, text or error.what, of_error(error, root))


def report(found: Report, root: Path, environment: str) -> None:
    """Mark what failed, and write the report into the step's summary.

    Args:
        found: of a check or a verification.
        root: the project's folder.
        environment: that was looked at.
    """
    if not active():
        return
    for finding in found.findings:
        if finding.status in _LEVELS:
            text = "\n".join(part for part in (finding.evidence, _next(finding.remedy)) if part)
            place = of_finding(finding, root, environment)
            _annotate(_LEVELS[finding.status], finding.name, text, place)
    summarise(report_text(found, environment))


def report_text(found: Report, environment: str) -> str:
    """Return a report as Markdown: what is not good first, the rest folded."""
    bad = [finding for finding in found.findings if finding.status in _LEVELS]
    good = [finding for finding in found.findings if finding.status not in _LEVELS]
    lines = [f"### {found.title} of {environment}: {found.summary}", ""]
    lines += _table(bad)
    lines += ["<details><summary>all the others</summary>", "", *_table(good), "</details>", ""]
    return "\n".join(lines)


def plan_text(plan: Plan, environment: str, worker: str) -> str:
    """Return a plan as Markdown, for a comment or a summary."""
    lines = [f"### Plan for {environment}: {worker}", ""]
    if plan.changes:
        rows = [
            f"| {_cell(change.step)} | {_cell(change.action)} | {_cell(change.resource)} |"
            for change in plan.changes
        ]
        lines += ["| step | action | resource |", "| --- | --- | --- |", *rows, ""]
    else:
        lines += ["Nothing to do.", ""]
    if plan.same:
        lines += [f"Unchanged: {', '.join(plan.same)}.", ""]
    lines += [f"⚠️ {c.resource} cannot be undone: {c.irreversible}" for c in plan.irreversible]
    return redact("\n".join(lines).rstrip() + "\n")


def summarise(markdown: str) -> None:
    """Append Markdown to the step's summary."""
    _append("GITHUB_STEP_SUMMARY", redact(markdown))


def output(values: Mapping[str, str]) -> None:
    """Set outputs of the step; a value has one line."""
    cleaned = {name: without_secrets(value) for name, value in values.items()}  # a machine's
    lines = [f"{name}={' '.join(value.split())}\n" for name, value in cleaned.items()]
    _append("GITHUB_OUTPUT", "".join(lines))


def released(facts: Mapping[str, str], seconds: Mapping[str, float]) -> None:
    """Write how a release ended into outputs and summary.

    Args:
        facts: release, version, url (empty: it has no address), environment, worker.
        seconds: how long each step took.
    """
    if not active():
        return
    output({name: facts[name] for name in ("release", "version", "url")})
    times = ", ".join(f"{name} {took:.1f} s" for name, took in seconds.items())
    head = f"### ✅ {facts['worker']} is live in {facts['environment']}"
    said = f"Release `{facts['release']}`, version `{facts['version']}`"
    said += f", at {facts['url']}" if facts["url"] else ""
    summarise(f"{head}\n\n{said}\n\n{times}\n")


def failed(error: DeployError) -> None:
    """Write how a command failed into the step's summary."""
    if active():
        parts = [f"### ❌ {error.what}", error.why, _next(error.remedy)]
        summarise("\n\n".join(part for part in parts if part) + "\n")


def _next(remedy: str) -> str:
    return f"next: {typed(remedy)}" if remedy else ""


def _table(findings: list[Finding]) -> list[str]:
    if not findings:
        return []
    cells = [(_MARKS[f.status], f.name, f.evidence, typed(f.remedy)) for f in findings]
    rows = [f"| {' | '.join(map(_cell, row))} |" for row in cells]
    return ["| | what | seen | next |", "| --- | --- | --- | --- |", *rows, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _annotate(level: str, title: str, text: str, place: Place | None) -> None:
    named = [f"title={_property(title)}"]
    if place:
        named.insert(0, f"file={_property(place.file)},line={place.line}")
    _command(f"::{level} {','.join(named)}::{_data(text)}")


def _command(text: str) -> None:
    sys.stdout.write(redact(text) + "\n")
    sys.stdout.flush()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _append(variable: str, text: str) -> None:
    """Append to a file that GitHub names; without one there is nobody to read it.

    Where it cannot be written, as in a container that has the variable and not the folder, that is
    told: how the command ended stays as it is.
    """
    name = os.environ.get(variable)
    if not name:
        return
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        Console(sys.stderr).warn(f"{variable} cannot be written ({error.strerror}): {name}")
