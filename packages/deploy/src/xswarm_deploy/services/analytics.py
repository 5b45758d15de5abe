"""What users met of each version of a Worker, by Cloudflare's GraphQL Analytics API.

The data set ``workersInvocationsAdaptive`` counts invocations by version (``scriptVersion``) and
how they ended. It is minutes late, and sampled where there is much: counts are then Cloudflare's
estimates. ``errors`` are exceptions and exceeded limits; a 500 that the code answers by itself is
none. Source: developers.cloudflare.com, "Querying Workers Metrics with GraphQL"; the dimension as
the schema tells it by introspection.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from xswarm_deploy.services.errors import Forbidden, Unauthorised
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.shape import Wire

_LIMIT: Final = 1000  # rows; one a version and status
_QUERY: Final = """\
query ($account: string!, $worker: string!, $since: Time!, $until: Time!) {
  viewer {
    accounts(filter: {accountTag: $account}) {
      workersInvocationsAdaptive(
        limit: %d, filter: {scriptName: $worker, datetime_geq: $since, datetime_lt: $until}
      ) {
        sum { requests errors }
        quantiles { wallTimeP50 wallTimeP99 }
        dimensions { scriptVersion status }
      }
    }
  }
}"""


class _Sum(Wire):
    requests: int
    errors: int


class _Dimensions(Wire):
    scriptVersion: str  # noqa: N815 - as the API spells it
    status: str


class _Quantiles(Wire):
    wallTimeP50: float | None = None  # noqa: N815
    wallTimeP99: float | None = None  # noqa: N815


class _Row(Wire):
    sum: _Sum
    dimensions: _Dimensions
    quantiles: _Quantiles | None = None


class _Account(Wire):
    workersInvocationsAdaptive: tuple[_Row, ...]  # noqa: N815


class _Viewer(Wire):
    accounts: tuple[_Account, ...]


class _Data(Wire):
    viewer: _Viewer


class _Answer(Wire):
    data: _Data | None = None
    errors: list[object] | None = None


class Invocations(NamedTuple):
    """How often a version was invoked, how often it failed, and how long a success took.

    Args:
        requests: all of them.
        errors: of these, exceptions and exceeded limits.
        median: milliseconds of wall time of those that succeeded; None: not told.
    """

    requests: int = 0
    errors: int = 0
    median: float | None = None


def invocations(
    http: Http, account: str, worker: str, since: float, until: float
) -> Mapping[str, Invocations] | None:
    """Return what each version did, by its id; None where the token may not read it.

    Args:
        http: the way to Cloudflare's API, with the token.
        account: its id.
        worker: the Worker's name.
        since: the beginning, seconds since 1970.
        until: the end, not counted itself.
    """
    asked: dict[str, Any] = {
        "query": _QUERY % _LIMIT,
        "variables": {
            "account": account,
            "worker": worker,
            "since": _iso(since),
            "until": _iso(until),
        },
    }
    try:
        answer = http.post("/graphql", json=asked, safe=True).read(_Answer)
    except (Unauthorised, Forbidden):
        return None
    if answer.errors or answer.data is None:
        return None
    counted: dict[str, Invocations] = {}
    for account_ in answer.data.viewer.accounts:
        for row in account_.workersInvocationsAdaptive:
            version = row.dimensions.scriptVersion
            counted[version] = _with(counted.get(version, Invocations()), row)
    return counted


def _with(before: Invocations, row: _Row) -> Invocations:
    told = row.quantiles.wallTimeP50 if row.quantiles else None
    took = told / 1000 if told is not None and row.dimensions.status == "success" else None
    median = took if took is not None else before.median
    return Invocations(before.requests + row.sum.requests, before.errors + row.sum.errors, median)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
