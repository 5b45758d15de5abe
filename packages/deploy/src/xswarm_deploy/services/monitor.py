"""A Worker's own monitoring: what its health endpoints and its metrics say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.http import Headers, Http, bearer
from xswarm_deploy.services.reply import json_or_none
from xswarm_deploy.settings.project import HEALTH_BUDGETS
from xswarm_monitoring.health import Check
from xswarm_monitoring.printable import storable

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

VERDICTS: Final = ("pass", "warn", "fail")
_ANY: Final = range(300, 600)  # a 503 is an answer, too
_OR_REFUSED: Final = range(300, 500)  # somebody else's 404 is an answer, too
_OURS: Final = {
    "scope": str,
    "incomplete": str,
    **dict.fromkeys(("requests", "database", "business"), dict),
}
"""What every report of our monitor's has; others answer at /api/metrics, too."""
_LARGEST: Final = 2**63
_DEEPEST: Final = 64  # levels; what is asked of a report lies within the first five
METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
"""Of a path in OpenAPI, beside ``parameters`` and the like; HEAD and OPTIONS are nobody's own."""


@dataclass(frozen=True)
class Health:
    """Hold what a health endpoint answered.

    Args:
        path: the endpoint's.
        status: the HTTP status; 0: there was no answer, and ``error`` says why.
        milliseconds: from sending to the body's end.
        body: the report; empty where the answer is none.
        error: why there was no answer.
        budget: the milliseconds it may take.
    """

    path: str
    status: int
    milliseconds: float
    body: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    budget: int = 0

    @property
    def reported(self) -> bool:
        """Return whether this is a report, and not the page of a Worker that has no monitor."""
        return self.body.get("status") in VERDICTS

    @property
    def verdict(self) -> str:
        """Return ``pass``, ``warn`` or ``fail``; what is no report failed."""
        return str(self.body["status"]) if self.reported else "fail"

    @property
    def in_time(self) -> bool:
        """Return whether it kept to its budget."""
        return self.milliseconds <= self.budget

    @property
    def checks(self) -> list[Check]:
        """Return the report's checks, whoever wrote it; none where the details are kept back."""
        listed = self.body.get("checks")
        return [
            _check(name.partition(":")[0], entry)
            for name, entries in (listed.items() if isinstance(listed, dict) else ())
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict)
        ]

    def bytes_of(self, name: str) -> int | None:
        """Return a number of bytes of the report's ``system``; None where it tells none."""
        system = self.body.get("system")
        told = system.get(name) if isinstance(system, dict) else None
        return told if isinstance(told, int) and not isinstance(told, bool) else None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "path": self.path,
            "status": self.status,
            "verdict": self.verdict,
            "milliseconds": round(self.milliseconds, 1),
            "budget_ms": self.budget,
            "in_time": self.in_time,
            "error": self.error,
            "report": dict(self.body),
        }


def status_page(settings: Settings) -> str:
    """Return the address of the Worker's dashboard; empty: it has no address."""
    base = settings.text("WORKER_URL").rstrip("/")
    return f"{base}/status" if base else ""


class Monitor:
    """The monitor that a Worker has mounted.

    Args:
        http: its base URL is the Worker's; it carries the admin token.
        budgets: the milliseconds that each endpoint may take.
    """

    @classmethod
    def of(cls, settings: Settings) -> Monitor:
        """Return the client of an environment; without ADMIN_TOKEN it sees no details."""
        token = settings.secret("ADMIN_TOKEN")
        headers: Headers = {"Authorization": bearer(token)} if token else {}
        # Asked once: that a first try failed is what a monitor is for.
        http = Http(
            "The Worker",
            settings.text("WORKER_URL"),
            headers,
            timeout=(5.0, 10.0),
            retries=0,
            budget=15.0,
        )
        return cls(http, settings.project.verify.budgets)

    def __init__(self, http: Http, budgets: Mapping[str, int] = HEALTH_BUDGETS) -> None:
        self.http, self._budgets = http, budgets

    def health(self, path: str) -> Health:
        """Ask one health endpoint; that it does not answer is an answer, too."""
        began, budget = self.http.clock.monotonic(), self._budgets[path]
        try:
            reply = self.http.get(path, expect=_ANY)
        except ServiceUnavailable as error:
            return Health(path, 0, self._since(began), error=error.said, budget=budget)
        took = self._since(began)
        return Health(path, reply.status, took, _mapping(reply.body), budget=budget)

    def everything(self) -> list[Health]:
        """Ask all health endpoints, one after the other, on a connection that is open."""
        self.health("/health")  # opens it; a handshake is nothing of the Worker's
        return [self.health(path) for path in HEALTH_BUDGETS]

    def metrics(self, window: str, points: int = 0) -> dict[str, Any]:
        """Return what was measured.

        Args:
            window: how far back, e.g. ``5m``, ``1h`` or ``7d``.
            points: how many points of a timeline; 0: none.

        Raises:
            NotFound: there is no monitor.
            UnexpectedReply: what answers there is another's.
            ServiceError: the token is wrong, or the window is none.
        """
        query = {"window": window, "points": points, "format": "json"}
        reply = self.http.get("/api/metrics", query=query)
        found = reply.read(dict[str, Any])
        if not all(isinstance(found.get(name), kind) for name, kind in _OURS.items()):
            raise reply.unexpected("it is no report of this monitor's")
        return found

    def routes(self) -> list[tuple[str, str]] | None:
        """Return method and template of each route of the Worker's own router.

        None where it does not tell: it has no such monitor, or does not take the token.

        Raises:
            ServiceUnavailable: the Worker does not answer.
        """
        found = _mapping(self.http.get("/api/metrics/routes", expect=_OR_REFUSED).body)
        return _named_routes(found["routes"]) if "monitor" in found else None

    def described(self) -> list[tuple[str, str]] | None:
        """Return method and template of each path in ``/openapi.json``; None: there is none.

        Raises:
            ServiceUnavailable: the Worker does not answer.
        """
        found = _mapping(self.http.get("/openapi.json", expect=_OR_REFUSED).body)
        paths = found.get("paths") if "openapi" in found else None
        if not isinstance(paths, dict):
            return None
        return sorted(
            (str(method).upper(), str(path))
            for path, operations in paths.items()
            for method in (operations if isinstance(operations, dict) else ())
            if method in METHODS
        )

    def _since(self, began: float) -> float:
        return (self.http.clock.monotonic() - began) * 1000


def _check(name: str, entry: Mapping[str, Any]) -> Check:
    """Read one check; only its status must be there, as health+json has it."""
    status, observed = str(entry.get("status", "fail")), entry.get("observedValue")
    return Check(
        name=name,
        status=status if status in VERDICTS else "fail",
        critical=bool(entry.get("critical", True)),
        milliseconds=float(observed) if isinstance(observed, int | float) else 0.0,
        time=_moment(entry.get("time")),
        output=str(entry.get("output", "")),
    )


def _named_routes(listed: Any) -> list[tuple[str, str]]:
    return [
        (str(one["method"]), str(one["path"]))
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and {"method", "path"} <= one.keys()
    ]


def _moment(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _mapping(body: bytes) -> Mapping[str, Any]:
    found = _usable(json_or_none(body))
    return found if isinstance(found, dict) else {}


def _usable(value: Any, depth: int = 0) -> Any:
    """Return JSON of whoever answers without what cannot be shown or compared.

    Half a character is no text, and a number may be none, or have no end; nor has what is
    nested for ever.
    """
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {storable(name): _usable(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [_usable(each, depth + 1) for each in value]
    if isinstance(value, int | float):
        return value if -_LARGEST < value < _LARGEST else None
    return storable(value) if isinstance(value, str) else value
