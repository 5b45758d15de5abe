"""Each thing the check looks at, in each way it can be, and the answer; CHECKS.md is made of it.

``python -m tests.preflight.check_cases`` writes the document anew.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from tests.steps.place import PROJECT, TABLE, Place, Zones, backed_up, failed, git
from tests.steps.provider_fakes import SoundSendGrid
from tests.support.project import LOCAL_VALUES
from xswarm_deploy.bundling import programs
from xswarm_deploy.bundling.bundle import Bundle
from xswarm_deploy.database import d1_pending
from xswarm_deploy.database.engine import Engine
from xswarm_deploy.errors import Refused
from xswarm_deploy.model.report import Finding
from xswarm_deploy.monitor.alert_store import execute
from xswarm_deploy.preflight import domains, machine
from xswarm_deploy.release import records
from xswarm_deploy.services import receivers
from xswarm_deploy.services.cloudflare import Deployment, Token, Version
from xswarm_deploy.services.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    Unauthorised,
)
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.multipart import Module
from xswarm_deploy.services.routes import Domain
from xswarm_deploy.services.sendgrid import EventWebhook
from xswarm_deploy.steps import fingerprints
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.storage import Storage

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "deployment/docs/CHECKS.md"
SCHEMA: Final = Path(__file__).resolve().parents[2] / "node_modules/wrangler/config-schema.json"
HEAD: Final = """\
# What the check answers

Everything `./inv check` looks at, in each way it can be, and the answer. How to read one is in
[the guide](guide/verification.md). Every line is a test in `tests/preflight/test_check_table.py`;
`python -m tests.preflight.check_cases` writes this document, and a test holds it to the lines.

- ✅ it is good, or the release makes it;
- ⚠️ worth a look; blocks nothing;
- ❌ blocks a release: exit code 1, DEPLOYMENT BLOCKED;
- ❔ nobody can say now: a provider limits the rate or is silent; blocks nothing;
- · there is nothing to look at.

| looked at | it is so | answer | the evidence contains |
|---|---|---|---|
"""
SIGNS: Final = {"pass": "✅", "warn": "⚠️", "fail": "❌", "unknown": "❔", "skip": "·"}
HOST: Final = "boss.xswarm.test"
Arrange = Callable[[Place], Any]


@dataclass(frozen=True)
class Case:
    """One line: what is looked at, how it is, what is answered.

    Args:
        check: the finding's name.
        way: how the thing is, in words.
        status: the answer; a failure here always blocks.
        says: what the evidence contains.
        arrange: makes it so.
    """

    check: str
    way: str
    status: str
    says: str
    arrange: Arrange = lambda place: None

    def row(self) -> str:
        """Return the line of the document."""
        return f"| {self.check} | {self.way} | {SIGNS[self.status]} | {self.says} |"

    def look(self, place: Place) -> Finding:
        """Make it so, and look."""
        self.arrange(place)
        return place.look(self.check)


# How a thing is made so


def variables(**values: str) -> Arrange:
    return lambda place: place.values.update(values)


def configured(**changed: Any) -> Arrange:
    return lambda place: place.configure(**changed)


def project(**given: Any) -> Arrange:
    return lambda place: place.project.update(given)


def part(name: str, **attributes: Any) -> Arrange:
    def arrange(place: Place) -> None:
        for attribute, value in attributes.items():
            setattr(place.parts[name], attribute, value)

    return arrange


def failing(name: str, kind: type[ServiceError], status: int = 0, **more: Any) -> Arrange:
    def arrange(place: Place) -> None:
        place.parts[name] = failed(kind, status, **more)
        place.parts[name].pages = place.parts[name]

    return arrange


def both(*arranged: Arrange) -> Arrange:
    return lambda place: [one(place) for one in arranged]


def number(**changed: Any) -> Arrange:
    def arrange(place: Place) -> None:
        twilio = place.parts["twilio"]
        twilio.owned = twilio.owned._replace(**changed)

    return arrange


# Variables


def _variable_cases() -> list[Case]:
    twilio = "TWILIO_AUTH_TOKEN_TEST"
    stripe = "STRIPE_SECRET_KEY_TEST"
    return [
        Case("ANTHROPIC_API_KEY", "set", "pass", "sent to the Worker"),
        Case(twilio, "missing", "fail", "Missing", variables(**{twilio: ""})),
        Case(
            "OPENAI_API_KEY",
            "still the example's",
            "fail",
            "placeholder",
            variables(OPENAI_API_KEY="your_key"),
        ),
        Case(
            "TWILIO_PHONE_NUMBER",
            "of another form",
            "fail",
            "not in the expected form",
            variables(TWILIO_PHONE_NUMBER="555"),
        ),
        Case(
            stripe,
            "a live key outside production",
            "fail",
            "a live key in local",
            variables(**{stripe: "sk_live_canary0123456789"}),
        ),
        Case("JWT_SECRET", "too short", "fail", "5 characters", variables(JWT_SECRET="short")),
        Case(
            "JWT_SECRET",
            "easily guessed",
            "fail",
            "only 1 different characters",
            variables(JWT_SECRET="a" * 40),
        ),
        Case(
            "ENVIRONMENT",
            "of another environment",
            "fail",
            "the file is for staging",
            variables(ENVIRONMENT="staging"),
        ),
        Case(
            "LOG_LEVEL",
            "optional, of another form",
            "warn",
            "not in the expected form",
            variables(LOG_LEVEL="loud"),
        ),
        Case(
            "Anthropic",
            "its variable is missing or invalid",
            "skip",
            "skipped: ANTHROPIC_API_KEY is missing or invalid",
            variables(ANTHROPIC_API_KEY=""),
        ),
        Case(
            "Slack",
            "its variable is empty, as it may be",
            "skip",
            "skipped: SLACK_WEBHOOK_URL is empty",
            variables(SLACK_WEBHOOK_URL=""),
        ),
    ]


# The wrangler configuration


def _in_staging(place: Place) -> None:
    place.project["worker"] = {"config": "worker/wrangler.jsonc", "environment": "staging"}


def _released_to_staging(place: Place) -> None:
    place.environment = "staging"


def _bound(place: Place, has: bool = True, **bindings: Any) -> None:
    """Bind the Worker to what only the real Cloudflare offers."""
    place.values["CLOUDFLARE_API_BASE_URL"] = "https://api.cloudflare.test/client/v4"
    place.parts["cloudflare"].has = lambda path: has
    place.configure(**bindings)


def _lacking(kind: str, one: dict[str, str], place: Place) -> None:
    """Bind the Worker to one of a kind, in an account that has none."""
    _bound(place, has=False, **{kind: [one]})


def _rooms(**more: str) -> dict[str, Any]:
    return {"bindings": [{"name": "ROOM", "class_name": "Room", **more}]}


def _deployed(**more: Any) -> Arrange:
    """Have every other Worker deployed, in a version that exports Prices."""
    return part(
        "cloudflare",
        worker_exists=lambda name: True,
        deployments=lambda name: [Deployment("d", "", {"v": 100.0})],
        version=lambda name, version: Version(version, exports=("Prices",)),
        **{"has_objects": lambda worker, name: False, **more},
    )


def _entered(entrypoint: str) -> list[dict[str, str]]:
    return [{"binding": "API", "service": "api", "entrypoint": entrypoint}]


def _flow(**more: str) -> list[dict[str, str]]:
    return [{"binding": "FLOW", "name": "orders", "class_name": "Orders", **more}]


def _runs(worker: str) -> Arrange:
    """Have a workflow that a Worker runs; of no Worker: have none."""
    found = {"script_name": worker} if worker else None
    return part("cloudflare", workflows=SimpleNamespace(find=lambda name: found))


def _stored() -> list[dict[str, str]]:
    return [{"binding": "KEY", "store_id": "abc", "secret_name": "key"}]


def _outbound() -> list[dict[str, Any]]:
    return [{"binding": "TO", "namespace": "customers", "outbound": {"service": "out"}}]


def _forbidden(path: str) -> NoReturn:
    raise Forbidden("Cloudflare", f"GET /accounts/a/{path}", status=403, codes=("10000",))


_MISSING: Final[tuple[tuple[str, str, dict[str, str], str], ...]] = (
    (
        "a Vectorize index",
        "vectorize",
        {"binding": "VECTORS", "index_name": "docs"},
        "VECTORS (vectorize docs)",
    ),
    (
        "an mTLS certificate",
        "mtls_certificates",
        {"binding": "CERT", "certificate_id": "1f2e"},
        "CERT (mtls_certificates 1f2e)",
    ),
    (
        "a stream of Pipelines",
        "pipelines",
        {"binding": "LOGS", "stream": "3d4c"},
        "LOGS (pipelines 3d4c)",
    ),
    (
        "an instance of AI Search",
        "ai_search",
        {"binding": "FIND", "instance_name": "docs"},
        "FIND (ai_search docs)",
    ),
    (
        "a VPC service",
        "vpc_services",
        {"binding": "OFFICE", "service_id": "5b6a"},
        "OFFICE (vpc_services 5b6a)",
    ),
)


def _bound_with_migrations(place: Place) -> None:
    """Bind the Worker to a database that is to be made and migrated before its code runs."""
    _d1(place, [])
    _bound(place, d1_databases=[{"binding": "DB"}])


def _d1(place: Place, pending: list[str]) -> None:
    """Bind the Worker to a database with a file of ``wrangler d1 migrations``."""
    file = place.root / "worker/migrations/0001_users.sql"
    file.parent.mkdir(parents=True)
    file.write_text("CREATE TABLE users (id TEXT);")
    place.configure(d1_databases=[{"binding": "DB", "database_id": "4567"}])
    place.patch.setattr(d1_pending, "pending", lambda *_: pending)


def _refused_bundling() -> Future[Bundle]:
    future: Future[Bundle] = Future()
    future.set_exception(
        Refused("wrangler refuses the Worker", 'The field "vars.D" should be a string', "fix it")
    )
    return future


def _coded(size: int) -> Arrange:
    """Let a Worker have so many MiB of code that no compression makes smaller."""

    def arrange(place: Place) -> None:
        bundle = place.site().bundling.result()
        blob = Module(
            "blob.bin", "application/octet-stream", random.Random(1).randbytes(size << 20)
        )
        place.parts["bundling"] = Future()
        made = replace(bundle.upload, modules=(*bundle.upload.modules, blob))
        place.parts["bundling"].set_result(replace(bundle, body=made.body()))

    return arrange


def _newer_wrangler(place: Place) -> None:
    """Install beside the Worker a wrangler that knows a key more, at the top and below another."""
    schema = json.loads(SCHEMA.read_text())
    known = schema["definitions"]["RawConfig"]["properties"]
    known["teleporters"] = {"type": "array", "items": {"type": "string"}}
    consumers = known["queues"]["properties"]["consumers"]["items"]
    consumers["properties"]["patience"] = {"type": "number"}
    place.write("node_modules/wrangler/config-schema.json", json.dumps(schema))
    consumed = {"consumers": [{"queue": "orders", "patience": 5}]}
    place.configure(teleporters=["home"], queues=consumed)


def _older_wrangler(place: Place) -> None:
    """Install beside the Worker a wrangler that knows a key which is gone."""
    schema = json.loads(SCHEMA.read_text())
    schema["definitions"]["RawConfig"]["properties"]["legacy_env"] = {"type": "boolean"}
    place.write("node_modules/wrangler/config-schema.json", json.dumps(schema))
    place.write("node_modules/wrangler/package.json", '{"version": "4.100.0"}')
    place.configure(legacy_env=True)


def _packages(place: Place, *installed: str) -> None:
    place.write("worker/package.json", '{"dependencies": {"hono": "^4"}}')
    for name in installed:
        place.write(f"worker/node_modules/{name}/package.json", "{}")


def _no_packages(place: Place) -> None:
    place.write("worker/package.json", '{"dependencies": ["hono"]}')


def _of_python(place: Place) -> None:
    place.configure(main="main.py")
    place.write("worker/main.py", "")
    (place.root / "worker/requirements.txt").unlink(missing_ok=True)
    listed = 'dependencies = ["FastAPI[standard]>=0.1", "xswarm-monitoring"]'
    place.write("worker/pyproject.toml", f"[project]\nname = 'x'\n{listed}\n")


def _published(place: Place, name: str, content: str) -> None:
    """Put a file into what the Worker publishes."""
    configured(assets={"directory": "public"})(place)
    place.write(f"worker/public/{name}", content)


def _functions(place: Place) -> None:
    """Make the site's code a part of it."""
    place.write("site/_worker.js", "export default {}")


def _configuration_cases() -> list[Case]:
    kv = [{"binding": "KV", "id": "0123"}]
    return [
        Case("wrangler configuration", "readable", "pass", "worker/wrangler.jsonc"),
        Case(
            "wrangler configuration",
            "not there",
            "fail",
            "no such file",
            lambda place: (place.root / "worker/wrangler.jsonc").unlink(),
        ),
        Case(
            "wrangler configuration",
            "broken",
            "fail",
            "line 1 column 10",
            lambda place: place.write("worker/wrangler.jsonc", '{"name": '),
        ),
        Case(
            "wrangler configuration",
            "without the named environment",
            "fail",
            "has no environment 'staging'",
            _in_staging,
        ),
        Case(
            "MAPS_KEY",
            "in the environment file, and named nowhere",
            "warn",
            "nothing reads it",
            lambda place: place.unread.append("MAPS_KEY"),
        ),
        Case("worker name", "invoke.yaml's", "pass", "boss-ai"),
        Case("worker name", "another", "warn", "'other' in the file", configured(name="other")),
        Case(
            "worker name",
            "longer than 63 letters",
            "fail",
            "is no name of a Worker",
            project(worker={"name": "x" * 64}),
        ),
        Case("worker account", "not in the file", "pass", "of the environment file"),
        Case(
            "worker account",
            "another",
            "fail",
            "account_id is not CLOUDFLARE_ACCOUNT_ID",
            both(
                variables(CLOUDFLARE_API_BASE_URL="https://api.cloudflare.test/client/v4"),
                configured(account_id="f" * 32),
            ),
        ),
        Case(
            "worker account",
            "production's, on the twin",
            "pass",
            "the twin's own",
            both(
                variables(CLOUDFLARE_API_BASE_URL="http://127.0.0.1:1/client/v4"),
                configured(account_id="f" * 32),
            ),
        ),
        Case("worker main", "there", "pass", "main.js"),
        Case("worker main", "not there", "fail", "no such file", configured(main="gone.js")),
        Case(
            "worker main", "not named", "fail", "there is nothing to deploy", configured(main=None)
        ),
        Case(
            "worker main",
            "not named, but static files are",
            "pass",
            "static assets only",
            configured(main=None, assets={"directory": "public"}),
        ),
        Case("compatibility date", "a day", "pass", "2026-01-01"),
        Case(
            "compatibility date",
            "missing",
            "fail",
            "missing: no date",
            configured(compatibility_date=None),
        ),
        Case(
            "compatibility date",
            "no day",
            "fail",
            "soon: no date",
            configured(compatibility_date="soon"),
        ),
        Case(
            "compatibility date",
            "in the future",
            "fail",
            "in the future",
            configured(compatibility_date="2999-01-01"),
        ),
        Case("plain variables", "none a secret's", "pass", "1 in vars"),
        Case(
            "plain variables",
            "one has a secret's name",
            "fail",
            "vars names what is a secret: JWT_SECRET",
            configured(vars={"JWT_SECRET": "x"}),
        ),
        Case(
            "plain variables",
            "one has the name of a secret that the Worker does not get",
            "warn",
            "in plain text what is a secret elsewhere: STRIPE_SECRET_KEY",
            both(configured(vars={"STRIPE_SECRET_KEY": "x"}), project(uses="")),
        ),
        Case("code size", "within the limits", "pass", "KiB"),
        Case("code size", "over the free plan's", "warn", "the free plan takes 3", _coded(4)),
        Case("code size", "over any plan's", "fail", "Cloudflare takes 10", _coded(11)),
        Case(
            "code size",
            "wrangler accepts none",
            "skip",
            "see wrangler's verdict",
            lambda place: place.parts.update(bundling=_refused_bundling()),
        ),
        Case("limits", "within them", "pass", "variables and secrets, of 128"),
        Case(
            "limits",
            "more variables than the free plan takes",
            "warn",
            "the free plan takes 64",
            configured(vars={f"V{number}": "x" for number in range(60)}),
        ),
        Case(
            "limits",
            "more variables than any plan takes",
            "fail",
            "Cloudflare takes 128",
            configured(vars={f"V{number}": "x" for number in range(128)}),
        ),
        Case(
            "limits",
            "a variable above 5 KB",
            "fail",
            "larger than 5 KB: BIG (5,121 bytes)",
            configured(vars={"BIG": "ä" * 2560 + "x", "FULL": "x" * 5120}),
        ),
        Case(
            "limits",
            "a secret above 5 KB",
            "fail",
            "larger than 5 KB: ANTHROPIC_API_KEY",
            variables(ANTHROPIC_API_KEY="sk-ant-" + "0123456789abcdef" * 400),
        ),
        Case(
            "plain variables",
            "one the release sends, too",
            "fail",
            "vars names what the release sends: LOG_LEVEL",
            configured(vars={"LOG_LEVEL": "debug"}),
        ),
        Case("what the Worker gets", "what it asks for", "pass", "TURSO_AUTH_TOKEN"),
        Case(
            "what the Worker gets",
            "less than it requires",
            "fail",
            "no release sends: MAPS_KEY",
            configured(secrets={"required": ["MAPS_KEY", "JWT_SECRET"]}),
        ),
        Case("static files", "none", "pass", "none"),
        Case(
            "static files",
            "not built",
            "fail",
            "no such folder",
            configured(assets={"directory": "dist"}),
        ),
        Case("published files", "none private", "pass", "none private"),
        Case(
            "published files",
            "the environment file",
            "fail",
            "hold credentials",
            lambda place: _published(place, "production.env", "A=1"),
        ),
        Case(
            "published files",
            "a secret's value",
            "fail",
            "it holds the value of JWT_SECRET",
            lambda place: _published(place, "app.js", LOCAL_VALUES["JWT_SECRET"]),
        ),
        Case(
            "Pages Functions",
            "that wrangler does not bundle",
            "fail",
            "wrangler does not accept the Pages Functions",
            both(project(pages={"directory": "site"}), _functions),
        ),
        Case("packages", "none named", "pass", "none named"),
        Case(
            "packages", "installed", "pass", "1 installed", lambda place: _packages(place, "hono")
        ),
        Case("packages", "not installed", "fail", "not installed: hono", _packages),
        Case(
            "packages", "that cannot be read", "fail", "package.json cannot be read", _no_packages
        ),
        Case("packages", "of Python, not installed", "fail", "not installed: fastapi", _of_python),
        Case("environments", "none in the file", "pass", "deployment/config holds them"),
        Case(
            "environments",
            "in the file, none named",
            "warn",
            "env (staging) is not used",
            both(_released_to_staging, configured(env={"staging": {}})),
        ),
        Case(
            "environments",
            "in the file, on the twin",
            "pass",
            "the top level, as wrangler dev takes it",
            configured(env={"staging": {}}),
        ),
        Case(
            "environments",
            "in the file, and named",
            "pass",
            "staging of staging",
            both(_in_staging, configured(env={"staging": {}})),
        ),
        Case("configuration keys", "all deployed", "pass", "uploaded with the version"),
        Case(
            "configuration keys",
            "one that a release cannot deploy",
            "fail",
            "a release does not deploy containers",
            configured(containers=[{"class_name": "C", "image": "./Dockerfile"}]),
        ),
        Case(
            "configuration keys",
            "one that wrangler does not know",
            "warn",
            "observabilty (did you mean observability?)",
            configured(observabilty={"enabled": True}),
        ),
        Case(
            "configuration keys",
            "ones that only a newer wrangler knows",
            "warn",
            "your wrangler knows queues.consumers.patience, teleporters, and this tool does not",
            _newer_wrangler,
        ),
        Case(
            "configuration keys",
            "one that only an older wrangler knows",
            "warn",
            "your wrangler knows legacy_env, and newer ones do not any more",
            _older_wrangler,
        ),
        Case("wrangler's verdict", "accepted", "pass", "accepted: 1 module(s)"),
        Case(
            "wrangler's verdict",
            "refused",
            "fail",
            'The field "vars.D" should be',
            lambda place: place.parts.update(bundling=_refused_bundling()),
        ),
        Case(
            "wrangler's verdict",
            "not asked of a file with keys that a release refuses",
            "skip",
            "skipped: see configuration keys",
            configured(site={"bucket": "public"}),
        ),
        Case("settings and addresses", "as written", "pass", "as the file says"),
        Case(
            "settings and addresses",
            "others",
            "pass",
            "to be set: logs and tags of boss-ai",
            configured(logpush=True),
        ),
        Case(
            "settings and addresses",
            "the token may not read them",
            "fail",
            "Provider accepts",
            failing("cloudflare", Forbidden, 403),
        ),
        Case("workers.dev", "registered", "pass", "sandbox.workers.dev"),
        Case(
            "workers.dev",
            "never registered",
            "fail",
            "no name under workers.dev",
            part("cloudflare", subdomain=""),
        ),
        Case(
            "workers.dev",
            "switched off, and nothing to verify there",
            "pass",
            "not used",
            both(
                configured(workers_dev=False, preview_urls=False),
                part("cloudflare", splits=[{"old": 100.0}], made=["old"]),
            ),
        ),
        Case("version override", "by the Worker's name", "pass", "a valid key"),
        Case(
            "version override",
            "by no name that begins with a digit",
            "pass",
            "verified at their preview URLs",
            project(worker={"name": "3d-viewer", "config": "worker/wrangler.jsonc"}),
        ),
        Case(
            "version override",
            "by no such name, and no preview URLs",
            "fail",
            "it has no preview URLs",
            both(
                project(worker={"name": "3d-viewer", "config": "worker/wrangler.jsonc"}),
                configured(preview_urls=False),
            ),
        ),
        Case("required secrets", "none", "pass", "none"),
        Case(
            "required secrets",
            "all have a value",
            "pass",
            "1 required, all there",
            configured(secrets={"required": ["JWT_SECRET"]}),
        ),
        Case(
            "required secrets",
            "one has none",
            "fail",
            "required, without a value: MAPS_KEY",
            configured(secrets={"required": ["MAPS_KEY"]}),
        ),
        Case(
            "required secrets",
            "one is empty in .dev.vars, on the twin",
            "warn",
            "without a value here: MAPS_KEY",
            both(
                configured(secrets={"required": ["MAPS_KEY"]}),
                lambda place: place.write("worker/.dev.vars", "MAPS_KEY=\n"),
            ),
        ),
        Case(
            "required secrets",
            "one of invoke.yaml has none, on the twin",
            "warn",
            "without a value here: MAPS_KEY",
            project(worker={"config": "worker/wrangler.jsonc", "secrets": ["MAPS_KEY"]}),
        ),
        Case("D1 migrations", "none", "pass", "none of wrangler's"),
        Case("D1 migrations", "all applied", "pass", "applied: DB", lambda place: _d1(place, [])),
        Case(
            "D1 migrations",
            "a file that wrangler has not applied",
            "warn",
            "DB has not had 0001_users.sql",
            lambda place: _d1(place, ["0001_users.sql"]),
        ),
        Case("durable objects", "none", "pass", "no lifecycle"),
        Case(
            "durable objects",
            "a new migration",
            "warn",
            "takes all traffic at once, and cannot be taken back",
            both(
                configured(migrations=[{"tag": "v1", "new_sqlite_classes": ["Room"]}]),
                part("cloudflare", splits=[{"old": 100.0}], made=["old"]),
            ),
        ),
        Case(
            "durable objects",
            "nothing new",
            "pass",
            "verified at 0 % first",
            both(
                configured(migrations=[{"tag": "v1", "new_sqlite_classes": ["Room"]}]),
                part("cloudflare", tag="v1"),
            ),
        ),
        Case("triggers", "none", "pass", "at its own address"),
        Case(
            "triggers",
            "a cron",
            "pass",
            "1 cron(s)",
            configured(triggers={"crons": ["0 * * * *"]}),
        ),
        Case(
            "triggers",
            "crons that are no texts",
            "fail",
            "triggers.crons is no list of cron expressions",
            configured(triggers={"crons": [5]}),
        ),
        Case(
            "triggers",
            "more crons than the free plan takes",
            "warn",
            "6 crons; the free plan takes 5",
            configured(triggers={"crons": [f"{minute} * * * *" for minute in range(6)]}),
        ),
        Case(
            "triggers",
            "a route",
            "pass",
            "1 route(s), 0 custom domain(s)",
            configured(route="xswarm.test/*"),
        ),
        Case("bindings", "all there", "pass", "R2_BUCKET (r2_buckets xswarm-boss)"),
        Case(
            "bindings",
            "a bucket that is missing",
            "pass",
            "is made by the release",
            part("cloudflare", bucket_names=[]),
        ),
        Case(
            "bindings",
            "what the twin has not",
            "fail",
            "the local twin does not support CLIPS (media)",
            both(
                configured(media={"binding": "CLIPS"}),
                variables(CLOUDFLARE_API_BASE_URL="http://127.0.0.1:1/client/v4"),
            ),
        ),
        Case(
            "bindings",
            "what the twin takes, and has not",
            "warn",
            "only answer that they are not there: AI (ai)",
            both(
                configured(ai={"binding": "AI"}),
                variables(CLOUDFLARE_API_BASE_URL="http://127.0.0.1:1/client/v4"),
            ),
        ),
        Case(
            "bindings",
            "a KV namespace that is there",
            "pass",
            "KV (kv_namespaces 0123)",
            lambda place: _bound(place, kv_namespaces=kv),
        ),
        Case(
            "bindings",
            "a KV namespace that is missing",
            "fail",
            "the account has no KV (kv_namespaces 0123)",
            lambda place: _bound(place, has=False, kv_namespaces=kv),
        ),
        Case(
            "bindings",
            "a D1 database that is missing",
            "fail",
            "the account has no DB (d1_databases 4567)",
            lambda place: _bound(
                place, has=False, d1_databases=[{"binding": "DB", "database_id": "4567"}]
            ),
        ),
        Case(
            "bindings",
            "a class of Durable Objects of its own",
            "pass",
            "ROOM (durable_objects Room)",
            lambda place: _bound(place, durable_objects=_rooms()),
        ),
        Case(
            "bindings",
            "one of a Worker that is not there",
            "fail",
            "the account has no ROOM (durable_objects Room of rooms)",
            lambda place: _bound(place, durable_objects=_rooms(script_name="rooms")),
        ),
        Case(
            "bindings",
            "a class that the other Worker has not",
            "fail",
            "the account has no ROOM (durable_objects Room of rooms)",
            both(
                lambda place: _bound(place, durable_objects=_rooms(script_name="rooms")),
                _deployed(),
            ),
        ),
        Case(
            "bindings",
            "a class that the other Worker has",
            "pass",
            "ROOM (durable_objects Room of rooms)",
            both(
                lambda place: _bound(place, durable_objects=_rooms(script_name="rooms")),
                _deployed(has_objects=lambda worker, name: (worker, name) == ("rooms", "Room")),
            ),
        ),
        Case(
            "bindings",
            "an entrypoint that the other Worker exports",
            "pass",
            "API (services api)",
            both(lambda place: _bound(place, services=_entered("Prices")), _deployed()),
        ),
        Case(
            "bindings",
            "an entrypoint that the other Worker does not export",
            "warn",
            "API: api exports no Price, so that calls fail",
            both(lambda place: _bound(place, services=_entered("Price")), _deployed()),
        ),
        Case(
            "bindings",
            "another Worker's workflow that is there",
            "pass",
            "FLOW (workflows orders of api)",
            both(lambda place: _bound(place, workflows=_flow(script_name="api")), _runs("api")),
        ),
        Case(
            "bindings",
            "another Worker's workflow that is not there",
            "fail",
            "the account has no FLOW (workflows orders of api)",
            both(lambda place: _bound(place, workflows=_flow(script_name="api")), _runs("")),
        ),
        Case(
            "bindings",
            "a workflow of its own",
            "pass",
            "FLOW (workflows orders): the Worker's own",
            lambda place: _bound(place, workflows=_flow()),
        ),
        Case(
            "bindings",
            "a VPC network by its own id",
            "pass",
            "MESH (vpc_networks): a network without a tunnel of its own",
            lambda place: _bound(
                place, has=False, vpc_networks=[{"binding": "MESH", "network_id": "cf1:network"}]
            ),
        ),
        *(
            Case(
                "bindings",
                f"{what} that is missing",
                "fail",
                f"the account has no {told}",
                partial(_lacking, kind, one),
            )
            for what, kind, one, told in _MISSING
        ),
        Case(
            "bindings",
            "a secret of the Secrets Store that is missing",
            "fail",
            "the account has no KEY (secrets_store_secrets key)",
            both(
                lambda place: _bound(place, secrets_store_secrets=_stored()),
                part("cloudflare", has_secret=lambda store, name: False),
            ),
        ),
        Case(
            "bindings",
            "what the token may not look at",
            "warn",
            "VECTORS (vectorize docs) was not checked",
            both(
                lambda place: _bound(
                    place, vectorize=[{"binding": "VECTORS", "index_name": "docs"}]
                ),
                part("cloudflare", has=_forbidden),
            ),
        ),
        Case(
            "bindings",
            "a Worker that answers what leaves a dispatch namespace, and is not there",
            "fail",
            "the account has no TO (outbound out)",
            both(
                lambda place: _bound(place, dispatch_namespaces=_outbound()),
                part("cloudflare", dispatch_namespace=lambda name: name),
            ),
        ),
        Case(
            "bindings",
            "a place for logs that is not there",
            "warn",
            "observability.logs goes to loki, which the account has not",
            both(
                lambda place: _bound(
                    place, observability={"logs": {"enabled": True, "destinations": ["loki"]}}
                ),
                part("cloudflare", destinations=lambda: {"honeycomb"}),
            ),
        ),
        Case(
            "bindings",
            "a Worker that is to get the tail, and is not there",
            "fail",
            "the account has no tail (tail_consumers logs)",
            lambda place: _bound(place, tail_consumers=[{"service": "logs"}]),
        ),
        Case(
            "bindings",
            "the same on the twin",
            "fail",
            "the account has no tail (tail_consumers logs)",
            both(
                lambda place: _bound(place, tail_consumers=[{"service": "logs"}]),
                variables(CLOUDFLARE_API_BASE_URL="http://127.0.0.1:1/client/v4"),
            ),
        ),
        Case(
            "bindings",
            "a dispatch namespace that is missing",
            "pass",
            "dispatch namespace customers is made by the release",
            both(
                lambda place: _bound(
                    place, dispatch_namespaces=[{"binding": "TO", "namespace": "customers"}]
                ),
                part("cloudflare", dispatch_namespace=lambda name: None),
            ),
        ),
        Case(
            "bindings",
            "a KV namespace without an id, and no live version to take it from",
            "pass",
            "KV namespace boss-ai-kv is made by the release",
            both(
                lambda place: _bound(place, kv_namespaces=[{"binding": "KV"}]),
                part("cloudflare", kv_namespace=lambda title: None),
            ),
        ),
        Case(
            "bindings",
            "a D1 database without an id, made by an earlier release",
            "pass",
            "DB (D1 database shop)",
            both(
                lambda place: _bound(
                    place, d1_databases=[{"binding": "DB", "database_name": "shop"}]
                ),
                part("cloudflare", d1_database=lambda name: "4567"),
            ),
        ),
        Case(
            "bindings",
            "a D1 database without an id, with migrations of its own",
            "fail",
            "the account has no DB (d1_databases without an id or name)",
            lambda place: _bound_with_migrations(place),
        ),
        Case(
            "bindings",
            "a queue that is missing",
            "pass",
            "queue orders is made by the release",
            both(
                lambda place: _bound(
                    place, queues={"producers": [{"binding": "ORDERS", "queue": "orders"}]}
                ),
                part("cloudflare", queues=SimpleNamespace(find=lambda name: None)),
            ),
        ),
        Case(
            "bindings",
            "a Worker that was never deployed",
            "fail",
            "the account has no API (services api)",
            lambda place: _bound(place, services=[{"binding": "API", "service": "api"}]),
        ),
        Case(
            "bindings",
            "of a kind that has no name",
            "pass",
            "AI (ai): a product of the account, without a name to look for",
            lambda place: _bound(place, ai={"binding": "AI"}),
        ),
    ]


# Cloudflare


def _token(**more: Any) -> Arrange:
    return part("cloudflare", token=Token("t", **more))


def _live(**more: Any) -> Arrange:
    """Make a version live that no route of the project tells."""
    silent = project(verify={"version_path": ""})
    return both(silent, part("cloudflare", splits=[{"v1": 100.0}], made=["v1"], **more))


def _cloudflare_cases() -> list[Case]:
    soon = (datetime.now(UTC) + timedelta(days=3, hours=1)).isoformat()
    cases = [
        Case("API token", "active", "pass", "active, without an end"),
        Case("API token", "switched off", "fail", "disabled", _token(status="disabled")),
        Case(
            "API token",
            "about to end",
            "warn",
            "ends in 3 days",
            _token(status="active", expires_on=soon),
        ),
        Case(
            "Workers permission",
            "in another account than CLOUDFLARE_ACCOUNT_ID",
            "fail",
            "the token reaches Acme (0123)",
            part("cloudflare", reached=["0123"]),
        ),
        Case("live version", "none", "pass", "none yet", part("cloudflare", splits=[])),
        Case(
            "live version",
            "none, and releases were of another name",
            "warn",
            "the releases of this database are of shop, which stays live",
            both(
                part("cloudflare", splits=[], worker_exists=lambda name: name == "shop"),
                _noted(1, "shop"),
            ),
        ),
        Case("live version", "by wrangler, as the file says", "pass", "bindings stay", _live()),
        Case(
            "live version",
            "with a variable of the dashboard's",
            "warn",
            "of its bindings GREETING goes",
            _live(bound=[{"name": "GREETING", "type": "plain_text", "text": "hello"}]),
        ),
        Case(
            "live version",
            "two share the traffic",
            "fail",
            "a gradual deployment of boss-ai is under way",
            part("cloudflare", splits=[{"v1": 90.0, "v2": 10.0}], made=["v1", "v2"]),
        ),
        Case("Workers permission", "given", "pass", "boss-ai"),
        Case(
            "Workers permission",
            "to read alone",
            "fail",
            "403",
            part("cloudflare", readable_alone=True),
        ),
        Case(
            "Workers permission",
            "given; the live version is not of the newest 100",
            "warn",
            "a release cannot go back to it",
            part(
                "cloudflare",
                splits=[{"old": 100.0}],
                made=["old", *(f"preview-{number}" for number in range(100))],
            ),
        ),
        Case(
            "proof of the version",
            "a first one",
            "pass",
            "preview host",
            part("cloudflare", splits=[]),
        ),
        Case(
            "proof of the version",
            "a first one, of a Worker without an address or preview URLs",
            "warn",
            "from the next release on nothing proves it",
            both(part("cloudflare", splits=[]), configured(workers_dev=False)),
        ),
        Case(
            "proof of the version",
            "the Worker tells it",
            "pass",
            "verify.version_path",
            both(_live(), project(verify={"version_path": "/health"})),
        ),
        Case("proof of the version", "the token may tail", "pass", "by a tail", _live()),
        Case(
            "proof of the version",
            "the token may not tail",
            "pass",
            "preview host",
            _live(tailed=None),
        ),
        Case(
            "proof of the version",
            "nor are there preview hosts",
            "fail",
            "unproven: no version_path, and the token may not tail",
            _live(tailed=None, previews=False),
        ),
        Case(
            "proof of the version",
            "so, and `unproven: allow`",
            "warn",
            "unproven",
            both(
                _live(tailed=None, previews=False),
                project(verify={"version_path": "", "unproven": "allow"}),
            ),
        ),
        Case(
            "proof of the version",
            "the override header cannot name the Worker",
            "fail",
            "cannot name '3d-viewer'",
            both(_live(previews=False), project(worker={"name": "3d-viewer"})),
        ),
        Case(
            "Pages permission",
            "given, no project yet",
            "pass",
            "project xswarm-boss is made by the release",
        ),
        Case("R2 permission", "given", "pass", "bucket xswarm-boss"),
        Case(
            "R2 permission",
            "given, no bucket yet",
            "pass",
            "is made by the release",
            part("cloudflare", bucket_names=[]),
        ),
        Case("R2 objects", "written, read, deleted", "pass", "written, read back, deleted"),
        Case(
            "R2 objects",
            "there is no bucket yet",
            "skip",
            "is made by the release",
            part("cloudflare", bucket_names=[]),
        ),
        Case(
            "R2 objects",
            "keys that may not write",
            "fail",
            "403",
            failing("objects", Forbidden, 403),
        ),
    ]
    for name in (
        "API token",
        "Workers permission",
        "proof of the version",
        "Pages permission",
        "R2 permission",
        "bindings",
    ):
        refused = failing("cloudflare", Forbidden, 403, codes=("10000",))
        cases.append(Case(name, "refused (10000)", "fail", "403", refused))
        silent = failing("cloudflare", ServiceUnavailable)
        cases.append(Case(name, "silent", "fail", "GET /x", silent))
    return cases


# The database


def _edited(place: Place) -> None:
    place.migrate()
    place.write("migrations/schema.sql", TABLE.replace("id TEXT", "id TEXT NOT NULL"))


def _database_cases() -> list[Case]:
    teams = {"required_tables": ["users", "teams"]}
    unreachable = variables(TURSO_DATABASE_URL="http://127.0.0.1:1")
    return [
        Case("database", "reachable", "pass", "answers (SQLite"),
        Case("database", "has Turso's new engine", "fail", "it has no pragma_", _new_engine),
        Case("database", "unreachable", "fail", "The database refused", unreachable),
        Case("migrations", "to be applied", "pass", "1 to apply"),
        Case("migrations", "all applied", "pass", "all applied", lambda place: place.migrate()),
        Case(
            "migrations",
            "no folder named for them",
            "pass",
            "no folder is named (deploy.migrations.directory",
            project(migrations={"directory": ""}),
        ),
        Case("migrations", "one edited after it ran", "fail", "schema.sql", _edited),
        Case("tables", "made by pending migrations", "pass", "made by the pending migrations"),
        Case("tables", "there", "pass", "1 required tables", lambda place: place.migrate()),
        Case(
            "tables",
            "missing",
            "fail",
            "missing: teams",
            both(lambda place: place.migrate(), project(check=teams)),
        ),
        Case("size", "known", "pass", "MB"),
    ]


# Providers


LOOKS: Final = {
    "anthropic": ["Anthropic"],
    "openai": ["OpenAI"],
    "stripe": ["Stripe mode", "Stripe account", "Stripe webhooks", "Stripe endpoint"],
    "sendgrid": [
        "SendGrid scopes",
        "SendGrid sender",
        "SendGrid webhooks allowed",
        "SendGrid webhooks",
    ],
    "twilio": ["Twilio account", "Twilio number", "Twilio URLs"],
    "slack": ["Slack"],
}
WORSE: Final = {"Stripe account", "SendGrid sender", "Slack"}
"""A release can do without them: a refusal is told, and blocks nothing."""
ANSWERS: Final[list[tuple[str, type[ServiceError], int, str]]] = [
    ("refused: a bad key", Unauthorised, 401, "fail"),
    ("refused: not permitted", Forbidden, 403, "fail"),
    ("not there", NotFound, 404, "fail"),
    ("limited: too many requests", RateLimited, 429, "unknown"),
    ("failing", ServiceUnavailable, 500, "unknown"),
    ("silent", ServiceUnavailable, 0, "unknown"),
]
SLACK: Final = variables(SLACK_WEBHOOK_URL="https://hooks.slack.test/services/T0/B0/abcdef")


def _refusals() -> list[Case]:
    return [
        Case(name, way, status, "GET /x", both(SLACK, failing(named, kind, code)))
        for named, names in LOOKS.items()
        for name in names
        if name not in WORSE
        for way, kind, code, status in ANSWERS
    ]


def _provider_cases() -> list[Case]:
    without = SoundSendGrid.granted - {"mail.send"}
    deaf = {"sms": True, "voice": False}
    return [
        Case("Anthropic", "accepted", "pass", "the key is accepted"),
        Case("OpenAI", "accepted", "pass", "the key is accepted"),
        Case("Stripe mode", "a test key", "pass", "a test key"),
        Case("Stripe mode", "live by its word", "fail", "a live key", part("stripe", live=True)),
        Case("Stripe account", "open", "pass", "account acct_1"),
        Case(
            "Stripe account",
            "takes no payments",
            "warn",
            "may not take payments",
            part("stripe", charges=False),
        ),
        Case("Stripe webhooks", "can be read", "pass", "0 webhook endpoint(s)"),
        Case(
            "Stripe webhooks",
            "of another API version",
            "warn",
            "the form of 2024-06-20, not of 2026-10-28.endive",
            both(_pinned, _stripe(version="2024-06-20")),
        ),
        Case(
            "Stripe webhooks",
            "of the wanted API version",
            "pass",
            "1 webhook endpoint(s)",
            both(_pinned, _stripe(version="2026-10-28.endive")),
        ),
        Case("SendGrid scopes", "enough", "pass", "scopes"),
        Case("SendGrid inbound host", "none", "skip", "no mail goes to the Worker"),
        Case("SendGrid inbound host", "authenticated", "pass", "an authenticated domain", _parsed),
        Case(
            "SendGrid inbound host",
            "not authenticated",
            "fail",
            "belongs to no authenticated domain",
            both(_parsed, part("sendgrid", authenticated=False)),
        ),
        Case("SendGrid webhooks allowed", "one more", "pass", "0 of 5 event webhooks"),
        Case(
            "SendGrid webhooks allowed",
            "no other one",
            "fail",
            "1 of 1 event webhooks: the plan allows no other",
            both(_sendgrid(url="https://a.example/"), part("sendgrid", allowed=1)),
        ),
        Case(
            "SendGrid webhooks allowed",
            "ours is there",
            "pass",
            "1 of 1 event webhooks",
            both(_sendgrid(), part("sendgrid", allowed=1)),
        ),
        Case(
            "SendGrid scopes",
            "one lacking",
            "fail",
            "the key lacks mail.send",
            part("sendgrid", granted=without),
        ),
        Case("SendGrid sender", "verified", "pass", "is verified"),
        Case(
            "SendGrid sender",
            "not verified",
            "warn",
            "mail from it is refused",
            part("sendgrid", verified=False),
        ),
        Case("Twilio account", "active", "pass", "active"),
        Case(
            "Twilio account",
            "suspended",
            "fail",
            "the account is suspended",
            part("twilio", status="suspended"),
        ),
        Case("Twilio number", "owned", "pass", "is owned"),
        Case("Twilio number", "not owned", "fail", "does not own", part("twilio", owned=None)),
        Case(
            "Twilio number",
            "cannot do what is switched on",
            "fail",
            "cannot do voice",
            number(capabilities=deaf),
        ),
        Case(
            "Twilio number",
            "cannot do what is switched off",
            "pass",
            "is owned",
            both(number(capabilities=deaf), variables(VOICE_ENABLED="false")),
        ),
        Case("Slack", "there", "pass", "nothing was posted", SLACK),
        Case("Slack", "not set", "skip", "SLACK_WEBHOOK_URL"),
    ]


# Webhooks


def _stripe(**more: Any) -> Arrange:
    def arrange(place: Place) -> None:
        kept = {"url": "http://127.0.0.1:1/stripe/webhook", "events": ["charge.refunded"]}
        version = str(more.pop("version", ""))
        made = place.parts["stripe"].add(**{**kept, **more})
        place.parts["stripe"].kept[made.id] = made._replace(api_version=version)
        place.parts["cloudflare"].names = ["STRIPE_WEBHOOK_SECRET"]

    return arrange


def _pinned(place: Place) -> None:
    webhooks = {**PROJECT["webhooks"], "stripe_api_version": "2026-10-28.endive"}
    place.project["webhooks"] = webhooks


def _parsed(place: Place) -> None:
    place.project["webhooks"] = {**PROJECT["webhooks"], "email_hostname": "mail.example.com"}


def _sendgrid(**more: Any) -> Arrange:
    def arrange(place: Place) -> None:
        sendgrid, cloudflare = place.parts["sendgrid"], place.parts["cloudflare"]
        events = ("bounce", "delivered", "dropped", "spam_report")
        hook = EventWebhook("h1", "http://127.0.0.1:1/email/inbound", True, events, "boss")
        sendgrid.hooks["h1"] = hook._replace(**more)
        sendgrid.sign_event_webhook("h1")
        cloudflare.names = ["SENDGRID_WEBHOOK_PUBLIC_KEY"]

    return arrange


def _twilio_set(place: Place) -> None:
    from xswarm_deploy.webhooks import twilio

    site = place.site()
    for change in twilio.plan(site):
        twilio.apply(site, change)


def _webhook_cases() -> list[Case]:
    named = variables(STRIPE_WEBHOOK_SECRET_TEST="whsec_canary12345678")
    return [
        Case("Stripe endpoint", "as wanted", "pass", "as wanted", _stripe()),
        Case("Stripe endpoint", "missing", "pass", "endpoint is made by the release"),
        Case(
            "Stripe endpoint",
            "of other events",
            "pass",
            "endpoint is set by the release",
            _stripe(events=["invoice.paid"]),
        ),
        Case(
            "Stripe endpoint",
            "missing, though its secret is named",
            "fail",
            "Stripe has no webhook endpoint",
            named,
        ),
        Case("Twilio URLs", "as wanted", "pass", "as wanted", _twilio_set),
        Case("Twilio URLs", "others", "pass", "sms is set by the release"),
        Case(
            "Twilio URLs",
            "overridden by an application",
            "warn",
            "Twilio obeys AP1",
            number(overridden_by={"sms": "AP1"}),
        ),
        Case(
            "Twilio URLs",
            "overridden by a trunk",
            "warn",
            "Twilio obeys TK1",
            number(overridden_by={"voice": "TK1"}),
        ),
        Case("SendGrid webhooks", "as wanted", "pass", "as wanted", _sendgrid()),
        Case("SendGrid webhooks", "missing", "pass", "events is made by the release"),
        Case(
            "SendGrid webhooks",
            "switched off",
            "pass",
            "events is set by the release",
            _sendgrid(enabled=False),
        ),
        Case(
            "SendGrid webhooks",
            "of another key than is named",
            "fail",
            "is not the key of SendGrid's webhook",
            both(_sendgrid(), variables(SENDGRID_WEBHOOK_PUBLIC_KEY="another-key")),
        ),
    ]


# Domains


def hosted(place: Place) -> None:
    """Let the Worker be at a host of its own, which is in good order."""
    place.values["WORKER_URL"] = f"https://{HOST}"
    place.parts["cloudflare"] = Zones(splits=[{"v": 100.0}])
    known = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]
    place.patch.setattr(socket, "getaddrinfo", lambda *a, **k: known)
    certified(place, 90)
    answering(place, {"Strict-Transport-Security": "max-age=31536000"})
    plainly(place, 301, f"https://{HOST}/")


def certified(place: Place, days: int) -> None:
    ends = datetime.now(UTC) + timedelta(days=days, hours=1)
    place.patch.setattr(domains, "certificate", lambda *a: (ends, "TLSv1.3"))


def answering(place: Place, headers: dict[str, str]) -> None:
    reply = SimpleNamespace(headers=headers)
    http = SimpleNamespace(get=lambda *a, **k: reply)
    place.patch.setattr(domains, "Http", lambda *a, **k: http)


def plainly(place: Place, status: int, location: str = "") -> None:
    place.patch.setattr(domains, "plain_answer", lambda *a: (status, location))


def _raising(place: Place, name: str, error: Exception) -> None:
    def raised(*arguments: Any, **options: Any) -> Any:
        raise error

    place.patch.setattr(name, raised)


def _unknown_host(place: Place) -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    _raising(place, "socket.getaddrinfo", error)


def _behind_a_proxy(place: Place) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        place.patch.setenv(name, "http://proxy.test:3128")


def _untrusted(why: str) -> Arrange:
    error = ssl.SSLCertVerificationError()
    error.verify_message = why
    return lambda place: _raising(place, "xswarm_deploy.preflight.domains.certificate", error)


def _zone(**changed: Any) -> Arrange:
    return both(hosted, part("cloudflare", **changed))


def _listed(*paths: str, status: int = 200) -> Arrange:
    """Let the live Worker have a router that tells these paths."""
    body = json.dumps({"monitor": [], "routes": [{"method": "GET", "path": p} for p in paths]})

    def arrange(place: Place) -> None:
        reply = SimpleNamespace(body=body.encode() if status == 200 else b"no")
        place.patch.setattr(Http, "get", lambda *a, **k: reply)

    return arrange


def _silent(place: Place) -> None:
    def get(*_arguments: Any, **_options: Any) -> Any:
        raise ServiceUnavailable("The Worker", "GET /api/metrics/routes")

    place.patch.setattr(Http, "get", get)


def _unasked(place: Place) -> None:
    """Ask nothing but the root, as a project whose invoke.yaml names no route."""
    paths = ("stripe_path", "voice_path", "sms_path", "status_path", "email_path")
    accounts = dict.fromkeys(("signup_path", "login_path", "account_path"), "")
    place.project["webhooks"] = dict.fromkeys(paths, "")
    asked = ("version_path", "cors_path", "limit_path", "performance_path")
    place.project["verify"] = {**dict.fromkeys(asked, ""), "routes": [], "authentication": accounts}


def _routed(place: Place) -> None:
    """Write a route into the code."""
    place.write("worker/routes.js", 'app.get("/api/orders", list)\n')


def _routed_above(place: Place) -> None:
    """Write a route into the code of the package, in a folder of which the configuration is."""
    place.write("package.json", "{}")
    place.write("src/routes.js", 'app.get("/api/orders", list)\n')


def _route_cases() -> list[Case]:
    name, asked = "all routes", {"verify": {"routes": [{"path": "/a"}]}}
    return [
        Case(name, "all are asked", "pass", "all 1", both(project(**asked), _listed("/a"))),
        Case(
            name,
            "one is asked by nobody",
            "warn",
            "1 of 2 are asked by nobody: GET /b",
            both(project(**asked), _listed("/a", "/b")),
        ),
        Case(
            name,
            "the Worker tells none",
            "skip",
            "no list",
            both(project(**asked), _listed(status=404)),
        ),
        Case(
            name,
            "the Worker tells none, its code has some, and none is asked",
            "warn",
            "the root alone is asked; the code has GET /api/orders",
            both(_unasked, _listed(status=404), _routed),
        ),
        Case(
            name,
            "the same, and its configuration is in a folder of its package",
            "warn",
            "the root alone is asked; the code has GET /api/orders",
            both(_unasked, _listed(status=404), _routed_above),
        ),
        Case(
            name,
            "the Worker tells none, and its code has the root alone",
            "skip",
            "shows none but the root",
            both(_unasked, _listed(status=404)),
        ),
        Case(name, "the Worker does not answer", "skip", "does not tell", _silent),
    ]


def _new_engine(place: Place) -> None:
    found = Engine("3.50.4", turso=True)
    place.patch.setattr("xswarm_deploy.database.engine.of", lambda _database: found)


def _as_custom_domain(place: Place) -> None:
    def find(_host: str) -> None:
        raise ServiceUnavailable("Cloudflare", "GET /workers/domains")

    _written(place, find)


def _attached_by_the_release(place: Place) -> None:
    _written(place, lambda _host: None)


def _written(place: Place, find: Callable[[str], None]) -> None:
    """Let wrangler's file name the host as a custom domain."""
    listed = "xswarm_deploy.preflight.domains.zones.listed"
    place.patch.setattr(listed, lambda _content, **_: [HOST])
    place.parts["cloudflare"].domains = SimpleNamespace(find=find)


def _staged(url: str, **more: Any) -> Arrange:
    """Let staging be released, beside a top level and a production with addresses of their own."""
    mine = {"name": "boss-ai", "routes": [{"pattern": "staging.test", "custom_domain": True}]}
    mine |= more
    live = {"routes": ["*live.test/*"]}
    return both(
        hosted,
        configured(name="shop", routes=["shop.test/*"], env={"stage": mine, "production": live}),
        project(worker={"config": "worker/wrangler.jsonc", "environment": "stage"}),
        variables(WORKER_URL=url),
    )


def _attached_to(worker: str) -> Arrange:
    found = Domain("d", "proxy.test", "z", worker) if worker else None
    return part("cloudflare", domains=SimpleNamespace(find=lambda _host: found))


def _address_cases() -> list[Case]:
    whose, other = "whose address", "is the address of"
    return [
        Case(whose, "of this machine", "skip", "of this machine, or none"),
        Case(whose, "a custom domain of it", "pass", "this", _staged("https://staging.test")),
        Case(whose, "another's route", "fail", f"{other} env.prod", _staged("https://a.live.test")),
        Case(whose, "the top level's", "fail", f"{other} the top", _staged("https://shop.test")),
        Case(
            whose,
            "production's at workers.dev",
            "fail",
            f"{other} env.production",
            _staged("https://shop-production.acme.workers.dev"),
        ),
        Case(
            whose,
            "another Worker's at workers.dev",
            "warn",
            f"{other} another Worker",
            _staged("https://gateway.acme.workers.dev"),
        ),
        Case(
            whose,
            "its own at workers.dev, which the file closes",
            "fail",
            "boss-ai.acme.workers.dev is closed by this release",
            _staged("https://boss-ai.acme.workers.dev"),
        ),
        Case(
            whose,
            "its own at workers.dev, beside a domain",
            "pass",
            "this",
            _staged("https://boss-ai.acme.workers.dev", workers_dev=True),
        ),
        Case(
            whose,
            "of no file",
            "pass",
            "does not name",
            both(_staged("https://proxy.test"), _attached_to("")),
        ),
        Case(
            whose,
            "another Worker's custom domain, by Cloudflare",
            "warn",
            "is a custom domain of the Worker gateway",
            both(_staged("https://proxy.test"), _attached_to("gateway")),
        ),
    ]


def _domain_cases() -> list[Case]:
    dns, tls, zone = f"{HOST} DNS", f"{HOST} certificate", f"{HOST} zone"
    refused = ConnectionRefusedError()
    bare = {"type": "A", "proxied": False}
    return [
        Case("WORKER_URL DNS and TLS", "of this machine", "skip", "not applicable"),
        Case(
            "WORKER_URL DNS and TLS",
            "the Worker has no address",
            "skip",
            "not applicable: the Worker has no address",
            variables(WORKER_URL="https://none.invalid"),
        ),
        Case(dns, "resolves", "pass", "192.0.2.1", hosted),
        Case(
            dns,
            "asked by a proxy of the company's",
            "skip",
            "the way leads through a proxy",
            both(hosted, _behind_a_proxy),
        ),
        Case(dns, "does not resolve", "fail", "does not resolve", both(hosted, _unknown_host)),
        Case(
            dns,
            "does not resolve yet",
            "warn",
            "does not resolve",
            both(hosted, part("cloudflare", splits=[]), _unknown_host),
        ),
        Case(
            dns,
            "is a custom domain by wrangler's file that Cloudflare cannot be asked of",
            "warn",
            "it is a custom domain of the Worker",
            both(hosted, _as_custom_domain, _unknown_host),
        ),
        Case(
            dns,
            "attached by a first release",
            "pass",
            "the release attaches it as a custom domain",
            both(hosted, _attached_by_the_release, part("cloudflare", splits=[])),
        ),
        Case(
            dns,
            "attached by the release of a Worker that is live",
            "fail",
            "no version could be verified there before users meet it",
            both(hosted, _attached_by_the_release),
        ),
        Case(
            dns,
            "attached by that release, and is API_URL: versions are verified elsewhere",
            "pass",
            "the release attaches it as a custom domain",
            both(
                hosted,
                _attached_by_the_release,
                variables(WORKER_URL="http://127.0.0.1:1", API_URL=f"https://{HOST}"),
            ),
        ),
        Case(tls, "valid", "pass", "valid for 90 days, TLSv1.3", hosted),
        Case(
            tls, "about to end", "warn", "valid for 3 days", both(hosted, lambda p: certified(p, 3))
        ),
        Case(
            tls,
            "expired",
            "fail",
            "certificate has expired",
            both(hosted, _untrusted("certificate has expired")),
        ),
        Case(
            tls,
            "of another name, or signed by nobody known",
            "fail",
            "not valid",
            both(hosted, _untrusted("Hostname mismatch")),
        ),
        Case(
            tls,
            "no connection",
            "unknown",
            "no TLS connection",
            both(
                hosted,
                lambda p: _raising(p, "xswarm_deploy.preflight.domains.certificate", refused),
            ),
        ),
        Case(f"{HOST} HSTS", "on", "pass", "max-age", hosted),
        Case(
            f"{HOST} HSTS",
            "off",
            "warn",
            "no Strict-Transport-Security",
            both(hosted, lambda p: answering(p, {})),
        ),
        Case(f"{HOST} redirect", "to https", "pass", "301 to https", hosted),
        Case(
            f"{HOST} redirect",
            "asked by a proxy of the company's",
            "skip",
            "the way leads through a proxy",
            both(hosted, _behind_a_proxy),
        ),
        Case(
            f"{HOST} redirect",
            "port 80 is closed",
            "pass",
            "closed",
            both(
                hosted,
                lambda p: _raising(p, "xswarm_deploy.preflight.domains.plain_answer", refused),
            ),
        ),
        Case(
            f"{HOST} redirect",
            "none",
            "warn",
            "http answers 200",
            both(hosted, lambda p: plainly(p, 200)),
        ),
        Case(zone, "in order", "pass", "proxied, TLS 1.2 at least", hosted),
        Case(zone, "no record", "warn", "no A, AAAA or CNAME", _zone(records=())),
        Case(zone, "not proxied", "warn", "the A record is not proxied", _zone(records=(bare,))),
        Case(zone, "SSL mode flexible", "warn", "SSL mode is not full", _zone(ssl="flexible")),
        Case(zone, "TLS 1.0 allowed", "warn", "TLS below 1.2", _zone(minimum="1.0")),
        Case(zone, "http allowed", "warn", "Always Use HTTPS is off", _zone(https="off")),
        Case(
            zone,
            "not reached by the token",
            "warn",
            "the token reaches no zone",
            _zone(zone=lambda name: None),
        ),
        Case(
            zone,
            "not to be read by the token",
            "unknown",
            "403",
            both(hosted, failing("cloudflare", Forbidden, 403)),
        ),
    ]


# The machine


def _clock(wrong: float) -> Arrange:
    return lambda place: setattr(place.parts["cloudflare"].http, "wrong", wrong)


def _node(version: str) -> Arrange:
    def arrange(place: Place) -> None:
        place.patch.setattr(machine, "_node", _REAL_NODE)
        place.patch.setattr("xswarm_deploy.bundling.programs.node", lambda: Path("node"))
        place.patch.setattr(machine, "_told", lambda command: version)

    return arrange


_REAL_NODE: Final = machine._node


def _no_wrangler(place: Place) -> None:
    place.patch.undo()
    place.patch.setattr(programs, "_own", lambda: ())


def _committed(place: Place, branch: str = "main") -> None:
    place.environment = "staging"
    place.values["ENVIRONMENT"] = "staging"
    place.site()  # writes the environment file
    git(place.root, "init", "-b", branch)
    git(place.root, "add", "-A")
    git(place.root, "commit", "-m", "one")


def _begun(place: Place) -> None:
    git(place.root, "init", "-b", "main")


def _detached(place: Place) -> None:
    _committed(place)
    git(place.root, "checkout", "--detach")
    git(place.root, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(place.root, "branch", "-D", "main")


def _detached_from(branch: str) -> Arrange:
    def arrange(place: Place) -> None:
        _committed(place, branch)
        git(place.root, "checkout", "--detach")

    return arrange


def _uncommitted(place: Place) -> None:
    _committed(place)
    place.write("new.txt", "")


def _backed_up(hours: float) -> Arrange:
    return lambda place: backed_up(place.site(), hours)


def _noted(days: int, worker: str = "") -> Arrange:
    """Let a release, so many days ago, have sent the secrets that are sent now, but for one."""

    def arrange(place: Place) -> None:
        then = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        known = place.site()
        sent = fingerprints.of(known.settings.worker_secrets(), known.settings)
        facts = json.dumps({"secrets": {**sent, "ANTHROPIC_API_KEY": "another"}})
        records.prepare(known.database)
        told = ("r", "local", "deploy", "succeeded", then, then, "a", "", "v", facts, "", "")
        values = (*told, worker)
        marks = ", ".join("?" * len(values))
        known.database.execute(f"INSERT INTO _releases VALUES ({marks})", values)

    return arrange


def _custody_cases() -> list[Case]:
    encrypted, ages = "backup encryption", "age of secrets"
    key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    return [
        Case(encrypted, "to a key", "pass", "encrypted", variables(BACKUP_AGE_RECIPIENT=key)),
        Case(encrypted, "in the clear, on the twin", "skip", "in the clear"),
        Case(
            encrypted,
            "in the clear",
            "warn",
            "backups are in the clear",
            lambda place: setattr(place, "environment", "staging"),
        ),
        Case(ages, "no release yet", "pass", "none is known"),
        Case(ages, "sent a month ago", "pass", "none is known", _noted(30)),
        Case(ages, "one is old", "warn", "JWT_SECRET", _noted(200)),
        Case(ages, "not checked", "skip", "is 0", project(check={"secret_days": 0})),
    ]


def _machine_cases() -> list[Case]:
    return [
        Case("Python", "known", "pass", "3."),
        Case("Node", "new enough", "pass", "v24.0.0"),
        Case("Node", "too old", "fail", "v20.9.1, 22.12 is needed", _node("v20.9.1")),
        Case("Node", "no answer", "fail", "no answer, 22.12 is needed", _node("")),
        Case("wrangler", "installed", "pass", "4.164.0"),
        Case("wrangler", "not installed", "fail", "wrangler is not installed", _no_wrangler),
        Case("git", "clean, on main", "pass", "main at", _committed),
        Case("git", "no checkout", "warn", "not a git checkout"),
        Case("git", "nothing committed", "warn", "no commit yet", _begun),
        Case("git", "a pipeline's, detached", "pass", ", of main", _detached),
        Case("git", "detached, of no branch", "warn", "not on main", _detached_from("feature")),
        Case("git", "not committed", "warn", "1 file(s) not committed", _uncommitted),
        Case(
            "git",
            "another branch",
            "warn",
            "not on main",
            lambda place: _committed(place, "feature"),
        ),
        Case("backup", "none yet", "skip", "the release makes one first"),
        Case("backup", "fresh", "pass", "the newest is 1 hours old", _backed_up(1)),
        Case("backup", "old", "warn", "the newest is 30 hours old", _backed_up(30)),
        Case("clock", "right", "pass", "s from Cloudflare's"),
        Case("clock", "90 s wrong", "warn", "s from Cloudflare's", _clock(90)),
        Case("clock", "10 minutes wrong", "fail", "s from Cloudflare's", _clock(-600)),
    ]


# The error budget


def _served(errors: int, release: str = "refuse") -> Arrange:
    """Let so many of 1,000 requests of the last 29 days fail; 10 of them may."""

    def arrange(place: Place) -> None:
        place.monitor = {"slo": {"availability": 0.99, "release": release}}
        then, database = time.time() - 29 * 86400, place.site().database
        metrics = Metrics(clock=Clock(wall=lambda: then, timer=lambda: then))
        for number in range(1000):
            metrics.requests.observe("/", "GET", 503 if number < errors else 200, 0.1)
        storage = Storage(execute(database), instance="a")
        asyncio.run(storage.prepare())
        asyncio.run(storage.flush(metrics, "v1"))

    return arrange


def _unmeasured(place: Place) -> None:
    place.monitor = {"slo": {"availability": 0.99}}


def _budget_cases() -> list[Case]:
    name = "error budget"
    return [
        Case(name, "some of it left", "pass", "48% of the budget is spent", _served(5)),
        Case(name, "spent", "fail", "11 of 1000 requests were bad", _served(11)),
        Case(name, "spent, and releases allowed", "warn", "106%", _served(11, "allow")),
        Case(name, "nothing was ever measured", "pass", "0 of 0 requests", _unmeasured),
    ]


# Those who receive what is measured


def _receiver(status: int, key: str = "") -> Arrange:
    def arrange(place: Place) -> None:
        target = {"kind": "otlp", "endpoint": "http://127.0.0.1:4318", "secret": key}
        place.monitor = {"push": [target]}

        async def send(_request: Outgoing) -> Response:
            if not status:
                raise ConnectionError
            return Response(status)

        place.patch.setattr(receivers, "send", send)

    return arrange


def _push_cases() -> list[Case]:
    name = "push to otlp"
    return [
        Case(name, "it takes what is pushed", "pass", "127.0.0.1 takes", _receiver(200)),
        Case(name, "its key is refused", "warn", "HTTP 401, the key", _receiver(401)),
        Case(name, "it does not answer", "unknown", "no answer", _receiver(0)),
        Case(name, "its key is not here", "warn", "no value here", _receiver(200, "OTLP_KEY")),
    ]


CASES: Final = (
    *_variable_cases(),
    *_configuration_cases(),
    *_cloudflare_cases(),
    *_database_cases(),
    *_provider_cases(),
    *_refusals(),
    *_webhook_cases(),
    *_route_cases(),
    *_address_cases(),
    *_domain_cases(),
    *_custody_cases(),
    *_budget_cases(),
    *_push_cases(),
    *_machine_cases(),
)


def document() -> str:
    """Return CHECKS.md."""
    return HEAD + "".join(f"{case.row()}\n" for case in CASES)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
