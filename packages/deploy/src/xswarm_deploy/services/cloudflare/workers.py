"""Workers: made, deleted, and what belongs to no version of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from xswarm_deploy.services.cloudflare.client import (
    WORKER_MISSING,
    Client,
    Named,
    quoted,
)
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.progress import Progress, silent, upload
from xswarm_deploy.services.read_ahead import ReadAhead
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.settle import once_there, unless_missing
from xswarm_deploy.services.shape import Wire


class _Created(Wire):
    deployment_id: str


class _Switches(Wire):
    enabled: bool
    previews_enabled: bool


class _Worker(Wire):
    subdomain: _Switches


class _Script(Wire):
    migration_tag: str | None = None


class _DefaultEnvironment(Wire):
    script: _Script | None = None


class _Service(Wire):
    default_environment: _DefaultEnvironment | None = None


class _Schedule(Wire):
    cron: str


class _Schedules(Wire):
    schedules: tuple[_Schedule, ...] = ()


class Subdomain(NamedTuple):
    """Whether a Worker answers on workers.dev, and whether its versions have previews."""

    enabled: bool
    previews_enabled: bool


class Workers(Client):
    """Read and set Workers."""

    def __init__(self, http: Http, account_id: str) -> None:
        super().__init__(http, account_id)
        self._settings_ahead: ReadAhead[dict[str, object]] = ReadAhead()
        self._subdomain_ahead: ReadAhead[Subdomain] = ReadAhead()
        self._tag_ahead: ReadAhead[str] = ReadAhead()
        self._schedules_ahead: ReadAhead[list[str]] = ReadAhead()

    def read_ahead(self, name: str) -> None:
        """Begin to read what belongs to a Worker and to no version; each is returned once."""
        self._settings_ahead.begin(lambda: self._script_settings(name))
        self._subdomain_ahead.begin(lambda: self._subdomain(name))
        self._tag_ahead.begin(lambda: self._migration_tag(name))
        self._schedules_ahead.begin(lambda: self._schedules(name))

    def worker_exists(self, name: str) -> bool:
        """Return whether there is such a Worker."""
        path = f"{self._account}/workers/services/{quoted(name)}"
        return unless_missing(lambda: self._get(path, object), WORKER_MISSING) is not None

    def migration_tag(self, name: str) -> str:
        """Return the last Durable Object migration that a Worker has had; empty: none."""
        return self._tag_ahead.taken(lambda: self._migration_tag(name))

    def _migration_tag(self, name: str) -> str:
        path = f"{self._account}/workers/services/{quoted(name)}"
        found = unless_missing(lambda: self._get(path, _Service), WORKER_MISSING)
        environment = found.default_environment if found else None
        script = environment.script if environment else None
        return (script.migration_tag or "") if script else ""

    def script_settings(self, name: str) -> dict[str, object]:
        """Read what belongs to a Worker and to no version; empty where there is no Worker."""
        return self._settings_ahead.taken(lambda: self._script_settings(name))

    def _script_settings(self, name: str) -> dict[str, object]:
        path = f"{self._script(name)}/script-settings"
        return unless_missing(lambda: self._get(path, dict[str, object]), WORKER_MISSING) or {}

    def set_script_settings(self, name: str, changed: Mapping[str, Any]) -> None:
        """Set observability, logpush, tail consumers or tags; what is not named stays.

        Raises:
            Invalid: a value is not taken.
        """
        self._settings_ahead.forget()
        self.http.patch(f"{self._script(name)}/script-settings", json=dict(changed), safe=True)

    def create_worker(
        self, name: str, body: bytes, headers: Mapping[str, str], progress: Progress = silent
    ) -> str:
        """Create a Worker with its first version, at 100 % at once; return the version's id."""
        self._tag_ahead.forget()
        reply = self.http.put(
            self._script(name),
            query={"excludeScript": "true", "bindings_inherit": "strict"},
            body=body,
            headers=headers,
            budget=180,
            sent=upload(len(body), progress),
        )
        return _hyphened(reply, unwrap(reply, _Created).deployment_id)

    def delete_worker(self, name: str) -> None:
        """Delete a Worker with all its versions; one that is not there is deleted already."""
        path = self._script(name)
        unless_missing(lambda: self.http.delete(path, query={"force": "true"}), WORKER_MISSING)

    def worker_subdomain(self, name: str) -> Subdomain:
        """Read whether a Worker answers on workers.dev, and its versions on preview hosts."""
        return self._subdomain_ahead.taken(lambda: self._subdomain(name))

    def _subdomain(self, name: str) -> Subdomain:
        path = f"{self._account}/workers/workers/{quoted(name)}"
        found = self._get(path, _Worker).subdomain
        return Subdomain(found.enabled, found.previews_enabled)

    def set_subdomain(self, name: str, enabled: bool, previews_enabled: bool) -> Subdomain:
        """Switch a Worker's workers.dev address and preview hosts on or off.

        It is the first call after a Worker was made, which may not be known yet.
        """
        wanted = {"enabled": enabled, "previews_enabled": previews_enabled}
        self._subdomain_ahead.forget()
        path = f"{self._script(name)}/subdomain"
        reply = once_there(
            lambda: self.http.post(path, json=wanted, safe=True), WORKER_MISSING, self.http.clock
        )
        found = unwrap(reply, _Switches)
        return Subdomain(found.enabled, found.previews_enabled)

    def schedules(self, name: str) -> list[str]:
        """List a Worker's cron triggers; empty where there is no Worker."""
        return self._schedules_ahead.taken(lambda: self._schedules(name))

    def _schedules(self, name: str) -> list[str]:
        path = f"{self._script(name)}/schedules"
        found = unless_missing(lambda: self._get(path, _Schedules), WORKER_MISSING)
        return [item.cron for item in (found.schedules if found else ())]

    def set_schedules(self, name: str, crons: Iterable[str]) -> None:
        """Let a Worker be told by these cron triggers, and by no others.

        Raises:
            Invalid: one is no cron expression.
        """
        self._schedules_ahead.forget()
        self.http.put(f"{self._script(name)}/schedules", json=[{"cron": cron} for cron in crons])

    def secrets(self, name: str) -> list[str]:
        """List the names of a Worker's secrets; empty where there is no Worker."""
        path = f"{self._script(name)}/secrets"
        found = unless_missing(lambda: self._get(path, list[Named]), WORKER_MISSING)
        return sorted(item.name for item in found or ())


def _hyphened(reply: Reply, identifier: str) -> str:
    """Write a version id as everywhere else: PUT script gives it without hyphens."""
    from uuid import UUID

    try:
        return str(UUID(identifier))
    except ValueError:
        raise reply.unexpected("the version's id is none") from None
