"""The pipelines that ``init`` writes, and the one to include: their steps release to a twin.

Each job begins in a fresh clone, as on a runner. ``pip`` there looks whether what it is to install
is what this repository makes; ``xswarm`` is this checkout's.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adoption import steps
from tests.adoption.repositories import JAVASCRIPT, committed, file, git, wrangler
from tests.adoption.test_own_repository import STARTED, Repository, bare_wrangler, opened
from tests.adoption.test_writing import answered, save
from tests.support.receiver import receiving

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
PIP = """\
#!{python}
import sys, tomllib
from packaging.requirements import Requirement
words = [word for word in sys.argv[1:] if word != "--quiet"]
if words[:2] == ["-m", "pip"]:  # python -m pip
    words = words[2:]
elif words[0] == "-c":  # of the Python that a job has
    sys.prefix = sys.argv[0].rpartition("/bin/")[0]
    sys.exit(exec(words[1]))
assert words[0] == "install" and len(words) == 2, words
needed = Requirement(words[1])
project = tomllib.load(open("{project}/packages/deploy/pyproject.toml", "rb"))["project"]
assert needed.name == project["name"], needed
assert needed.extras <= set(project["optional-dependencies"]), needed
"""
XSWARM = """\
#!/bin/sh
exec {python} -c "{started}" "$@"
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """Return a repository with both pipelines, whose production is a twin."""
    root = tmp_path_factory.mktemp("pipelines") / "shop"
    file(root, "wrangler.jsonc", wrangler(main="src/index.js"))
    file(root, "src/index.js", JAVASCRIPT)
    file(root, ".dev.vars", "API_KEY=canary-of-dev-vars\n")
    file(root, ".gitignore", ".dev.vars\n")
    committed(root)
    for each in ("github", "gitlab"):
        save(answered(root, ci=each))
        if each == "github":
            (root / "invoke.yaml").rename(root / "invoke.first")
    (root / "invoke.first").unlink()
    with opened(root) as repository:
        repository.xswarm("sandbox.up")
        bare_wrangler(repository, "d1", "create", "shop-releases")
        example = root / "deployment/config/production.env.example"
        known = repository.endpoints
        text = re.sub("WORKER_URL=.*", f"WORKER_URL={known['WORKER_URL']}", example.read_text())
        example.write_text(f"{text}CLOUDFLARE_API_BASE_URL={known['CLOUDFLARE_API_BASE_URL']}\n")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "pipelines")
        yield repository


@pytest.fixture
def checkout(team: Repository, tmp_path: Path) -> Path:
    """Return a clone, where nothing is that git does not have."""
    git(tmp_path, "clone", "--quiet", str(team.root), "clone")
    return tmp_path / "clone"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Return what a runner has in its environment."""
    for name in ("pip", "python"):
        file(tmp_path, f"bin/{name}", PIP.format(python=sys.executable, project=PROJECT))
    file(tmp_path, "bin/xswarm", XSWARM.format(python=sys.executable, started=STARTED))
    for each in (tmp_path / "bin").iterdir():
        each.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "CI": "true"}


@pytest.fixture
def secrets(team: Repository) -> dict[str, str]:
    """Return what a person sets at the pipeline's project."""
    names = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
    return {**{name: team.endpoints[name] for name in names}, "API_KEY": "canary-of-the-pipeline"}


def test_the_workflow_of_github_plans_and_releases(
    team: Repository,
    checkout: Path,
    variables: dict[str, str],
    secrets: dict[str, str],
    tmp_path: Path,
) -> None:
    workflow = checkout / ".github/workflows/deploy.yml"
    given = {
        **variables,
        "GITHUB_ACTIONS": "true",
        "GITHUB_SHA": git(checkout, "rev-parse", "HEAD"),
    }
    given |= {"GITHUB_REPOSITORY": "acme/shop", "GITHUB_REF": "refs/pull/7/merge"}
    given |= {"GITHUB_WORKSPACE": str(checkout)}
    (tmp_path / "plan").mkdir()
    with receiving() as github:
        github.listed = b"[]"  # no comment yet
        job = steps.GitHub(
            checkout, given | {"GITHUB_API_URL": github.url}, secrets, tmp_path / "plan"
        )
        assert job.run(workflow, "plan") == 0, job.said
    (posted,) = github.bodies("/repos/acme/shop/issues/7/comments")
    assert "Plan for production: shop" in posted.decode()

    (tmp_path / "release").mkdir()
    git(checkout, "clean", "--quiet", "-xdf")
    job = steps.GitHub(checkout, given, secrets, tmp_path / "release")
    assert job.run(workflow, "release") == 0, job.said
    assert team.get().text == "Hello from JavaScript"
    assert job.outputs["release"]["url"] == team.endpoints["WORKER_URL"]
    assert "✅ shop is live in production" in job.summary
    assert "canary" not in job.said


@pytest.mark.parametrize("included", [False, True], ids=["written", "included"])
def test_the_pipelines_of_gitlab_check_and_release(
    team: Repository,
    checkout: Path,
    variables: dict[str, str],
    secrets: dict[str, str],
    included: bool,
) -> None:
    template = PROJECT / "deployment/ci/gitlab.yml" if included else checkout / ".gitlab-ci.yml"
    prefix, said_of = ("xswarm " if included else ""), git(checkout, "rev-parse", "HEAD")
    given = {**variables, **secrets, "CI_COMMIT_SHA": said_of}
    source = checkout / "src/index.js"
    source.write_text(source.read_text().replace("JavaScript", template.name))
    git(checkout, "commit", "--quiet", "--all", "--message", "changed")
    code, said = steps.gitlab(template, f"{prefix}check", checkout, given)
    assert code == 0, said
    assert "<testsuite" in (checkout / ".deployments/check.xml").read_text()
    code, said = steps.gitlab(template, f"{prefix}release", checkout, given)
    assert code == 0, said
    assert team.get().text == f"Hello from {template.name}"
    assert "canary" not in said


def test_a_step_that_fails_ends_the_job(
    checkout: Path, variables: dict[str, str], secrets: dict[str, str], tmp_path: Path
) -> None:
    workflow = checkout / ".github/workflows/deploy.yml"
    workflow.write_text(workflow.read_text().replace("production.env.example", "gone.env.example"))
    (tmp_path / "release").mkdir()
    job = steps.GitHub(checkout, variables, secrets, tmp_path / "release")
    assert job.run(workflow, "release") != 0
    assert "gone.env.example" in job.said
    assert "deploy.prod" not in job.said
