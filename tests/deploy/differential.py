"""One Worker deployed by ``wrangler deploy`` and by a release, and what is not the same then.

``python -m tests.deploy.differential FOLDER…`` compares the Workers of folders, such as those of
a checkout of Cloudflare's templates. A Worker whose packages are not installed is given a stub
of its code with the same classes: what is compared then is all of its configuration.

Of Cloudflare's 37 templates (at 7a0bc8f) 36 are equal; containers-template is refused, with the
way on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from aiohttp import web

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.report import Report
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.settings.settings import Settings, load
from xswarm_deploy.site import Site
from xswarm_deploy.steps import worker
from xswarm_deploy.steps.unversioned import zones
from xswarm_deploy.verification import address, verify
from xswarm_twin.cloudflare import bindings, resources, uploads
from xswarm_twin.cloudflare.blobs import Blobs
from xswarm_twin.cloudflare.records import Version, Worker, Workflow

ROOT = Path(__file__).resolve().parents[2]
FILES = ("wrangler.jsonc", "wrangler.json", "wrangler.toml")
ENVIRONMENT = """\
ENVIRONMENT="local"
CLOUDFLARE_API_TOKEN="{token}"
CLOUDFLARE_ACCOUNT_ID="{account}"
CLOUDFLARE_API_BASE_URL="{base}"
WORKER_URL="http://127.0.0.1:8001"
TURSO_DATABASE_URL="file:{folder}/app.db"
"""
BESIDE = ("observability", "logpush", "tail_consumers", "streaming_tail_consumers")
"""Metadata that a first upload by wrangler carries, and that a release sets afterwards."""
OURS = ("annotations",)
"""Metadata that tells who uploaded, not what the Worker is."""
MADE = ("kv_namespace", "d1", "r2_bucket", "queue", "dispatch_namespace")
"""Bindings whose resources a deployment makes where they are missing."""
EXPLAINED = {
    "code_update_strategy": "wrangler names its own default (deferred, 300 s) for the code of"
    " Durable Objects with each direct upload; a release leaves Cloudflare's",
}
"""Metadata that differs, with the reason."""


@dataclass(frozen=True)
class Asked:
    """What is deployed.

    Args:
        times: how often.
        environment: a part under ``env`` of the configuration; empty: the top level.
        later: what the configuration says from the second time on; None: the same.
    """

    times: int = 2
    environment: str = ""
    later: Mapping[str, Any] | None = None

    def prepare(self, folder: Path, number: int) -> Mapping[str, Any]:
        """Write the configuration of one deployment, and return what it says."""
        if number and self.later is not None:
            configuration(folder)[0].write_text(json.dumps(self.later))
        content = configuration(folder)[1]
        return wrangler.environment(content, self.environment) if self.environment else content


@dataclass
class Deployed:
    """What one of the two left behind: each upload's metadata, and the account's state after it."""

    uploads: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)


def compare(folder: Path, asked: Asked) -> list[str]:
    """Deploy a folder's Worker by each, and return what differs.

    Raises:
        DeployError: the release refuses it.
        AssertionError: wrangler refuses it.
    """
    with tempfile.TemporaryDirectory(prefix="differential-") as scratch:
        ours = _by_release(_copied(folder, Path(scratch) / "ours"), asked)
        theirs = _by_wrangler(_copied(folder, Path(scratch) / "theirs"), asked)
    return [
        *_differences("upload", theirs.uploads, ours.uploads),
        *_differences("deployment", theirs.states, ours.states),
    ]


def configuration(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return a folder's wrangler configuration: its file, and what stands there."""
    file = next(folder / name for name in FILES if (folder / name).is_file())
    return file, dict(wrangler.parsed(file))


def _by_wrangler(folder: Path, asked: Asked) -> Deployed:
    deployed = Deployed()
    with _account(folder, deployed) as api:
        for number in range(asked.times):
            content = asked.prepare(folder, number)
            _provide(api, content)
            ended = _wrangler(folder, api, asked.environment)
            assert ended.returncode == 0, ended.stderr[-1500:] or ended.stdout[-1500:]
            deployed.states.append(_state(api, content["name"]))
    return deployed


def _by_release(folder: Path, asked: Asked) -> Deployed:
    deployed = Deployed()
    with _account(folder, deployed) as api, _nothing_answers():
        records: list[Record] = []
        for number in range(asked.times):
            content = asked.prepare(folder, number)
            _provide(api, content)
            settings = _settings(folder, api, content["name"], asked.environment)
            state = ReleaseState({"release": f"r{number}"}, history=lambda: list(records))
            site = Site(settings, state)
            for change in worker.plan(site):
                site.facts.update(worker.apply(site, change))
            made = Record(f"r{number}", "local", "deploy", "succeeded", "", "", "", "", "")
            version = str(site.facts["version"])
            records.insert(0, made._replace(version=version, facts=dict(site.facts)))
            deployed.states.append(_state(api, settings.project.worker.name))
        named = {*settings.worker_variables(), *settings.worker_secrets()}
        deployed.uploads = [_without(metadata, named) for metadata in deployed.uploads]
    return deployed


@contextmanager
def _nothing_answers() -> Iterator[None]:
    """Leave out what asks the Worker itself: the stand-in keeps versions, and runs none."""
    with mock.patch.object(verify, "gate", _yes), mock.patch.object(address, "wait", _yes):
        yield


@contextmanager
def _account(folder: Path, deployed: Deployed) -> Iterator[Api]:
    """Run a stand-in that takes any binding, and keeps what it is sent."""
    api = Api(folder.parent / f"{folder.name}-account")
    reading = uploads.read

    async def read(request: web.Request, blobs: Blobs) -> uploads.Upload:
        form = await reading(request, blobs)
        date = request.headers.get("Cloudflare-Workers-Script-Api-Date")
        deployed.uploads.append({**_plain(form.metadata or {}), "date of the API": date})
        return form

    try:
        with (
            mock.patch.object(uploads, "read", read),
            mock.patch.object(bindings, "valid", lambda binding: binding),
            mock.patch.object(resources, "found", lambda *given: given[-1]),
        ):
            yield api
    finally:
        api.session.close()
        api.stop()


async def _deployed(api: Api, worker: str) -> None:
    """Have a Worker in the account, whose upload nobody compares."""
    api.twin.store.save(Worker(worker, worker, "", ""))


def _provide(api: Api, content: Mapping[str, Any]) -> None:
    """Make all that the configuration names and no deployment makes."""
    for bucket in content.get("r2_buckets") or ():
        if bucket.get("bucket_name"):
            there = {"cf-r2-jurisdiction": str(bucket.get("jurisdiction") or "default")}
            named = {"name": bucket["bucket_name"]}
            api.call("POST", "A/r2/buckets", json=named, headers=there)
    queues = content.get("queues") or {}
    produced = {one.get("queue") for one in queues.get("producers") or ()}
    for one in queues.get("consumers") or ():
        for name in {one.get("queue"), one.get("dead_letter_queue")} - produced:
            if name:
                api.call("POST", "A/queues", json={"queue_name": name})
    for one in content.get("tail_consumers") or ():
        api.do(_deployed(api, str(one["service"])))
    routes = {**zones.listed(content, custom=False), **zones.listed(content, custom=True)}
    for pattern, given in routes.items():
        name = given.get("zone_name") or ".".join(zones.host(pattern).split(".")[-2:])
        api.call("POST", "/zones", json={"name": name})


def _wrangler(folder: Path, api: Api, chosen: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder.parent),
        "CI": "1",
        "CLOUDFLARE_API_BASE_URL": api.base,
        "CLOUDFLARE_API_TOKEN": ACCOUNT.token,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT.id,
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_LOG_SANITIZE": "true",
        "WRANGLER_LOG_PATH": str(folder.parent / "logs"),
        "WRANGLER_HIDE_BANNER": "true",
    }
    return subprocess.run(
        [str(ROOT / "node_modules/.bin/wrangler"), "deploy", "--env", chosen],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _settings(folder: Path, api: Api, name: str, environment: str) -> Settings:
    file, _ = configuration(folder)
    written = folder / "deployment/config/local.env"
    written.parent.mkdir(parents=True, exist_ok=True)
    text = ENVIRONMENT.format(
        token=ACCOUNT.token, account=ACCOUNT.id, base=api.base, folder=folder.parent
    )
    written.write_text(text)
    worker = {"name": name, "config": file.name, "environment": environment}
    return load("local", {"worker": worker}, folder, {})


def _copied(folder: Path, target: Path) -> Path:
    """Copy a Worker; where its packages are missing, stub its code."""
    leave = shutil.ignore_patterns("node_modules", ".git")
    shutil.copytree(folder, target, ignore=leave)
    (target / "node_modules").mkdir(exist_ok=True)
    for place in (ROOT / "node_modules").iterdir():
        (target / "node_modules" / place.name).symlink_to(place)
    if (folder / "package.json").is_file():
        _stub(target)
    return target


def _stub(folder: Path) -> None:
    file, content = configuration(folder)
    if content.get("main"):
        main = (folder / str(content["main"])).with_suffix(".js")
        main.parent.mkdir(parents=True, exist_ok=True)
        main.write_text(_code(content))
        content["main"] = str(main.relative_to(folder))
    content.pop("build", None)
    if "assets" in content:
        public = folder / str(content["assets"].setdefault("directory", "built"))
        public.mkdir(parents=True, exist_ok=True)
        (public / "index.html").write_text("<h1>stub</h1>")
        (public / ".assetsignore").write_text("_worker.js\n")  # as a framework's build does
    file.unlink()
    (folder / "wrangler.json").write_text(json.dumps(content))


def _code(content: Mapping[str, Any]) -> str:
    objects = (content.get("durable_objects") or {}).get("bindings") or ()
    classes = {str(one["class_name"]) for one in objects if not one.get("script_name")}
    workflows = {str(one["class_name"]) for one in content.get("workflows") or ()}
    services = content.get("services") or ()
    entrypoints = {str(one["entrypoint"]) for one in services if one.get("entrypoint")}
    lines = [
        'import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint } from "cloudflare:workers";'
    ]
    lines += [f"export class {name} extends WorkerEntrypoint {{}}" for name in sorted(entrypoints)]
    lines += [f"export class {name} extends DurableObject {{}}" for name in sorted(classes)]
    lines += [f"export class {name} extends WorkflowEntrypoint {{}}" for name in sorted(workflows)]
    return "\n".join([*lines, "export default { fetch() { return new Response('stub'); } };", ""])


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        key: value for key, value in metadata.items() if key not in (*BESIDE, *OURS, *EXPLAINED)
    }
    if "assets" in kept:
        kept["assets"] = {key: value for key, value in kept["assets"].items() if key != "jwt"}
    kept.pop("keep_bindings", None)  # a release takes each by its name, from what is live
    stated = (*MADE, "inherit")  # compared as they are resolved
    bound = [one for one in kept.get("bindings") or () if one["type"] not in stated]
    kept["bindings"] = sorted(bound, key=lambda one: str(one["name"]))
    return kept


def _without(metadata: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Leave out what the environment file adds."""
    bound = [one for one in metadata["bindings"] if one["name"] not in names]
    return {**metadata, "bindings": bound}


def _state(api: Api, name: str) -> dict[str, Any]:
    """Read what there is now; what was made by the deployment is called by its name, not its id."""
    made = {one["id"]: f"KV {one['title']}" for one in api.result("GET", "A/storage/kv/namespaces")}
    made |= {one["uuid"]: f"D1 {one['name']}" for one in api.result("GET", "A/d1/database")}
    return {**_renamed(_read(api, name), made), "made": sorted(made.values())}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def _read(api: Api, name: str) -> dict[str, Any]:
    script = f"A/workers/scripts/{name}"
    found, version, workflows = api.do(_stored(api, name))
    off: tuple[object, ...] = (None, False, [], {"enabled": False})
    zone_ids = [zone["id"] for zone in api.result("GET", "/zones")]
    return {
        "modules": {one["name"]: one["blob"] for one in version.modules},
        "static files": version.assets,
        "compatibility": [version.compatibility_date, version.compatibility_flags],
        "settings": {key: value for key, value in found.settings.items() if value not in off},
        "bindings": {one["name"]: one for one in version.bindings if one["type"] in MADE},
        "buckets": [one["name"] for one in api.result("GET", "A/r2/buckets")["buckets"]],
        "namespaces": [
            one["namespace_name"] for one in api.result("GET", "A/workers/dispatch/namespaces")
        ],
        "subdomain": api.result("GET", f"{script}/subdomain"),
        "schedules": sorted(one["cron"] for one in found.schedules),
        "migration tag": found.migration_tag,
        "routes": sorted(
            (one["pattern"], one["script"])
            for zone in zone_ids
            for one in api.result("GET", f"/zones/{zone}/workers/routes")
        ),
        "domains": sorted(
            one["hostname"] for one in api.result("GET", f"A/workers/domains?service={name}")
        ),
        "consumers": {
            one["queue_name"]: [
                {key: value for key, value in taken.items() if key != "consumer_id"}
                for taken in one["consumers"]
            ]
            for one in api.result("GET", "A/queues")
        },
        "workflows": {
            one.name: [one.script_name, one.class_name, one.options] for one in workflows
        },
        "versions that users meet": sum(
            share > 0 for share in api.edge.deployed.get(name, {}).values()
        ),
    }


async def _stored(api: Api, name: str) -> tuple[Worker, Version, list[Workflow]]:
    """Read what the API does not tell, in the thread of the stand-in."""
    store = api.twin.store
    found, version = store.find(Worker, name), store.last(Version, name)
    assert found is not None
    assert version is not None
    return found, version, store.all(Workflow)


def _differences(path: str, theirs: Any, ours: Any) -> list[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [
            line
            for key in sorted(theirs.keys() | ours.keys())
            for line in _differences(f"{path} {key}".strip(), theirs.get(key), ours.get(key))
        ]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [
            line
            for place, (one, other) in enumerate(zip(theirs, ours, strict=True), start=1)
            for line in _differences(f"{path} {place}", one, other)
        ]
    return [] if theirs == ours else [f"{path}: wrangler {theirs!r}, a release {ours!r}"]


def _yes(*_: Any, **__: Any) -> Report:
    return Report("verify", ())


def main(folders: list[Path]) -> int:
    """Compare each after one deployment; print what differs, and return how many do."""
    unequal = 0
    for folder in folders:
        try:
            told = compare(folder, Asked(times=1))
        except DeployError as refused:
            told = [f"a release refuses it: {refused}"]
        except AssertionError as failed:
            told = [f"wrangler refuses it: {' '.join(str(failed).split())[-600:]}"]
        unequal += bool(told)
        print(f"{folder.name}: {'equal' if not told else '; '.join(told)}", flush=True)  # noqa: T201
    print(f"{len(folders) - unequal} of {len(folders)} equal")  # noqa: T201
    return unequal


if __name__ == "__main__":
    raise SystemExit(main([Path(word) for word in sys.argv[1:]]))
