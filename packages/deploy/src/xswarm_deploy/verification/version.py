"""The version that answers is the one deployed."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.model.report import Finding, Probe
from xswarm_deploy.verification.asker import PAUSE, Answer, Ask, Asker

GROUP: Final = "version"
SETTLE_SECONDS: Final = 30.0  # a deployment reaches all of Cloudflare within seconds
SETTLE_SECONDS_HERE: Final = 3.0  # and a loopback edge at once


def wait(asker: Asker) -> None:
    """Wait until the expected version answers: a deployment takes moments to get everywhere."""
    path = asker.site.settings.project.verify.version_path
    if not asker.target.version or not path:
        return
    seconds = SETTLE_SECONDS_HERE if is_loopback(asker.target.url) else SETTLE_SECONDS
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = asker.once(Ask(path))
        if answer.status and seen(answer) in ("", asker.target.version):
            return
        time.sleep(PAUSE)


def seen(answer: Answer) -> str:
    """Return the version that an answer names, or the empty string."""
    return str(answer.fields.get("version", ""))


def probes(asker: Asker) -> list[Probe]:
    """Return the probe: the Worker's own word, where a route tells it; else Cloudflare's."""
    path = asker.site.settings.project.verify.version_path
    look = partial(_looked, asker, path) if path else partial(_deployed, asker)
    return [Probe("version", GROUP, look)]


def _deployed(asker: Asker) -> Finding:
    """Look whether the version is deployed at all: an answer alone may be of anything."""
    deployments = asker.site.cloudflare.deployments(asker.site.worker)
    split = deployments[0].split if deployments else {}
    wanted = asker.target.version
    if not split or (wanted and wanted not in split):
        lacking = f"has no version {wanted} deployed" if split else "was never deployed"
        evidence = f"{asker.site.worker} {lacking}"
        return Finding("version", GROUP, "fail", True, evidence, asker.site.deploy_command)
    told = wanted or ", ".join(version for version, percent in split.items() if percent)
    return Finding("version", GROUP, "pass", True, f"{told}, as reported by Cloudflare")


def _looked(asker: Asker, path: str) -> Finding:
    found = seen(asker.judged(Ask(path), lambda answer: "" if answer.status else "no answer")[0])
    expected = _expected(asker)
    if not found:
        remedy = "let the Worker answer with env.CF_VERSION_METADATA.id as version"
        return Finding("version", GROUP, "unknown", False, f"{path} names no version", remedy)
    if expected and found not in expected:
        evidence = f"{found} answers instead of {' or '.join(expected)}"
        return Finding("version", GROUP, "fail", True, evidence, "inv deploy.list")
    return Finding("version", GROUP, "pass", True, found)


def _expected(asker: Asker) -> tuple[str, ...]:
    """Return the versions that may answer: the one asked for, else those that have traffic."""
    if asker.target.version:
        return (asker.target.version,)
    deployments = asker.site.cloudflare.deployments(asker.site.worker)
    return tuple(v for v, percent in deployments[0].split.items() if percent) if deployments else ()
