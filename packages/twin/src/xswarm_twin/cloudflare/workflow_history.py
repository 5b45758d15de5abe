"""An instance of a Workflow as the API tells it, from the events that its engine keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Event = Mapping[str, Any]
_KINDS = {"step": "step", "sleep": "sleep", "wait": "waitForEvent"}
_ENDS = {"completed": True, "errored": False, "timed_out": False}


def instance(status: Mapping[str, Any], events: Iterable[Event]) -> dict[str, Any]:
    """Return an instance: when it was queued, began and ended, and its steps."""
    told = list(events)
    begun = {event["type"]: _time(event) for event in told}
    ends = [
        begun[f"workflow_{one}"]
        for one in ("completed", "errored", "terminated")
        if f"workflow_{one}" in begun
    ]
    params = next((one.get("params") for one in told if one["type"] == "workflow_started"), None)
    finished = {"complete": True, "errored": False, "terminated": False}
    steps = _steps(told)
    return {
        "status": status["status"],
        "output": status.get("output"),
        "error": status.get("error"),
        "success": finished.get(status["status"]),
        "params": params,
        "trigger": {"source": "binding"},
        "queued": begun.get("workflow_queued"),
        "start": begun.get("workflow_started"),
        "end": ends[0] if ends else None,
        "steps": steps,
        "step_count": len(steps),
    }


def _steps(events: list[Event]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        kind, _, what = event["type"].partition("_")
        name = event.get("stepName")
        if name is None:
            continue
        if kind in _KINDS and what == "started":
            found[name] = _begun(kind, name, event)
        elif kind in _KINDS and what in _ENDS and name in found:
            ended = {"end": _time(event), "success": _ENDS[what], "output": event.get("output")}
            found[name].update(ended)
        elif kind == "attempt" and name in found:
            _attempt(found[name]["attempts"], what, event)
    return list(found.values())


def _begun(kind: str, name: str, event: Event) -> dict[str, Any]:
    return {
        "name": name,
        "type": _KINDS[kind],
        "start": _time(event),
        "end": None,
        "success": None,
        "finished": False,
        "error": None,
        "config": event.get("config") or {},
        "attempts": [],
    }


def _attempt(attempts: list[dict[str, Any]], what: str, event: Event) -> None:
    if what == "started":
        attempts.append({"start": _time(event), "end": None, "success": None, "error": None})
    elif attempts:
        ended = {"end": _time(event), "success": _ENDS[what], "error": event.get("error")}
        attempts[-1].update(ended)


def _time(event: Event) -> str:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
