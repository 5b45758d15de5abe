"""What real wrangler does to an account: each command is accepted, and does what it says."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest
import requests
from cloudflare import Cloudflare

from tests.twin.cloudflare.stand_in import ACCOUNT
from tests.twin.cloudflare.wrangler import Twin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
COMMANDS = 40
"""How many commands of wrangler are accepted here at least."""


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    running = Twin(tmp_path_factory.mktemp("twin"))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


class Said(dict[str, str]):
    """What each command printed, by the command."""

    def __init__(self, twin: Twin) -> None:
        super().__init__()
        self.twin = twin
        self.store = ""

    def do(self, command: str, *arguments: str, feed: str = "") -> str:
        """Run a command that succeeds."""
        self[command] = self.twin.wrangler(*command.split(), *arguments, feed=feed)
        return self[command]


def test_wrangler_drives_everything(twin: Twin) -> None:
    said = Said(twin)
    parts = (_keys, _database, _secrets, _databases_of_others, _buckets, _named)
    with ThreadPoolExecutor(2) as pool:
        kv, database, *_ = pool.map(lambda part: part(said), parts)
    said.do("queues create", "jobs")
    _configure(said, kv, database)
    (twin.project / "index.js").write_text((HERE / "shop.js").read_text())
    said.do("deploy")
    assert _ask(twin, "add") == {"count": 1, "kept": "1", "orders": 2, "secret": "s3cret"}
    _queues(said)
    _pulled(said)
    _workflows(said)
    _tail(said)
    before = _ask(twin, "add")["count"]
    _configure(said, kv, database, renamed=True)
    text = (twin.project / "index.js").read_text().replace("class Counter", "class Till")
    (twin.project / "index.js").write_text(text)
    said.do("deploy")
    assert _ask(twin, "add")["count"] == before + 1, "the objects stay when their class is renamed"
    assert "schedule: 5 4 * * *" in said.do("triggers deploy")
    said.do("delete", "--name", "shop")
    said.do("workflows delete", "orders")
    said.do("queues delete", "jobs")
    said.do("d1 delete", "shop", "-y")
    said.do("kv namespace delete", "--namespace-id", kv)
    assert len(said) >= COMMANDS, sorted(said)


def _keys(said: Said) -> str:
    kv = _found(r'"id": "(\w+)"', said.do("kv namespace create", "CACHE"))
    assert "CACHE" in said.do("kv namespace list")
    at = ("--namespace-id", kv, "--remote")
    said.do("kv key put", "a/ü", "1", "--metadata", '{"m": 1}', *at)
    assert said.do("kv key get", "a/ü", "--text", *at).strip() == "1"
    assert json.loads(said.do("kv key list", *at)) == [{"name": "a/ü", "metadata": {"m": 1}}]
    pairs = said.twin.project / "pairs.json"
    pairs.write_text(json.dumps([{"key": f"k{n}", "value": str(n)} for n in range(3)]))
    said.do("kv bulk put", str(pairs), *at)
    pairs.write_text(json.dumps(["k0", "k1"]))
    assert '"k1"' in said.do("kv bulk get", str(pairs), *at)
    said.do("kv bulk delete", str(pairs), "--force", *at)
    said.do("kv key delete", "k2", *at)
    assert len(json.loads(said.do("kv key list", *at))) == 1
    assert "kept" in said.do("kv namespace rename", "--namespace-id", kv, "--new-name", "kept")
    return kv


def _database(said: Said) -> str:
    created = said.do("d1 create", "shop")
    database = _found(r'"database_id": "([\w-]+)"', created)
    assert [one["name"] for one in json.loads(said.do("d1 list", "--json"))] == ["shop"]
    _configure(said, "0" * 32, database)
    folder = said.twin.project / "migrations"
    folder.mkdir()
    (folder / "0001_orders.sql").write_text("CREATE TABLE orders (id INTEGER PRIMARY KEY, w TEXT);")
    (folder / "0002_tea.sql").write_text("INSERT INTO orders (w) VALUES ('tea; \"x\"');")
    assert "0002_tea" in said.do("d1 migrations list", "shop", "--remote")
    said.do("d1 migrations apply", "shop", "--remote")
    assert "No migrations" in said.do("d1 migrations list", "shop", "--remote")
    file = said.twin.project / "more.sql"
    file.write_text("INSERT INTO orders (w) VALUES ('milk');\nSELECT 1;\n")
    said.do("d1 execute", "shop", "--remote", "--file", str(file), "-y")
    select = ("--command", "SELECT w FROM orders", "--json")
    rows = json.loads(said.do("d1 execute", "shop", "--remote", *select))[0]["results"]
    assert rows == [{"w": 'tea; "x"'}, {"w": "milk"}]
    refused = said.twin.attempt("d1", "execute", "shop", "--remote", "--command", "SELECT absent")
    assert "no such column: absent" in refused.stdout + refused.stderr
    file.write_text("INSERT INTO orders (w) VALUES ('lost');\nINSERT INTO nowhere VALUES (1);\n")
    failed = ("--remote", "--file", str(file), "-y")
    refused = said.twin.attempt("d1", "execute", "shop", *failed)
    assert "no such table: nowhere" in refused.stdout + refused.stderr
    dump = said.twin.project / "dump.sql"
    said.do("d1 export", "shop", "--remote", "--output", str(dump))
    assert "CREATE TABLE orders" in dump.read_text()
    assert "lost" not in dump.read_text(), "an import that fails leaves nothing"
    assert "shop" in said.do("d1 info", "shop")
    return database


def _secrets(said: Said) -> str:
    printed = said.do("secrets-store store create", "shop-secrets", "--remote")
    store = _found(r"ID: (\w+)", printed)
    said.do("secrets-store store list", "--remote")
    given = ("--name", "KEY", "--value", "s3cret", "--scopes", "workers", "--remote")
    said.do("secrets-store secret create", store, *given)
    assert "KEY" in said.do("secrets-store secret list", store, "--remote")
    said.store = store
    return store


def _databases_of_others(said: Said) -> str:
    url = "postgres://me:hidden-text@127.0.0.1:5432/app"
    printed = said.do("hyperdrive create", "pg", f"--connection-string={url}")
    config = _found(r'"id": "(\w+)"', printed)
    assert "pg" in said.do("hyperdrive list")
    assert "hidden-text" not in said.do("hyperdrive get", config)
    said.do("hyperdrive update", config, "--name", "pg2")
    said.do("hyperdrive delete", config)
    said.do("dispatch-namespace create", "customers")
    assert "customers" in said.do("dispatch-namespace list")
    said.do("dispatch-namespace get", "customers")
    said.do("dispatch-namespace delete", "customers")
    return config


def _named(said: Said) -> None:
    """What the twin knows by its name alone."""
    said.do("vectorize create", "docs", "--dimensions", "3", "--metric", "cosine")
    assert "docs" in said.do("vectorize list")
    assert "cosine" in said.do("vectorize get", "docs")
    said.do("vectorize delete", "docs", "--force")
    pem = said.twin.project / "cert.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----")
    given = ("--cert", str(pem), "--key", str(pem), "--name", "origin")
    said.do("mtls-certificate upload", *given)
    assert "origin" in said.do("mtls-certificate list")
    said.do("mtls-certificate delete", "--name", "origin")
    schema = said.twin.project / "schema.json"
    schema.write_text('{"fields": [{"name": "word", "type": "string", "required": true}]}')
    said.do("pipelines streams create", "events", "--schema-file", str(schema))
    assert "events" in said.do("pipelines streams list")


def _buckets(said: Said) -> None:
    said.do("r2 bucket create", "files")
    said.do("r2 bucket update storage-class", "files", "-s", "InfrequentAccess")
    assert "InfrequentAccess" in said.do("r2 bucket info", "files")
    refused = said.twin.attempt("r2", "bucket", "domain", "list", "files")
    assert "The local twin has no public addresses of R2" in refused.stdout + refused.stderr
    rules = said.twin.project / "rules.json"
    allowed = {"origins": ["https://shop.test"], "methods": ["GET"]}
    rules.write_text(json.dumps({"rules": [{"allowed": allowed, "maxAgeSeconds": 60}]}))
    said.do("r2 bucket cors set", "files", "--file", str(rules), "--force")
    assert "https://shop.test" in said.do("r2 bucket cors list", "files")
    said.do("r2 bucket cors delete", "files", "--force")
    expires = ("--expire-days", "30", "--force")
    said.do("r2 bucket lifecycle add", "files", "old", "logs/", *expires)
    assert "old" in said.do("r2 bucket lifecycle list", "files")
    said.do("r2 bucket lifecycle remove", "files", "--name", "old")


def _pulled(said: Said) -> None:
    """What changes in a bucket is told to a queue, which is pulled over HTTP, and purged."""
    said.do("queues create", "held")
    said.do("queues consumer http add", "held", "--message-retries", "1")
    events = ("--queue", "held", "--event-types", "object-create")
    said.do("r2 bucket notification create", "files", *events)
    assert "PutObject" in said.do("r2 bucket notification list", "files")
    said.do("r2 object put", "files/a.txt", "--pipe", "--remote", feed="hello")
    base = f"http://127.0.0.1:{said.twin.ports['api']}/client/v4"
    api = Cloudflare(api_token=ACCOUNT.token, base_url=base, max_retries=0)
    (held,) = (one for one in api.queues.list(account_id=ACCOUNT.id) if one.queue_name == "held")
    queue, messages = str(held.queue_id), api.queues.messages

    def pull(milliseconds: int = 60_000) -> list[Any]:
        found = messages.pull(queue, account_id=ACCOUNT.id, visibility_timeout_ms=milliseconds)
        return list(found.messages or ()) if found else []

    (event,) = _first(pull)
    told = json.loads(base64.b64decode(event.body))
    assert (told["action"], told["object"]["key"]) == ("PutObject", "a.txt")
    assert pull() == [], "it is leased"
    entry: Any = {"lease_id": event.lease_id}
    again = messages.ack(queue, account_id=ACCOUNT.id, retries=[entry])
    assert again is not None
    assert again.retry_count == 1
    assert [one.attempts for one in pull(1)] == [2]
    time.sleep(0.01)
    assert pull() == [], "it was tried as often as it may be"
    said.do("queues consumer http remove", "held")
    messages.push(queue, account_id=ACCOUNT.id, body="unread", content_type="text")
    said.do("queues purge", "held", "--force")
    said.do("queues consumer http add", "held")
    messages.push(queue, account_id=ACCOUNT.id, body="read", content_type="text")
    assert [one.body for one in _first(pull)] == ["read"]
    said.do("r2 bucket notification delete", "files", "--queue", "held")


def _queues(said: Said) -> None:
    assert "jobs" in said.do("queues list")
    assert "worker:shop" in said.do("queues info", "jobs")
    said.do("queues pause-delivery", "jobs")
    assert _ask(said.twin, "send") == "sent"
    assert _ask(said.twin, "got") is None
    said.do("queues resume-delivery", "jobs")
    _until(lambda: _ask(said.twin, "got") == ["jobs", "job"])
    said.do("queues consumer remove", "jobs", "shop")
    said.do("queues consumer add", "jobs", "shop")
    said.do("queues update", "jobs", "--delivery-delay-secs", "1")


def _workflows(said: Said) -> None:
    assert "orders" in said.do("workflows list")
    said.do("workflows describe", "orders")
    said.do("workflows trigger", "orders", '{"amount": 5}', "--id", "first")
    _until(lambda: "Completed" in said.do("workflows instances list", "orders"))
    told = said.do("workflows instances describe", "orders", "first")
    assert "charged 5" in told
    said.do("workflows instances restart", "orders", "first")
    said.do("workflows trigger", "orders", '{"wait": true}', "--id", "second")
    said.do("workflows instances pause", "orders", "second")
    said.do("workflows instances resume", "orders", "second")
    said.do("workflows instances terminate", "orders", "second")


def _tail(said: Said) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        said.twin.following("tail", "shop", "--format", "json") as printed,
    ):
        reading = pool.submit(_first_event, printed)
        _until(lambda: _ask(said.twin, "got") is not None and reading.done())
    assert '"outcome": "ok"' in reading.result()
    said["tail"] = reading.result()


def _first_event(printed: IO[str]) -> str:
    """Read until an event's outcome is told; the end of the output comes before it on failure."""
    read = ""
    while (line := printed.readline()) and "outcome" not in read:
        read += line
    return read + line


def _ask(twin: Twin, what: str) -> Any:
    reply = requests.get(f"http://127.0.0.1:{twin.ports['worker']}/{what}", timeout=30)
    assert reply.status_code == 200, reply.text
    return reply.json()


def _configure(said: Said, kv: str, database: str, *, renamed: bool = False) -> None:
    """Write the configuration of a Worker that is bound to everything."""
    renaming = {"tag": "v2", "renamed_classes": [{"from": "Counter", "to": "Till"}]}
    configuration = {
        "name": "shop",
        "main": "index.js",
        "compatibility_date": "2026-01-01",
        "kv_namespaces": [{"binding": "KV", "id": kv}],
        "d1_databases": [{"binding": "DB", "database_id": database, "database_name": "shop"}],
        "durable_objects": {
            "bindings": [{"name": "COUNTER", "class_name": "Till" if renamed else "Counter"}]
        },
        "migrations": [
            {"tag": "v1", "new_sqlite_classes": ["Counter"]},
            *([renaming] if renamed else []),
        ],
        "queues": {
            "producers": [{"binding": "JOBS", "queue": "jobs"}],
            "consumers": [{"queue": "jobs", "max_batch_size": 1, "max_batch_timeout": 1}],
        },
        "workflows": [{"binding": "ORDERS", "name": "orders", "class_name": "Order"}],
        "secrets_store_secrets": [
            {"binding": "STORED", "store_id": said.store or "none", "secret_name": "KEY"}
        ],
        "triggers": {"crons": ["5 4 * * *"]},
    }
    (said.twin.project / "wrangler.json").write_text(json.dumps(configuration))


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]


def _first(pull: Callable[[], list[Any]]) -> list[Any]:
    """Pull until there is something."""
    found: list[Any] = []

    def pulled() -> bool:
        found.extend(pull())
        return bool(found)

    _until(pulled)
    return found


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)
