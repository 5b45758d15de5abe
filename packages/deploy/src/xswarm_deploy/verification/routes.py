"""The routes of invoke.yaml: expected status, text, JSON keys, JSON schema, time budget."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.model.report import Finding, Limited, Probe, not_told
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.project import Route, Verify
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.settings.variables import BY_NAME
from xswarm_deploy.verification import components
from xswarm_deploy.verification.asker import Answer, Ask, Asker, wrong_status

ANYTHING: Final = Route("/", status=tuple(range(200, 500)), quick=True)
"""What is asked where invoke.yaml names no route: whether the Worker answers at all."""
NOT_FOUND: Final = 404
"""What an address answers where nothing is deployed."""
_FEW: Final = 4  # routes that are asked again at the same time
LATE: Final = "budget"
"""Stands in the evidence of what took longer than it may."""
REMEDY: Final = "look at the Worker's log: inv logs --since 10m"


def probes(asker: Asker, *, quick: bool, reading: bool = False) -> list[Probe]:
    """Return a probe for each route that can be asked here.

    Args:
        asker: asks the target.
        quick: only the routes marked as quick; where none is, those that just read, so that a
            rollback never believes a version that it asked nothing.
        reading: besides these, the Worker's routes that just read.
    """
    routes = [route for route in asked(asker.site.settings.project.verify) if _here(asker, route)]
    reading = reading or not any(route.quick for route in routes)
    return [
        _probe(asker, route)
        for route in routes
        if route.quick or not quick or (reading and route.method == "GET" and not route.site)
    ]


def asked(settings: Verify) -> tuple[Route, ...]:
    """Return the routes of invoke.yaml; where it has none, the root, which must not break."""
    return settings.routes or (ANYTHING,)


def timed_again(asker: Asker, findings: Sequence[Finding]) -> list[Finding]:
    """Ask each route that was over its budget again, a few at once: before, all were asked at once.

    Where even the fastest of all answers took longer than the budget, it is the distance, and
    asking again tells nothing. Where a budget that is missed fails the release, each is asked all
    the same, and alone.

    Args:
        asker: asks the target.
        findings: of all probes.
    """
    settings = asker.site.settings.project.verify
    routes = {_name(route): route for route in asked(settings)}
    fails = settings.over_budget == "fail"
    threads = 1 if fails else _FEW
    fastest = min(asker.times, default=0.0)

    def again(finding: Finding) -> Finding:
        route = routes.get(finding.name)
        if route is None or not _is_late(finding):
            return finding
        can_be_kept = fails or _budget(route, settings) > fastest
        return _asked_again(asker, finding, route) if can_be_kept else finding

    with ThreadPoolExecutor(threads, thread_name_prefix="again") as pool:
        return list(pool.map(again, findings))


def _is_late(finding: Finding) -> bool:
    return finding.status in ("warn", "fail") and LATE in finding.evidence


def _asked_again(asker: Asker, finding: Finding, route: Route) -> Finding:
    try:
        return _looked(asker, finding.name, route)[0]
    except Limited as limited:
        return not_told(finding.name, finding.group, limited)


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


def _here(asker: Asker, route: Route) -> bool:
    return not route.site or bool(asker.target.site_url)


def _probe(asker: Asker, route: Route) -> Probe:
    return Probe(_name(route), route.group, lambda: _looked(asker, _name(route), route))


def is_on(route: Route, settings: Settings) -> bool:
    """Return whether the environment has the route switched on.

    Raises:
        Refused: its flag is no variable.
    """
    if not route.flag:
        return True
    if route.flag not in BY_NAME:
        what = f"invoke.yaml: {route.flag!r} switches {route.path}, and is no variable"
        raise Refused(what, "", "correct deploy.verify.routes in invoke.yaml")
    return settings.flag(route.flag)


def _expected(route: Route, settings: Settings) -> Route:
    """Return what must be answered: by a route that is switched off, that it is not there."""
    if is_on(route, settings):
        return route
    return route._replace(status=(404,), text="", json=(), schema="")


def _answered(asker: Asker, route: Route) -> Route:
    """Return what the root must answer: not 404, where nothing shows that a version does."""
    if route is not ANYTHING or asker.target.proven:
        return route
    return route._replace(status=tuple(s for s in route.status if s != NOT_FOUND))


def _looked(asker: Asker, name: str, route: Route) -> list[Finding]:
    """Judge the route's answer, and each component that a health report in it says of."""
    route = _expected(_answered(asker, route), asker.site.settings)
    ask = Ask(route.path, route.method, route.body, _token(asker, route), route.site)
    check = _schema(asker, route)
    answer, said = asker.judged(ask, lambda seen: wrong(route, seen, check), route.retry)
    found = components.judged(answer, route.group)
    took, settings = answer.milliseconds, asker.site.settings.project.verify
    if said:
        down = "".join(f"{one.name}: {one.evidence}; " for one in found if one.status == "fail")
        return [Finding(name, route.group, "fail", True, down + said, REMEDY, took), *found]
    evidence, budget = f"{answer.status} in {took:.0f} ms", _budget(route, settings)
    if budget and took > budget:
        return [_late(name, route.group, f"{evidence}, {LATE} {budget} ms", took, settings), *found]
    return [Finding(name, route.group, "pass", True, evidence, "", took), *found]


def _budget(route: Route, settings: Verify) -> int:
    return route.budget_ms or (0 if route.site else settings.budgets.get(route.path, 0))


def _late(name: str, group: str, evidence: str, took: float, settings: Verify) -> Finding:
    fails = settings.over_budget == "fail"
    remedy = "see inv monitor.metrics"
    return Finding(name, group, "fail" if fails else "warn", fails, evidence, remedy, took)


def wrong(route: Route, answer: Answer, check: Callable[[Any], str] | None = None) -> str:
    """Return what is wrong with a route's answer; empty: nothing.

    Args:
        route: what is expected.
        answer: what came.
        check: says how a JSON value breaks the route's schema.
    """
    said = wrong_status(answer, route.status)
    if said:
        return said
    if route.text and route.text not in answer.text:
        return f"{answer.status}, but without {route.text!r}"
    missing = [key for key in route.json if key not in answer.fields]
    if missing:
        return f"{answer.status}, but its JSON has no {', '.join(missing)}"
    broken = check(answer.content) if check else ""
    return f"{answer.status}, but not as {route.schema} says: {broken}" if broken else ""


def _token(asker: Asker, route: Route) -> dict[str, str | Secret]:
    """Return the header of a route that only administrators may ask."""
    if not route.token:
        return {}
    secret = asker.site.staged.get(route.token) or asker.site.settings.secret(route.token)
    return {"Authorization": Secret(f"Bearer {secret.reveal()}", route.token)}


def _schema(asker: Asker, route: Route) -> Callable[[Any], str] | None:
    return schema(asker.site.settings.path(route.schema)) if route.schema else None


@cache
def schema(file: Path) -> Callable[[Any], str]:
    """Return what says how a value breaks a JSON schema (json-schema.org, drafts 4 to 7).

    The library is fastjsonschema: no dependencies, 20 ms to import.

    Args:
        file: the schema.

    Raises:
        Refused: there is no such file, or it is no schema.
    """
    import fastjsonschema

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        validate = fastjsonschema.compile(content, handlers=_NO_NETWORK)
    except (OSError, ValueError, fastjsonschema.JsonSchemaDefinitionException) as error:
        why = f"{type(error).__name__}: {error}"
        raise Refused(
            f"{file.name} is no JSON schema", why, "correct it, or deploy.verify.routes"
        ) from None

    def broken(value: Any) -> str:
        try:
            validate(value)
        except fastjsonschema.JsonSchemaValueException as error:
            return str(error.message)
        return ""

    return broken


def _refuse_remote(address: str) -> Any:
    raise ValueError(f"a schema must not fetch {address}")


_NO_NETWORK: Final = {"http": _refuse_remote, "https": _refuse_remote}
