"""Verify a deployed version: every route, the version that answers, its speed; a gate."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from deployment.errors import CheckFailed
from deployment.project import Route
from deployment.services.http import is_loopback, new_session
from deployment.steps.report import Finding, Probe, Report, run_probes
from deployment.steps.site import Site

NAME: Final = "verify"
OVERRIDE: Final = "Cloudflare-Workers-Version-Overrides"
_PAUSE: Final = 0.2  # seconds before a transient error is asked again
_TRANSIENT: Final = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524, 530})
_SETTLE_SECONDS: Final = 30.0  # a deployment reaches all of Cloudflare within seconds
_SETTLE_SECONDS_HERE: Final = 3.0  # and a loopback edge at once


@dataclass(frozen=True)
class Target:
    """Where to ask: an address, headers that choose a version, and the version expected."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    site_url: str = ""


def live(site: Site, version: str = "") -> Target:
    """Give the address users reach, and the static site's."""
    settings = site.settings
    return Target(settings.text("WORKER_URL"), {}, version, settings.text("BASE_URL"))


def dark(site: Site, version: str) -> Target:
    """Give a version of the current deployment that has no traffic yet, by override."""
    headers = {OVERRIDE: f'{site.worker}="{version}"'}
    return Target(site.settings.text("WORKER_URL"), headers, version)


def preview(site: Site, version: str) -> Target:
    """Give a version by its preview host; on loopback the Host header names it."""
    url, host = site.settings.text("WORKER_URL"), f"{version[:8]}-{site.worker}"
    if is_loopback(url):
        return Target(url, {"Host": f"{host}.localhost:{urlsplit(url).port or 80}"}, version)
    return Target(f"https://{host}.{site.cloudflare.account_subdomain()}.workers.dev", {}, version)


def gate(site: Site, target: Target, *, quick: bool = False) -> Report:
    """Verify, and refuse to go on when a critical finding failed.

    Args:
        site: the environment.
        target: where to ask.
        quick: only the quick routes.

    Raises:
        CheckFailed: the failures are named.
    """
    report = run(site, target, quick=quick)
    if not report.ok:
        why = "; ".join(f"{f.name}: {f.evidence}" for f in report.failures)
        raise CheckFailed(
            f"version {target.version[:8] or 'live'} is not good",
            why,
            "mend it and deploy again; no user met it" if target.headers else "inv verify",
        )
    return report


def run(site: Site, target: Target, *, quick: bool = False) -> Report:
    """Ask everything of invoke.yaml at once, then measure the speed.

    Args:
        site: the environment.
        target: where to ask.
        quick: only what invoke.yaml marks as quick, and no measuring.
    """
    with new_session() as session:
        _wait_for_version(session, site, target)
        settings = site.settings.project.verify
        asked = [route for route in settings.routes if route.quick or not quick]
        reachable = [route for route in asked if not route.site or target.site_url]
        probes = [_route_probe(session, site, target, route) for route in reachable]
        probes += [_version_probe(session, site, target)]
        report = run_probes(NAME, probes)
        if quick:
            return report
        return replace(report, findings=(*report.findings, _performance(session, site, target)))


def _route_probe(session: requests.Session, site: Site, target: Target, route: Route) -> Probe:
    name = f"{route.method} {route.path}"
    return Probe(name, "routes", lambda: _asked(session, site, target, route))


def _asked(session: requests.Session, site: Site, target: Target, route: Route) -> Finding:
    """Ask one route; a transient error is asked again, a persistent one is a failure."""
    name = f"{route.method} {route.path}"
    for attempt in range(route.retry + 1):
        answer = _ask(session, site, target, route)
        wrong = _wrong(route, answer)
        transient = answer.status == 0 or answer.status in _TRANSIENT
        if not wrong or not transient or attempt == route.retry:
            break
        time.sleep(_PAUSE)
    if wrong:
        remedy = "inv verify; look at the Worker's log (npx wrangler tail, inv sandbox.logs)"
        return Finding(name, "routes", "fail", True, wrong, remedy, answer.milliseconds)
    evidence = f"{answer.status} in {answer.milliseconds:.0f} ms"
    if route.budget_ms and answer.milliseconds > route.budget_ms:
        return Finding(
            name,
            "routes",
            "warn",
            False,
            f"{evidence}, budget {route.budget_ms} ms",
            "see inv monitor.metrics",
            answer.milliseconds,
        )
    return Finding(name, "routes", "pass", True, evidence, "", answer.milliseconds)


@dataclass(frozen=True)
class Answer:
    """What a route answered; status 0: nothing, and ``text`` says why."""

    status: int
    text: str
    milliseconds: float


def _ask(session: requests.Session, site: Site, target: Target, route: Route) -> Answer:
    base = target.site_url if route.site else target.url
    headers = dict({} if route.site else target.headers)
    if route.body:
        is_json = route.body.lstrip().startswith(("{", "["))
        form = "application/x-www-form-urlencoded"
        headers["Content-Type"] = "application/json" if is_json else form
    began = time.monotonic()
    try:
        reply = session.request(
            route.method,
            base.rstrip("/") + route.path,
            data=route.body or None,
            headers=headers,
            timeout=site.settings.project.verify.timeout_seconds,
            allow_redirects=False,
            proxies=_no_proxies(base),
        )
    except requests.RequestException as error:
        return Answer(0, type(error).__name__, (time.monotonic() - began) * 1000)
    return Answer(reply.status_code, reply.text, (time.monotonic() - began) * 1000)


def _wrong(route: Route, answer: Answer) -> str:
    """Say what is wrong with an answer; empty: nothing."""
    if answer.status == 0:
        return f"no answer ({answer.text})"
    if answer.status not in route.status:
        expected = " or ".join(str(status) for status in route.status)
        return f"{answer.status} instead of {expected}: {_excerpt(answer.text)}".rstrip(": ")
    if route.text and route.text not in answer.text:
        return f"{answer.status}, but without {route.text!r}"
    missing = [key for key in route.json if key not in _object(answer.text)]
    return f"{answer.status}, but its JSON has no {', '.join(missing)}" if missing else ""


def _version_probe(session: requests.Session, site: Site, target: Target) -> Probe:
    return Probe("version", "version", lambda: _version(session, site, target))


def _version(session: requests.Session, site: Site, target: Target) -> Finding:
    path = site.settings.project.verify.version_path
    answer = _ask(session, site, target, Route(path))
    seen = str(_object(answer.text).get("version", ""))
    if target.version and seen and seen != target.version:
        return Finding(
            "version",
            "version",
            "fail",
            True,
            f"{seen} answers instead of {target.version}",
            "inv deploy.list",
        )
    if target.version and not seen:
        return Finding(
            "version",
            "version",
            "unknown",
            False,
            f"{path} names no version",
            "let the Worker answer with env.CF_VERSION_METADATA.id as version",
        )
    return Finding("version", "version", "pass", True, seen or "not asked for")


def _wait_for_version(session: requests.Session, site: Site, target: Target) -> None:
    """Wait until the expected version answers: a deployment takes moments to get everywhere."""
    if not target.version:
        return
    path = site.settings.project.verify.version_path
    seconds = _SETTLE_SECONDS_HERE if is_loopback(target.url) else _SETTLE_SECONDS
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = _ask(session, site, target, Route(path))
        if answer.status and _object(answer.text).get("version") in (None, target.version):
            return
        time.sleep(_PAUSE)


def _performance(session: requests.Session, site: Site, target: Target) -> Finding:
    settings = site.settings.project.verify
    route = Route(settings.performance_path)
    answers = [_ask(session, site, target, route) for _ in range(settings.performance_requests)]
    times = [answer.milliseconds for answer in answers if answer.status == 200]
    if len(times) < len(answers):
        return Finding(
            "performance",
            "performance",
            "fail",
            True,
            f"{len(answers) - len(times)} of {len(answers)} requests failed",
        )
    average = sum(times) / len(times) if times else 0.0
    evidence = f"average {average:.0f} ms of {len(times)} requests, slowest {max(times):.0f} ms"
    if average < settings.good_ms:
        return Finding("performance", "performance", "pass", False, evidence)
    severe = average >= settings.warning_ms
    return Finding(
        "performance",
        "performance",
        "fail" if severe else "warn",
        severe,
        f"{evidence}, good is under {settings.good_ms} ms",
        "inv monitor.metrics",
    )


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:120]


def _no_proxies(url: str) -> dict[str, str]:
    return {"http": "", "https": ""} if is_loopback(url) else {}
