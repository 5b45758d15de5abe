"""The twin's life: up, down, reset, and all that may come between. Real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from dotenv import dotenv_values

from xswarm_twin import code, folder, processes, state_directory, supervisor
from xswarm_twin.components import CODE
from xswarm_twin.errors import Refused, Unavailable
from xswarm_twin.state import State

pytestmark = pytest.mark.slow

WORKERS, PAGES = ["boss-ai"], ["xswarm-boss"]
SOME = ("sqld", "emulate", "providers")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Return a project's folder; whatever a test does, nothing of it runs afterwards."""
    try:
        yield tmp_path
    finally:
        processes.end(processes.marked(folder.of(tmp_path)), 5)


def up(root: Path, only: Any = SOME, **options: Any) -> State:
    return supervisor.up(root, WORKERS, PAGES, only=only, **options)


def left(root: Path) -> list[psutil.Process]:
    return processes.marked(folder.of(root))


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit, "it did not come to pass"
        time.sleep(0.02)


def variables(root: Path) -> dict[str, str]:
    read = dotenv_values(folder.of(root).endpoints, interpolate=False)
    return {name: value or "" for name, value in read.items()}


def pipeline(url: str, token: str, sql: str) -> requests.Response:
    body = {"requests": [{"type": "execute", "stmt": {"sql": sql}}]}
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{url}/v2/pipeline", json=body, headers=headers, timeout=60)


def test_everything_answers_and_then_nothing_is_left(root: Path) -> None:
    told: list[str] = []
    state = supervisor.up(root, WORKERS, PAGES, progress=lambda label, *_: told.append(label))
    assert state.up
    names = {"cloudflare", "sqld", "emulate", "providers"}
    assert {process.name for process in state.processes} == names
    assert {f"{name} is ready" for name in names} <= set(told)
    found = variables(root)
    token = {"Authorization": f"Bearer {found['CLOUDFLARE_API_TOKEN']}"}
    verified = requests.get(
        found["CLOUDFLARE_API_BASE_URL"] + "/user/tokens/verify", headers=token, timeout=60
    )
    assert verified.json()["result"]["status"] == "active"
    assert requests.get(found["WORKER_URL"], timeout=60).status_code == 404  # nothing deployed
    ends = {process.pid for process in state.processes} | {state.pid}
    assert supervisor.down(root) >= len(ends)
    assert not [pid for pid in ends if _alive(pid)]
    assert not left(root)
    assert not supervisor.status(root).up


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_second_up_finds_it_running(root: Path) -> None:
    first = up(root)
    told: list[str] = []
    assert up(root, progress=lambda label, *_: told.append(label)) == first
    assert told == []  # there was nothing to wait for
    supervisor.down(root)


def test_one_that_runs_other_code_starts_anew_and_keeps_its_data(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, told = up(root), list[str]()
    keys = variables(root)
    monkeypatch.setattr(code, "stamp", lambda: "of a newer version")
    second = up(root, progress=lambda label, *_: told.append(label))
    assert (second.instance != first.instance, second.ports) == (True, first.ports)
    assert "the twin runs other code than is installed: it starts anew" in told
    assert variables(root) == keys
    assert up(root) == second


def test_addresses_keys_and_data_survive_down_and_up(root: Path) -> None:
    up(root)
    before = variables(root)
    pipeline(before["TURSO_DATABASE_URL"], before["TURSO_AUTH_TOKEN"], "CREATE TABLE kept (x)")
    stripe = before["STRIPE_API_BASE"] + "/v1/webhook_endpoints"
    auth = (before["STRIPE_SECRET_KEY_TEST"], "")
    wanted = {"url": "https://boss.test/", "enabled_events[]": "*"}
    made = requests.post(stripe, data=wanted, auth=auth, timeout=60).json()
    customers = before["STRIPE_API_BASE"] + "/v1/customers"
    customer = requests.post(customers, data={"email": "a@b.test"}, auth=auth, timeout=60).json()
    numbers = _numbers(before)
    (number,) = requests.get(numbers, auth=_twilio(before), timeout=60).json()[
        "incoming_phone_numbers"
    ]
    requests.post(
        numbers.replace(".json", f"/{number['sid']}.json"),
        data={"SmsUrl": "https://boss.test/sms", "TrunkSid": "TK1"},
        auth=_twilio(before),
        timeout=60,
    )
    supervisor.down(root)
    up(root)
    assert variables(root) == before
    again = pipeline(
        before["TURSO_DATABASE_URL"], before["TURSO_AUTH_TOKEN"], "SELECT count(*) FROM kept"
    )
    assert again.json()["results"][0]["type"] == "ok"
    listed = requests.get(stripe, auth=auth, timeout=60).json()["data"]
    assert [entry["id"] for entry in listed] == [made["id"]]
    assert requests.get(f"{customers}/{customer['id']}", auth=auth, timeout=60).ok
    (kept,) = requests.get(numbers, auth=_twilio(before), timeout=60).json()[
        "incoming_phone_numbers"
    ]
    assert (kept["sms_url"], kept["trunk_sid"]) == ("https://boss.test/sms", "TK1")
    supervisor.down(root)


def _numbers(found: dict[str, str]) -> str:
    account = found["TWILIO_ACCOUNT_SID"]
    return f"{found['TWILIO_API_BASE']}/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json"


def _twilio(found: dict[str, str]) -> tuple[str, str]:
    return found["TWILIO_ACCOUNT_SID"], found["TWILIO_AUTH_TOKEN_TEST"]


def test_the_database_takes_only_its_own_token(root: Path) -> None:
    up(root, ("sqld",))
    found = variables(root)
    url = found["TURSO_DATABASE_URL"]
    assert pipeline(url, found["TURSO_AUTH_TOKEN"], "SELECT 1").status_code == 200
    for wrong in ("", "wrong", found["TURSO_AUTH_TOKEN"][:-4] + "AAAA"):
        assert pipeline(url, wrong, "SELECT 1").status_code == 401
    supervisor.down(root)


def test_files_with_secrets_are_for_their_owner_only(root: Path) -> None:
    up(root)
    home = folder.of(root)
    for path in (home.endpoints, home.credentials, home.state, *home.logs.glob("*.log")):
        assert path.stat().st_mode & 0o077 == 0, path
    listed = [" ".join(process.cmdline()) for process in left(root)]
    secrets = json.loads(home.credentials.read_text()).values()
    assert not [line for line in listed for secret in secrets if secret in line]
    supervisor.down(root)


def test_down_after_the_supervisor_was_killed(root: Path) -> None:
    state = up(root)
    for process in _guards(root):
        process.kill()  # else it would be quicker than down
    os.kill(state.pid, signal.SIGKILL)
    wait_for(lambda: not _alive(state.pid))
    assert left(root)
    assert not supervisor.status(root).up
    assert supervisor.down(root) >= len(SOME)
    assert not left(root)


def _guards(root: Path) -> list[psutil.Process]:
    return [process for process in left(root) if "guard" in " ".join(process.cmdline())]


def test_the_parts_end_when_the_supervisor_is_killed(root: Path) -> None:
    state = up(root)
    os.kill(state.pid, signal.SIGKILL)
    wait_for(lambda: not left(root))
    assert not [process for process in state.processes if _alive(process.pid)]


def test_up_after_the_supervisor_was_killed(root: Path) -> None:
    state = up(root)
    guards = _guards(root)
    assert guards
    os.kill(state.pid, signal.SIGKILL)
    wait_for(lambda: not _alive(state.pid))
    again = up(root)
    assert again.up
    assert again.pid != state.pid
    assert again.endpoints == state.endpoints
    wait_for(lambda: not [guard for guard in guards if _alive(guard.pid)])
    assert supervisor.status(root).up  # the old guard has not ended the new parts
    supervisor.down(root)


def test_a_part_that_died_is_started_again(root: Path) -> None:
    state = up(root)
    (sqld,) = (process for process in state.processes if process.name == "sqld")
    os.kill(sqld.pid, signal.SIGKILL)
    wait_for(lambda: _process(root, "sqld").restarts == 1 and supervisor.status(root).up)
    assert _process(root, "sqld").pid != sqld.pid
    found = variables(root)
    answer = pipeline(found["TURSO_DATABASE_URL"], found["TURSO_AUTH_TOKEN"], "SELECT 1")
    assert answer.status_code == 200
    supervisor.down(root)


def test_a_part_that_dies_again_and_again_is_given_up(root: Path) -> None:
    up(root, ("sqld",))
    killed: set[int] = set()

    def kill() -> bool:
        process = _process(root, "sqld")
        if process.status == "ready" and process.pid not in killed:
            killed.add(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        return bool(process.status == "failed")

    wait_for(kill, 180)
    assert len(killed) == 6
    assert not supervisor.status(root).up
    assert up(root, ("sqld",)).up
    supervisor.down(root)


def _process(root: Path, name: str) -> Any:
    return next(entry for entry in supervisor.status(root).processes if entry.name == name)


def test_a_recycled_pid_is_never_killed(root: Path) -> None:
    state = up(root, ("sqld",))
    supervisor.down(root)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        record = json.loads(folder.of(root).state.read_text())
        entry = {**vars(state.processes[0]), "pid": bystander.pid}
        record |= {"pid": bystander.pid, "started": state.started, "processes": [entry]}
        folder.of(root).state.write_text(json.dumps(record))
        assert not supervisor.status(root).up
        supervisor.down(root)
        assert up(root, ("sqld",)).up
        supervisor.down(root)
        assert bystander.poll() is None
        bystander.communicate(b"\n")


def test_down_ends_also_what_a_part_started_without_the_mark(root: Path) -> None:
    home = folder.of(root)
    state_directory.make(home)
    script = (
        "import subprocess, sys;"
        "child = subprocess.Popen(['sleep', '600'], env={}, start_new_session=True);"
        "print(child.pid, flush=True); child.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=processes.environment(home, "0000", "part"),
        stdout=subprocess.PIPE,
    ) as part:
        assert part.stdout
        grandchild = int(part.stdout.readline())
        assert supervisor.down(root) == 2
        assert not _alive(grandchild)
        assert part.wait(60) == -signal.SIGTERM


def test_one_whose_folder_was_moved_is_ended_before_it_starts_there(root: Path) -> None:
    """Two servers on the files of one database, and nobody who knows of the first."""
    before = up(root)
    place = root.rename(root.with_name("moved"))
    try:
        again = up(place)
        assert again.instance != before.instance
        assert left(root) == []
        assert again.ports == before.ports  # they are free again
    finally:
        supervisor.down(place)
        place.rename(root)


def test_one_whose_folder_is_gone_ends_by_itself(root: Path) -> None:
    up(root)
    place = root.rename(root.with_name("elsewhere"))
    try:
        wait_for(lambda: left(root) == [])
    finally:
        place.rename(root)


def test_a_copy_of_the_folder_leaves_the_twin_of_the_first_alone(root: Path) -> None:
    before = up(root)
    copy = shutil.copytree(root, root.with_name("copy"), ignore=shutil.ignore_patterns("*.sock"))
    assert supervisor.down(copy) == 0
    assert supervisor.status(root).instance == before.instance
    assert supervisor.status(root).up


@pytest.mark.parametrize("text", ["", '{"pid": 12, "endp', "[]"])
def test_a_torn_record_is_no_hindrance(root: Path, text: str) -> None:
    up(root, ("sqld",))
    folder.of(root).state.write_text(text)
    again = up(root, ("sqld",))
    assert again.up
    assert len([p for p in left(root) if "sqld" in p.name()]) == 1
    supervisor.down(root)
    assert not left(root)


def test_two_at_the_same_moment_get_the_same_twin(root: Path) -> None:
    script = (
        "import json, sys, pathlib; from xswarm_twin import supervisor;"
        "state = supervisor.up(pathlib.Path(sys.argv[1]), ['boss-ai'], ['xswarm-boss'],"
        " only=('sqld',)); print(json.dumps([state.pid, state.ports]))"
    )
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(root)], cwd=CODE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    answers = [json.loads(command.communicate(timeout=60)[0]) for command in commands]
    assert answers[0] == answers[1] == answers[2]
    assert len([p for p in left(root) if "sqld" in p.name()]) == 1
    supervisor.down(root)


def test_ctrl_c_while_it_starts_leaves_nothing(root: Path) -> None:
    def interrupt(_label: str, done: int, total: int | None, _unit: str) -> None:
        if total and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up(root, progress=interrupt)
    assert not left(root)
    assert up(root, ("sqld",)).up
    supervisor.down(root)


@pytest.mark.parametrize(("ready", "delay"), [(0, 0.0), (0, 0.1), (1, 0.0)])
def test_ctrl_c_at_the_terminal_leaves_nothing(root: Path, ready: int, delay: float) -> None:
    """Whether no part is up yet, or the first one is."""
    script = (
        "import sys, pathlib\n"
        "from xswarm_twin import supervisor\n"
        "def progress(label='', done=0, total=0, unit=''):\n"
        "    if done == int(sys.argv[2]): print('now', flush=True)\n"
        "progress()\n"
        "supervisor.up(pathlib.Path(sys.argv[1]), ['boss-ai'], ['xswarm-boss'], progress=progress)"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", script, str(root), str(ready)],
        cwd=CODE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert command.stdout
    assert command.stdout.read(3) == b"now"
    time.sleep(delay)
    os.killpg(command.pid, signal.SIGINT)  # a terminal tells the whole group
    command.communicate(timeout=60)
    assert command.returncode != 0
    assert not left(root)


def test_a_part_that_does_not_start_is_told_and_nothing_is_left(root: Path) -> None:
    home = folder.of(root)
    state_directory.make(home)
    (home.database / "dbs").write_text("in the way")
    with pytest.raises(Unavailable, match="sqld did not start") as caught:
        up(root)
    assert "exit code" in caught.value.why
    assert caught.value.remedy == "xswarm-twin logs --name sqld"
    assert not left(root)


def test_a_pinned_port_that_is_taken_is_told_and_nothing_is_started(root: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(Refused, match=f"port {port}"):
            up(root, pinned={"database": port})
    assert not left(root)


def test_a_pinned_port_is_used_also_by_a_twin_that_runs(root: Path) -> None:
    first = up(root, ("sqld",))
    port = first.ports["database"] + 1000
    assert up(root, ("sqld",), pinned={"database": port}).ports["database"] == port
    assert variables(root)["TURSO_DATABASE_URL"].endswith(f":{port}")
    assert up(root, ("sqld",), pinned={"database": port}).ports["database"] == port
    supervisor.down(root)


def test_a_port_taken_meanwhile_is_replaced_and_said(root: Path) -> None:
    first = up(root, ("sqld",))
    supervisor.down(root)
    told: list[str] = []
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", first.ports["database"]))
        listener.listen()
        second = up(root, ("sqld",), progress=lambda label, *_: told.append(label))
    assert second.ports["database"] != first.ports["database"]
    assert any(str(first.ports["database"]) in label and "taken" in label for label in told)
    supervisor.down(root)


def test_another_worker_gets_a_port_and_the_first_keeps_its_own(root: Path) -> None:
    first = supervisor.up(root, WORKERS, PAGES, only=("sqld",))
    both = supervisor.up(root, [*WORKERS, "other"], PAGES, only=("sqld",))
    assert both.ports["worker:boss-ai"] == first.ports["worker:boss-ai"]
    assert both.ports["worker:other"] not in first.ports.values()
    assert both.endpoints["WORKER_URL"] == first.endpoints["WORKER_URL"]
    supervisor.down(root)


def test_reset_ends_all_and_deletes_all(root: Path) -> None:
    first = up(root, ("sqld",))
    token = variables(root)["TURSO_AUTH_TOKEN"]
    assert supervisor.reset(root)
    assert not left(root)
    assert not folder.of(root).path.exists()
    assert not supervisor.reset(root)
    assert up(root, ("sqld",)).instance != first.instance
    assert variables(root)["TURSO_AUTH_TOKEN"] != token
    supervisor.reset(root)


def test_reset_refuses_what_is_not_ours(root: Path) -> None:
    home = folder.of(root)
    home.path.mkdir()
    (home.path / "thesis.txt").write_text("x")
    with pytest.raises(Refused, match="is not a sandbox"):
        supervisor.reset(root)
    assert (home.path / "thesis.txt").exists()


def test_logs_are_shown_and_unknown_ones_are_refused(root: Path) -> None:
    with pytest.raises(Refused, match="there is no log 'sqld'"):
        list(supervisor.logs(root, "sqld"))
    up(root, ("sqld",))
    assert any("listening" in line for _, line in supervisor.logs(root, "sqld"))
    assert {name for name, _ in supervisor.logs(root)} == {"sqld"}
    assert len(list(supervisor.logs(root, "sqld", lines=1))) == 1
    assert list(supervisor.logs(root, "sqld", lines=0)) == []
    follower = supervisor.logs(root, lines=1, follow=True)
    next(follower)
    found = variables(root)
    pipeline(found["TURSO_DATABASE_URL"], "wrong", "SELECT 1")
    name, line = next(follower)
    assert (name, "401" in line) == ("sqld", True)
    with pytest.raises(Refused, match="there is no log 'nobody'"):
        list(supervisor.logs(root, "nobody"))
    with pytest.raises(Refused, match="there is no log"):
        list(supervisor.logs(root, "../credentials"))
    supervisor.down(root)


def test_what_scripts_get(root: Path) -> None:
    keys = {
        "up",
        "worker_url",
        "pages_url",
        "api_url",
        "account_id",
        "api_token",
        "database_url",
        "processes",
    }
    before = supervisor.summary(root)
    assert set(before) == keys
    assert (before["up"], before["processes"]) == (False, [])
    up(root, ("sqld",))
    summary: Any = supervisor.summary(root)
    found = variables(root)
    assert set(summary) == keys
    assert summary["up"] is True
    assert summary["worker_url"] == found["WORKER_URL"]
    assert summary["pages_url"] == found["PAGES_URL"]
    assert summary["api_url"] == found["CLOUDFLARE_API_BASE_URL"]
    assert summary["account_id"] == found["CLOUDFLARE_ACCOUNT_ID"]
    assert summary["api_token"] == found["CLOUDFLARE_API_TOKEN"]
    assert summary["database_url"] == found["TURSO_DATABASE_URL"]
    assert [entry["name"] for entry in summary["processes"]] == ["sqld"]
    json.dumps(summary)
    supervisor.down(root)
    assert supervisor.summary(root)["worker_url"] == found["WORKER_URL"]


def test_nothing_of_the_persons_shell_reaches_the_parts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY_LIVE", "sk_live_canary")
    up(root, ("sqld",))
    for process in left(root):
        assert "sk_live_canary" not in process.environ().values()
    supervisor.down(root)
