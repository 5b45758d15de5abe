"""What a run of GitHub Actions shows: read back as its documentation says they are written."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import responses

from tests.adoption.repositories import committed, file
from tests.support.answering import answering, reply
from xswarm_deploy.cli import github, locating, pull_request
from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError, Refused, StepFailed, Unavailable
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.model.step import Change
from xswarm_deploy.release.preview import Plan
from xswarm_deploy.secret import Secret

COMMAND = re.compile(r"::(?P<name>\w+)(?: (?P<named>[^:]*))?::(?P<data>.*)")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the project's folder in a step of GitHub Actions, one folder below the checkout."""
    project = tmp_path / "apps/api"
    file(project, "wrangler.jsonc", '{\n  "name": "shop",\n  "main": "src/none.ts"\n}')
    file(
        project,
        "invoke.yaml",
        "deploy:\n  worker: {name: shop}\n  verify:\n    over_budget: no\n    routes:\n"
        "      - {path: /health}\n      - {path: /api/users, status: [401]}\n",
    )
    file(project, "db/migrations/2_teams.sql", "-- migrate:up\n")
    file(project, "deployment/config/production.env.example", "# a\nA=\nMAPS_KEY=\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    return project


def commands(said: str) -> list[tuple[str, dict[str, str], str]]:
    """Read workflow commands as the runner does."""
    found = []
    for line in said.splitlines():
        read = COMMAND.fullmatch(line)
        if read:
            pairs = (pair.split("=", 1) for pair in (read["named"] or "").split(",") if pair)
            named = {key: unquote(value) for key, value in pairs}
            found.append((read["name"], named, unquote(read["data"])))
    return found


@pytest.mark.parametrize(
    "named",
    [
        "src/routes/about/+page.svelte",
        "app/(shop)/items/[[...slug]]/page.tsx",
        "src/pages/[slug].astro",
        "app/routes/items.$id.tsx",
    ],
)
def test_the_file_of_a_framework_that_a_build_names(root: Path, named: str) -> None:
    """And not one of those that it made, which it lists first."""
    committed(root)
    file(root, named, "x\n")
    file(root, ".gitignore", "dist/\n")
    file(root, "dist/error.js", "")
    why = f"dist/error.js 9 kB\n[plugin] {root}/{named}:31:15 Unexpected token"
    place = locating.of_error(StepFailed("the build failed: vite build", why), root)
    assert place == locating.Place(f"apps/api/{named}", 31)


@pytest.mark.parametrize(
    ("finding", "place"),
    [
        (Finding("MAPS_KEY", "variables", "fail"), ("deployment/config/production.env.example", 3)),
        (Finding("GET /api/users", "routes", "fail"), ("invoke.yaml", 7)),
        (
            Finding("worker main", "configuration", "fail", True, "main is 'src/none.ts': no file"),
            ("wrangler.jsonc", 3),
        ),
        (
            Finding("migrations", "database", "fail", True, "2_teams.sql, line 14: no down part"),
            ("db/migrations/2_teams.sql", 14),
        ),
        (Finding("DNS", "domains", "fail", True, "shop.example.com: no such name"), None),
    ],
)
def test_a_finding_is_at_the_file_and_line_that_is_meant(
    root: Path, finding: Finding, place: tuple[str, int] | None
) -> None:
    found = locating.of_finding(finding, root, "production")
    wanted = locating.Place(f"apps/api/{place[0]}", place[1]) if place else None
    assert found == wanted


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (Refused("invoke.yaml: deploy.verify.over_budget is 'no'"), ("invoke.yaml", 4)),
        (Refused("wrangler.jsonc cannot be read", "line 2 column 5"), ("wrangler.jsonc", 2)),
        (
            StepFailed("2_teams.sql failed", 'line 3: near "TALBE"'),
            ("db/migrations/2_teams.sql", 3),
        ),
        (Unavailable("Stripe did not answer"), None),
        (StepFailed("the version is not good", "GET /health: 500"), ("invoke.yaml", 6)),
        (Refused("nowhere.sql is gone", "line 3"), None),
    ],
)
def test_an_error_is_at_the_file_and_line_that_is_meant(
    root: Path,
    error: DeployError,
    place: tuple[str, int] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    github.annotate_error(error, root)
    ((name, named, data),) = commands(capsys.readouterr().out)
    wanted = {"file": f"apps/api/{place[0]}", "line": str(place[1])} if place else {}
    assert (name, named) == ("error", {**wanted, "title": error.what})
    assert data


def test_a_report_is_annotations_and_a_summary_without_secrets(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = Secret("canary-value-0123456789", "MAPS_KEY").reveal()
    findings = (
        Finding("a|b", "machine", "pass", True, "fine\n<b>"),
        Finding(
            "x, y: 100 %", "machine", "fail", True, f"it said {secret}\nand ended", "inv check"
        ),
        Finding("z", "machine", "warn", False, "late"),
    )
    github.report(Report("check", findings), root, "production")
    said = commands(capsys.readouterr().out)
    assert [(name, named["title"]) for name, named, _ in said] == [
        ("error", "x, y: 100 %"),
        ("warning", "z"),
    ]
    assert said[0][2] == "it said [MAPS_KEY]\nand ended\nnext: ./inv check"
    summary = (tmp_path / "summary").read_text()
    assert "### check of production: 1 passed, 1 failed, 1 warning" in summary
    assert "| ✅ | a\\|b | fine &lt;b> |  |" in summary
    assert secret not in summary


def test_lines_are_grouped_there_and_nowhere_else(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for quiet in (False, True):
        with github.group("check: 100 %", quiet=quiet):
            sys.stdout.write("a line\n")
    monkeypatch.delenv("GITHUB_ACTIONS")
    with github.group("check"):
        sys.stdout.write("another\n")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["::group::check: 100 %25", "a line", "::endgroup::", "a line", "another"]


def test_a_release_is_outputs_and_a_summary(root: Path, tmp_path: Path) -> None:
    facts = {
        "release": "r1",
        "version": "v1",
        "url": "https://shop.test\nevil=1",
        "environment": "production",
        "worker": "shop",
    }
    github.released(facts, {"backup": 1.24})
    output = (tmp_path / "output").read_text()
    assert output == "release=r1\nversion=v1\nurl=https://shop.test evil=1\n"
    assert "✅ shop is live in production" in (tmp_path / "summary").read_text()
    github.failed(Refused("it broke", "so it is", "inv check"))
    assert "### ❌ it broke\n\nso it is\n\nnext: ./inv check" in (tmp_path / "summary").read_text()


def test_outside_of_github_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    github.report(Report("check", (Finding("a", "b", "fail"),)), tmp_path, "local")
    github.annotate_error(Refused("x"), tmp_path)
    github.failed(Refused("x"))
    github.summarise("x")
    assert capsys.readouterr().out == ""


FOREIGN = (
    "::add-mask::production",
    "\u00a0 ::set-output name=url::https://evil.example",
    "feat: ##[add-mask]production",
    "###[stop-commands]x",
)
"""Lines that somebody else wrote: a commit's subject, a file's name, an answer of the Worker."""


def obeyed(line: str) -> bool:
    """Return whether the runner obeys a line (actions/runner, ActionCommand.cs, both TryParse)."""
    begin = line.lstrip()
    newer = begin.startswith("::") and "::" in begin[2:]
    return newer or ("##[" in line and "]" in line[line.index("##[") :])


@pytest.mark.parametrize("foreign", FOREIGN)
def test_the_runner_obeys_no_line_of_another(
    root: Path, capsys: pytest.CaptureFixture[str], foreign: str
) -> None:
    assert obeyed(foreign)
    console = Console()
    console.line(foreign)
    console.table(("a", "b"), [(foreign, "x")])
    console.json({"message": foreign})
    with console.step("step") as line:
        line.detail = foreign
    sys.stdout.write(Refused(foreign, f"it said\n{foreign}", foreign).render())
    said = capsys.readouterr().out
    assert not [line for line in said.splitlines() if obeyed(line)]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_json_stays_what_it_was(
    root: Path, capsys: pytest.CaptureFixture[str], foreign: str
) -> None:
    Console().json({"message": foreign})
    assert json.loads(capsys.readouterr().out) == {"message": foreign}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_elsewhere_lines_stay_as_they_are(capsys: pytest.CaptureFixture[str], foreign: str) -> None:
    Console().line(foreign)
    assert capsys.readouterr().out == f"{foreign}\n"


def test_a_file_of_github_that_cannot_be_written_fails_no_release(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A container often gets the variables without the folder: the release is live all the same."""
    missing = tmp_path / "not-mounted/output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(missing))
    facts = {"release": "r1", "version": "v1", "url": "", "environment": "production"}
    github.released({**facts, "worker": "shop"}, {})
    assert f"GITHUB_OUTPUT cannot be written (No such file or directory): {missing}" in (
        capsys.readouterr().err
    )


PLAN = Plan(
    (Change("worker", "create", "version", irreversible="it is for good"),), same=("pages",)
)


@pytest.fixture
def pull(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a pull request's comments, in a run for it."""
    monkeypatch.setenv("GITHUB_REF", "refs/pull/7/merge")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/shop")
    monkeypatch.setenv("GITHUB_TOKEN", "canary-github-token")
    monkeypatch.setenv("GITHUB_API_URL", "https://github.test/api")
    return "https://github.test/api/repos/acme/shop/issues"


@responses.activate
def test_the_plan_is_one_comment_that_is_written_anew(pull: str) -> None:
    text = github.plan_text(PLAN, "production", "shop")
    kept: list[dict[str, object]] = [{"id": 1, "body": "hello"}]
    full = [{"id": n, "body": "others"} for n in range(100)]

    def post(request: object) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body)["body"]  # type: ignore[attr-defined]
        kept.append({"id": 9, "body": body, "user": {"type": "Bot"}, "author_association": "NONE"})
        return 201, {}, json.dumps({"html_url": "https://github.test/c/9"})

    responses.add(responses.GET, f"{pull}/7/comments?per_page=100&page=1", json=full)
    responses.add(responses.GET, f"{pull}/7/comments?per_page=100&page=2", json=kept)
    responses.add_callback(responses.POST, f"{pull}/7/comments", post)
    assert pull_request.comment(text, "plan production shop") == "https://github.test/c/9"
    assert "| worker | version | create |" in str(kept[-1]["body"])
    assert "⚠️ create cannot be undone: it is for good" in str(kept[-1]["body"])
    responses.replace(responses.GET, f"{pull}/7/comments?per_page=100&page=2", json=kept)
    responses.add(responses.PATCH, f"{pull}/comments/9", json={"html_url": "again"})
    assert pull_request.comment(text, "plan production shop") == "again"
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer canary-github-token"


@responses.activate
@pytest.mark.parametrize(
    ("author", "association", "taken"),
    [
        ("User", "NONE", False),
        ("User", "FIRST_TIME_CONTRIBUTOR", False),
        ("User", "CONTRIBUTOR", False),
        ("User", "MEMBER", True),
        ("Bot", "NONE", True),
    ],
)
def test_a_strangers_comment_with_our_mark_is_left_alone(
    pull: str, author: str, association: str, taken: bool
) -> None:
    """Whoever wrote it could change the plan after it was written there."""
    body = "<!-- xswarm: plan production shop -->\nNothing to do."
    there = {"id": 3, "body": body, "user": {"type": author}, "author_association": association}
    responses.add(responses.GET, f"{pull}/7/comments", json=[there])
    responses.add(responses.PATCH, f"{pull}/comments/3", json={"html_url": "again"})
    responses.add(responses.POST, f"{pull}/7/comments", json={"html_url": "new"})
    said = pull_request.comment("x", "plan production shop")
    assert said == ("again" if taken else "new")


@pytest.mark.parametrize("name", ["GITHUB_REF", "GITHUB_REPOSITORY", "GITHUB_TOKEN"])
def test_without_a_pull_request_it_says_what_is_missing(
    pull: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "refs/heads/main" if name == "GITHUB_REF" else "")
    with pytest.raises(Refused, match="no pull request"):
        pull_request.comment("x", "y")


@responses.activate
@pytest.mark.parametrize(("status", "kind"), [(403, Refused), (None, Unavailable)])
def test_a_comment_that_cannot_be_written_names_the_permission_and_no_key(
    pull: str, status: int | None, kind: type[DeployError]
) -> None:
    if status:
        responses.add(responses.GET, f"{pull}/7/comments", status=status, json={})
    with pytest.raises(kind) as caught:
        pull_request.comment("x", "y")
    assert "canary-github-token" not in str(caught.value)


@pytest.mark.parametrize(
    "odd",
    [
        reply("<html><title>Sign in</title></html>", kind="text/html"),
        reply("[1, null]"),
        reply('[{"id": "x"}]'),
        reply('{"message": "no"}'),
        reply("[" * 100_000),
        reply("", "Location: https://elsewhere.test", status="302 Found"),
    ],
    ids=["a login", "no comments", "an id of text", "an object", "nested", "elsewhere"],
)
def test_whatever_answers_for_github_is_one_error(
    pull: str, monkeypatch: pytest.MonkeyPatch, odd: bytes
) -> None:
    """A token never goes where a redirect leads, and no answer ends in a traceback."""
    with answering(odd) as server:
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        with pytest.raises(DeployError) as caught:
            pull_request.comment("x", "y")
    told = caught.value.render()
    assert "next:" in told
    assert "canary-github-token" not in told
