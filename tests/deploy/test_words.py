"""Every command that README and docs name is run, against the twin, also for production."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
import requests

from tests import words
from tests.support.house import SKIPPED, House, ask_canaries_one_route, build

pytestmark = pytest.mark.slow

# What a document's command needs before it can be run here, and what is not run twice.
NOT_RUN = {
    ("test",): "these are the tests",
    ("benchmark",): "an hour, and each script is looked at in tests/test_benchmarks.py",
    ("benchmark", "--name", "deployments"): "minutes, likewise",
    ("benchmark", "--name", "monitoring_growth"): "a stopwatch, likewise",
    ("test", "--quick"): "likewise",
    ("test", "--only", "tests/release", "--expression", "lock"): "likewise",
    ("test.mutants", "packages/deploy/src/xswarm_deploy/release/lock.py"): "minutes",
    ("test.mutants", "packages/deploy/src/xswarm_deploy/release", "--sample", "30"): "likewise",
    ("docs",): "tests/test_site.py builds the site",
    ("test.faults",): "tests/faults/test_matrix.py runs the same cases",
    ("test.faults", "--full"): "hours",
    ("sandbox.fault", "cloudflare", "degraded"): "all that follow would meet it: test_degraded.py",
    ("tools.install",): "tests/test_inv.py installs",
    ("sandbox.reset", "--yes"): "run last, below",
    ("sandbox.down",): "run last, below",
    ("logs", "--follow"): "until Ctrl-C: test_monitor.py",
    ("production", "logs", "--follow"): "likewise",
    ("monitor.dashboard",): "likewise",
    ("monitor.push",): "nobody receives what the twin measures: tests/monitor/test_push.py",
    ("logs", "--follow", "--status", "401"): "likewise",
    ("logs", "--follow", "--status", "404"): "likewise",
    ("logs", "--follow", "--status", "429"): "likewise",
    ("logs", "--follow", "--status", "401", "--method", "POST"): "likewise",
    ("production", "audit.tag"): "no checkout of git here: tests/tasks/test_audit.py",
    ("migrate.new", "user-locale"): "test_migrations_chapter.py fills its file in",
    ("migrate.down",): "test_migrations_chapter.py takes that file's back",
    ("migrate.restamp", "user-locale"): "test_migrations_chapter.py edits that file first",
}
ASKING = {
    ("deploy.prod",),
    ("deploy.prod", "--fast"),
    ("deploy.staging",),
    ("rollback",),
    ("production", "rollback"),
}  # a person is asked: below


OWN_NAMES = "name: boss-ai-production, canary"
WITH_CANARIES = "with-canaries.yaml"
OWN_PAGES = "      pages: {project: xswarm-boss-production}\n    staging:\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return a house where production has names of its own too: the twin has but one account.

    It releases to everybody at once, until :func:`with_canaries`.
    """
    made = build(tmp_path_factory.mktemp("words") / "project", forking=True, skips=SKIPPED)
    ask_canaries_one_route(made.root)
    project = made.root / "invoke.yaml"
    text = re.sub(r"soak: \d+", "soak: 1", project.read_text())
    text = text.replace("# slo:", "slo:").replace("release: refuse", "release: allow")
    text = text.replace("{canary", f"{{{OWN_NAMES}", 1).replace("    staging:\n", OWN_PAGES, 1)
    (made.root / WITH_CANARIES).write_text(text)
    measure_less(made.root / "benchmarks/monitoring_cost.py")
    project.write_text(re.sub(r"canary: \[{.*}\]", "canary: []", text))
    yield made
    made.inv("sandbox.down")


def measure_less(benchmark: Path) -> None:
    """Let the documented benchmark be 4 isolates at 20 requests a second, not 40 at 100."""
    text = benchmark.read_text()
    for asked, less in (("isolates", (40, 4)), ("requests", (100, 20))):
        before, after = (f'"--{asked}", type=int, default={number}' for number in less)
        assert before in text
        text = text.replace(before, after)
    benchmark.write_text(text)


@contextmanager
def with_canaries(house: House) -> Iterator[None]:
    """Have the canaries of this repository's invoke.yaml for a while, each watched for a second."""
    project = house.root / "invoke.yaml"
    without = project.read_text()
    project.write_text((house.root / WITH_CANARIES).read_text())
    try:
        yield
    finally:
        project.write_text(without)


@pytest.fixture(scope="module")
def environments(deployed: House) -> House:
    """Return staging and production environments whose services are the twin's."""
    config = deployed.root / "deployment/config"
    local = read(config / "local.env") | read(deployed.root / ".sandbox/endpoints.env")
    ports = json.loads((deployed.root / ".sandbox/state.json").read_text())["ports"]
    for environment, suffix in (("staging", "TEST"), ("production", "LIVE")):
        worker = f"http://127.0.0.1:{ports[f'worker:boss-ai-{environment}']}"
        pages = f"http://127.0.0.1:{ports[f'pages:xswarm-boss-{environment}']}"
        values = {**local, "ENVIRONMENT": environment, "WORKER_URL": worker, "API_URL": worker}
        values |= {"BASE_URL": pages, "CORS_ALLOWED_ORIGINS": pages}
        for name in ("TWILIO_AUTH_TOKEN", "SENDGRID_API_KEY"):
            values[f"{name}_{suffix}"] = local[f"{name}_TEST"]
        lines = [f'{name}="{value}"' for name, value in values.items() if value]
        (config / f"{environment}.env").write_text("\n".join(lines) + "\n")
    return deployed


def read(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if "=" in line and line[0] != "#"]
    return {name: value.strip('"') for name, value in (line.split("=", 1) for line in lines)}


@pytest.fixture(scope="module")
def filled(environments: House) -> House:
    """Return a house with a second release, to roll back from."""
    environments.inv("deploy.local", "--message", "second")
    environments.inv("deploy.staging", "--yes")
    environments.inv("deploy.prod", "--yes")
    return environments


def documented() -> list[tuple[str, ...]]:
    return [one for one in words.commands() if one not in NOT_RUN and one not in ASKING]


def hurried(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command that watches a canary for a second, however long its document does."""
    before = ("", *command)
    return tuple(
        "1" if last == "--soak" else word for last, word in zip(before, command, strict=False)
    )


@pytest.mark.parametrize("command", documented(), ids=" ".join)
def test_a_documented_command_does_what_it_says(filled: House, command: tuple[str, ...]) -> None:
    ended = filled.inv(*(live_one(filled, word) for word in hurried(command)), check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "Traceback" not in ended.stderr
    if command[:1] == ("sandbox.fault",):
        filled.inv("sandbox.fault", command[1], "off")


def live_one(house: House, word: str) -> str:
    """Return what stands in a document for a version or a release as the newest there is."""
    kind = {words.A_VERSION: "version", words.A_RELEASE: "release"}.get(word)
    return str(house.releases()[0][kind]) if kind else word


def test_production_wants_the_workers_name_typed(environments: House) -> None:
    refused = environments.inv("deploy.prod", check=False)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    person = terminal(environments, "deploy.prod")
    person.expect("Type boss-ai-production", timeout=120)
    person.sendline("boss-ai-production")
    person.expect("release .*version", timeout=180)
    person.expect(pexpect.EOF, timeout=120)
    person.close()
    assert person.exitstatus == 0
    listed = json.loads(environments.inv("production", "deploy.list", "--json").stdout)
    assert [entry["live"] for entry in listed[:1]] == [True]


def test_production_and_staging_are_canaries_by_default(filled: House) -> None:
    for environment, task in (("production", "deploy.prod"), ("staging", "deploy.staging")):
        with with_canaries(filled):
            filled.inv(task, "--yes")
        newest = json.loads(filled.inv(environment, "deploy.list", "--json").stdout)[0]["release"]
        shown = filled.inv(environment, "deploy.show", newest, "--json").stdout
        assert "canary at 10 %" in shown
        assert "canary at 50 %" in shown


@pytest.mark.parametrize("words_", [("deploy.staging",), ("staging", "rollback")], ids=" ".join)
def test_without_a_terminal_and_yes_nothing_happens(filled: House, words_: tuple[str, ...]) -> None:
    before = live(filled, "staging")
    version = ("--version", before) if "rollback" in words_ else ()
    ended = filled.inv(*words_, *version, check=False)
    assert ended.returncode == 2
    assert "--yes" in ended.stderr
    assert live(filled, "staging") == before


def test_a_wrong_name_changes_nothing(environments: House) -> None:
    before = live(environments, "production")
    person = terminal(environments, "deploy.prod")
    person.expect("Type boss-ai-production", timeout=120)
    person.sendline("yes")
    person.expect("not confirmed", timeout=120)
    person.expect(pexpect.EOF, timeout=120)
    person.close()
    assert person.exitstatus == 2
    assert live(environments, "production") == before


def test_a_person_chooses_what_to_go_back_to(filled: House) -> None:
    filled.inv("deploy.staging", "--yes")
    before = live(filled, "staging")
    person = terminal(filled, "staging", "rollback")
    person.expect("Which release", timeout=120)
    person.send("\r")
    person.expect("Roll boss-ai-staging", timeout=120)
    person.send("y")
    person.expect(pexpect.EOF, timeout=120)
    person.close()
    assert person.exitstatus == 0
    assert live(filled, "staging") != before


def live(house: House, environment: str) -> str:
    """Return the version that an environment's Worker serves."""
    status = json.loads(house.inv(environment, "worker.status", "--json").stdout)
    (version,) = status["split"]
    return str(version)


def test_staging_never_replaces_another_environments_worker(environments: House) -> None:
    before = live(environments, "production")
    ended = environments.inv(
        "deploy.staging",
        "--yes",
        check=False,
        DEPLOY_ENV_FILE=str(environments.root / "deployment/config/staging.env"),
        INVOKE_DEPLOY_ENVIRONMENTS_STAGING_WORKER_NAME="boss-ai-production",
    )
    assert ended.returncode == 3  # a backup was made before the Worker was looked at
    assert "is the one of production" in ended.stderr
    assert live(environments, "production") == before


def terminal(house: House, *words_: str) -> pexpect.spawn[str]:
    program, *arguments = house.command(*words_)
    return pexpect.spawn(
        program,
        arguments,
        cwd=str(house.root),
        env=house.environment(TERM="xterm"),
        encoding="utf-8",
        dimensions=(40, 120),
        timeout=120,
    )


def test_the_twin_ends_wholly(filled: House) -> None:
    url = filled.url
    filled.inv("sandbox.down")
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=120)
    assert filled.json("sandbox.status")["up"] is False
    filled.inv("sandbox.reset", "--yes")
    assert not (filled.root / ".sandbox").exists()
