"""The stand-in and its edge as their own process, judged by the real wrangler."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import requests

from tests.twin.cloudflare.stand_in import ACCOUNT, form
from tests.twin.cloudflare.wrangler import SCRIPT, Twin, spawn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    running = Twin(tmp_path_factory.mktemp("twin"))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def test_whoami(twin: Twin) -> None:
    printed = twin.wrangler("whoami")
    assert "sandbox@localhost" in printed
    assert ACCOUNT.id in printed


def test_a_worker_from_its_first_deployment_to_its_end(twin: Twin) -> None:
    first, second = _deploy_twice(twin)
    _tail(twin, second)
    third = _upload_a_version(twin, [first, second])
    _deploy_gradually(twin, second, third)
    _edit_secrets(twin, third)
    _roll_back(twin, second)
    _refuse_what_does_not_start(twin, second)
    twin.stop(signal.SIGKILL)
    twin.start()
    assert twin.answer() == {"word": "two", "key": None, "version": second}
    twin.wrangler("delete", "--name", "shop")
    assert twin.page("worker", "/api").status_code == 404
    assert "hidden-text" not in _written(twin)


def _deploy_twice(twin: Twin) -> tuple[str, str]:
    refused = twin.attempt("versions", "upload")
    assert "does not yet exist" in refused.stderr
    twin.wrangler("r2", "bucket", "create", "files")
    said = twin.wrangler("deploy")
    first = _current(said)
    assert "schedule: 0 2 * * *" in said
    assert twin.answer() == {"word": "one", "key": None, "version": first}
    assert twin.page("worker", "/page").text == "<h1>hello</h1>"
    twin.configure("two")
    second = _current(twin.wrangler("deploy"))
    assert twin.answer() == {"word": "two", "key": None, "version": second}
    return first, second


def _tail(twin: Twin, second: str) -> None:
    """Follow the logs; the first event is asked for until the tail hears it."""
    asking = threading.Event()

    def ask() -> None:
        while not asking.wait(0.3):
            twin.answer()

    with twin.following("tail", "shop", "--format", "json", "--search", "word") as printed:
        caller = threading.Thread(target=ask)
        caller.start()
        try:
            event, _ = json.JSONDecoder().raw_decode(_object(printed))
        finally:
            asking.set()
            caller.join()
    assert event["scriptVersion"]["id"] == second
    assert [line["message"] for line in event["logs"]] == [["word", "two"]]
    assert event["event"]["response"]["status"] == 200


def _object(printed: IO[str]) -> str:
    """Read the lines of a JSON object that is printed with an indent."""
    lines = []
    for line in printed:
        lines.append(line)
        if line == "}\n":
            break
    return "".join(lines)


def _upload_a_version(twin: Twin, before: list[str]) -> str:
    twin.configure("three")
    printed = twin.wrangler("versions", "upload", "--tag", "v3", "--message", "the third")
    third = _found(r"Worker Version ID: (\S+)", printed)
    assert twin.answer()["version"] == before[-1]
    preview = twin.page("worker", "/api", host=f"{third[:8]}-shop.localhost")
    assert preview.json()["word"] == "three"
    listed = json.loads(twin.wrangler("versions", "list", "--json"))
    assert [version["id"] for version in listed] == [*before, third]
    viewed = json.loads(twin.wrangler("versions", "view", third, "--json"))
    assert viewed["annotations"]["workers/tag"] == "v3"
    return third


def _deploy_gradually(twin: Twin, second: str, third: str) -> None:
    twin.wrangler("versions", "deploy", f"{third}@10%", f"{second}@90%", "-y")
    status = json.loads(twin.wrangler("deployments", "status", "--json"))
    shares = {share["version_id"]: share["percentage"] for share in status["versions"]}
    assert shares == {third: 10, second: 90}
    override = {"Cloudflare-Workers-Version-Overrides": f'shop="{third}"'}
    assert twin.answer(**override)["word"] == "three"
    seen = [twin.answer()["word"] for _ in range(200)]
    assert set(seen) == {"two", "three"}
    assert 3 <= seen.count("three") <= 50  # 20 expected, standard deviation 4.2


def _edit_secrets(twin: Twin, third: str) -> None:
    refused = twin.attempt("secret", "put", "KEY", feed="hidden-text-one")
    assert refused.returncode != 0
    assert "latest version" in refused.stderr + refused.stdout
    twin.wrangler("versions", "deploy", f"{third}@100%", "-y")
    twin.wrangler("secret", "put", "KEY", feed="hidden-text-one")
    assert twin.answer()["key"] == "hidden-text-one"
    twin.wrangler("secret", "bulk", feed='{"KEY": "hidden-text-two", "MORE": "x"}')
    assert twin.answer()["key"] == "hidden-text-two"
    twin.wrangler("secret", "delete", "MORE")
    secrets = json.loads(twin.wrangler("secret", "list"))
    assert secrets == [{"name": "KEY", "type": "secret_text"}]
    created = twin.wrangler("versions", "secret", "bulk", feed='{"KEY": "hidden-text-three"}')
    latest = _found(r"Created version (\S+)", created)
    assert twin.answer()["key"] == "hidden-text-two"
    twin.wrangler("versions", "deploy", f"{latest}@100%", "-y")
    assert twin.answer() == {"word": "three", "key": "hidden-text-three", "version": latest}


def _roll_back(twin: Twin, second: str) -> None:
    printed = twin.wrangler("rollback", second, "-m", "back", "-y")
    assert "secrets have changed" in printed
    assert twin.answer() == {"word": "two", "key": None, "version": second}
    listed = json.loads(twin.wrangler("deployments", "list", "--json"))
    times = [deployment["created_on"] for deployment in listed]
    assert times == sorted(times)
    assert listed[-1]["annotations"]["workers/message"] == "back"


def _refuse_what_does_not_start(twin: Twin, serving: str) -> None:
    (twin.project / "index.js").write_text("throw new Error('not today');\n" + SCRIPT)
    broken = twin.attempt("deploy")
    assert "not today" in broken.stderr
    assert "10021" in broken.stderr
    assert twin.answer()["version"] == serving


def test_buckets_and_objects(twin: Twin) -> None:
    twin.wrangler("r2", "bucket", "create", "other-files")
    assert "other-files" in twin.wrangler("r2", "bucket", "list")
    content = twin.folder / "content.bin"
    content.write_bytes(os.urandom(300_000))
    at = "other-files/some/key.bin"
    twin.wrangler("r2", "object", "put", at, "--file", str(content), "--remote")
    copy = twin.folder / "copy.bin"
    twin.wrangler("r2", "object", "get", at, "--file", str(copy), "--remote")
    assert copy.read_bytes() == content.read_bytes()
    s3 = twin.s3()
    assert s3.head_object(Bucket="other-files", Key="some/key.bin")["ContentLength"] == 300_000
    s3.close()
    twin.wrangler("r2", "object", "delete", at, "--remote")
    gone = twin.attempt("r2", "object", "get", at, "--file", str(copy), "--remote")
    assert "does not exist" in gone.stderr
    assert "already exists" in twin.attempt("r2", "bucket", "create", "other-files").stderr


def test_a_pages_project(twin: Twin) -> None:
    where = twin.folder / "elsewhere"
    site = where / "site"
    site.mkdir(parents=True)
    (site / "index.html").write_text("<h1>first</h1>")
    (site / "_redirects").write_text("/old / 301\n")
    (site / "_headers").write_text("/*\n  X-Site: yes\n")
    twin.wrangler("pages", "project", "create", "site", "--production-branch", "main", where=where)
    assert "site" in twin.wrangler("pages", "project", "list", where=where)
    publish = ("pages", "deploy", "site", "--project-name", "site", "--branch")
    twin.wrangler(*publish, "main", where=where)
    assert twin.page("pages", "/").text == "<h1>first</h1>"
    assert twin.page("pages", "/").headers["X-Site"] == "yes"
    assert twin.page("pages", "/old").status_code == 301
    (site / "index.html").write_text("<h1>preview</h1>")
    printed = twin.wrangler(*publish, "feature", where=where)
    host = _found(r"http://(\S+)", printed)
    assert twin.page("pages", "/", host=host).text == "<h1>preview</h1>"
    assert twin.page("pages", "/").text == "<h1>first</h1>"
    arguments = ("pages", "deployment", "list", "--project-name", "site", "--json")
    listed = json.loads(twin.wrangler(*arguments, where=where))
    assert [one["Environment"] for one in listed] == ["Preview", "Production"]


def test_a_stop_by_sigterm_leaves_no_process(twin: Twin) -> None:
    url = f"http://127.0.0.1:{twin.ports['api']}/client/v4/accounts/{ACCOUNT.id}"
    headers = {"Authorization": f"Bearer {ACCOUNT.token}"}
    script = f"{url}/workers/scripts/running"
    made = requests.put(script, files=form(SCRIPT.encode()), headers=headers, timeout=60)
    assert made.status_code == 200, made.text
    children = _descendants(twin.process.pid)
    assert children
    assert twin.stop() == 0
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    twin.start()


def test_a_taken_port_is_said(twin: Twin) -> None:
    second = twin.folder / "second"
    second.mkdir()
    assert spawn(second, twin.ports).wait(60) == 1
    assert "cannot serve" in (second / "twin.log").read_text()


def _current(printed: str) -> str:
    return _found(r"Current Version ID: (\S+)", printed)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]


def _written(twin: Twin) -> str:
    """Return all that the process wrote for people to read."""
    files = (twin.folder / "twin.log", twin.folder / "sandbox/calls.jsonl")
    return "".join(file.read_text() for file in files)


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for text in children for child in (int(text), *_descendants(int(text)))]
