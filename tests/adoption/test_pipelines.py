"""The pipelines that this repository offers: their commands exist, and their steps run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke.parser import Parser
from invoke.parser.context import ParserContext
from invoke.program import Program

from tests.adoption.repositories import committed, file, wrangler
from tests.adoption.test_writing import answered
from xswarm_deploy import child, tasks
from xswarm_deploy.adoption import pipelines

PROJECT = Path(__file__).resolve().parents[2]
OFFERED = [
    PROJECT / "action.yml",
    PROJECT / "deployment/ci/gitlab.yml",
    *sorted(pipelines._FOLDER.glob("*.yml")),
]
INPUT = re.compile(r"\$\{\{ (inputs\.(?P<input>\w+)|github\.token) \}\}")


@pytest.mark.parametrize("offered", OFFERED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_command_exists_with_its_flags(offered: Path) -> None:
    text = offered.read_text().replace('"deploy.$task"', "deploy.prod").replace("%%", "x")
    lines = [each for each in text.splitlines() if not each.rstrip().endswith(":")]
    found = re.findall(r"(?:run: |- |; then |\) |&& |^ {8,})xswarm (.+)", "\n".join(lines), re.M)
    commands = [re.findall(r'[\w.$"/-]+', each.split(";")[0]) for each in found]
    assert len(commands) >= 2
    contexts = list(tasks.ns.to_contexts())
    for words in commands:
        line = ["production" if word.startswith('"$') else word for word in words]
        core = ParserContext(args=Program().core_args())
        assert Parser(initial=core, contexts=contexts).parse_argv(line), line


def steps(variables: dict[str, str], **inputs: str) -> list[tuple[str, str, dict[str, str]]]:
    """Return the script, the folder and the environment of each step of the action."""
    action: dict[str, Any] = yaml.safe_load((PROJECT / "action.yml").read_text())
    given = {name: str(each.get("default", "")) for name, each in action["inputs"].items()}
    given |= inputs

    def filled(text: str) -> str:
        return INPUT.sub(lambda found: given.get(found["input"] or "", "token"), text)

    return [
        (
            step["run"],
            filled(step.get("working-directory", ".")),
            {**variables, **{n: filled(v) for n, v in (step.get("env") or {}).items()}},
        )
        for step in action["runs"]["steps"]
    ]


def run(top: Path, variables: dict[str, str], **inputs: str) -> str:
    """Run the steps of the action as a runner does, each in a shell of its own, up to a failure."""
    said = ""
    for script, folder, given in steps(variables, **inputs):
        assert "${{" not in script, "an input in a script is a command of whoever sets it"
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=top / folder,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )
        said += ended.stdout + ended.stderr
        if ended.returncode:
            return f"{said}ended with {ended.returncode}"
    return said


@pytest.fixture
def checkout(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Return a checkout, and an environment whose xswarm says how it was called."""
    file(tmp_path, "apps/my api/deployment/config/production.env.example", "A=\n")
    program = file(tmp_path, "bin/xswarm", '#!/bin/sh\necho "xswarm $*"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return tmp_path, {"PATH": path, "GITHUB_SHA": "abc", "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("inputs", "commands"),
    [
        ({}, ["xswarm deploy.prod --yes --wait 15m --message abc"]),
        ({"command": "plan"}, ["xswarm production deploy.plan --comment"]),
        ({"command": "check"}, ["xswarm production check --junit .deployments/check.xml"]),
        (
            {"build": "echo xswarm-build; touch built"},
            [
                "xswarm-build",
                "xswarm deploy.prod --yes --wait 15m --message abc",
            ],
        ),
    ],
)
def test_the_steps_of_the_action(
    checkout: tuple[Path, dict[str, str]], inputs: dict[str, str], commands: list[str]
) -> None:
    top, environment = checkout
    said = run(top, environment, folder="apps/my api", **inputs)
    assert said.splitlines() == commands
    kept = top / "apps/my api/deployment/config/production.env"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_what_the_action_does_not_know_fails(checkout: tuple[Path, dict[str, str]]) -> None:
    top, environment = checkout
    said = run(top, environment, folder="apps/my api", command="x; echo owned")
    assert said.endswith("ended with 2")
    assert "\nowned" not in said


def test_a_build_that_fails_ends_it(checkout: tuple[Path, dict[str, str]]) -> None:
    top, environment = checkout
    assert run(top, environment, folder="apps/my api", build="false; echo on").endswith(
        "ended with 1"
    )


def test_the_steps_of_the_template_for_gitlab(checkout: tuple[Path, dict[str, str]]) -> None:
    top, environment = checkout
    template = yaml.safe_load((PROJECT / "deployment/ci/gitlab.yml").read_text())
    variables = {**template["variables"], "XSWARM_FOLDER": "apps/my api", "CI_COMMIT_SHA": "abc"}
    said = []
    for job in ("xswarm check", "xswarm release"):
        lines = [*template[".xswarm"]["before_script"], *template[job]["script"]]
        ended = subprocess.run(
            ["sh", "-euc", "\n".join(lines)],
            cwd=top,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        said += ended.stdout.splitlines()
    assert said == [
        "xswarm production check --junit .deployments/check.xml",
        "xswarm production deploy.plan",
        "xswarm deploy.prod --yes --wait 15m --message abc",
    ]


@pytest.mark.parametrize(
    ("package", "installs"),
    [({}, ""), ({"dependencies": {"hono": "4"}, "packageManager": "pnpm@9"}, "pnpm install")],
)
@pytest.mark.parametrize("domain", ["", "api.shop.example"])
def test_what_is_written_says_what_this_repository_needs(
    tmp_path: Path, package: dict[str, Any], installs: str, domain: str
) -> None:
    """GitLab takes no ``true`` for a command, and no address is made up."""
    routes: dict[str, Any] = (
        {"routes": [{"pattern": domain, "custom_domain": True}]} if domain else {}
    )
    file(tmp_path, "wrangler.jsonc", wrangler(**routes))
    if package:
        file(tmp_path, "package.json", package)
    committed(tmp_path)
    given = answered(tmp_path, ci="none")
    for name in ("github.yml", "gitlab.yml"):
        text = pipelines.text(given, name)
        assert ("# Fill in WORKER_URL in " in text) == (not domain)
        content = yaml.safe_load(text)
        jobs = content.get("jobs", {}).values()
        lines = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
        lines += content.get("default", {}).get("before_script", [])
        assert all(isinstance(line, str) for line in lines), lines
        assert any("pnpm@9 && pnpm install" in line for line in lines) == bool(installs)


def test_the_keys_are_for_the_steps_that_need_them(tmp_path: Path) -> None:
    """A package's own script, which npm runs as it installs it, sees none of them."""
    file(tmp_path, "wrangler.jsonc", wrangler())
    file(tmp_path, "package.json", {"dependencies": {"hono": "4"}})
    committed(tmp_path)
    written = yaml.safe_load(pipelines.text(answered(tmp_path, ci="none"), "github.yml"))
    assert "env" not in written
    for job in written["jobs"].values():
        assert "env" not in job
        given = {step["run"].split()[0] for step in job["steps"] if "secrets." in str(step)}
        assert given == {"xswarm"}


@pytest.mark.parametrize("folder", ["", "apps/api"])
def test_a_workflow_of_the_teams_own_stays_beside_ours(tmp_path: Path, folder: str) -> None:
    below = f"-{Path(folder).name}" if folder else ""
    file(tmp_path, f"{folder}/wrangler.jsonc".lstrip("/"), wrangler())
    own = file(tmp_path, f".github/workflows/deploy{below}.yml", "run: npx wrangler deploy\n")
    committed(tmp_path)
    given = answered(tmp_path / folder, ci="github")
    (change,) = pipelines.files(given)
    assert change.path == own.with_name(f"xswarm{below}.yml")
    change.write()
    assert pipelines.files(given) == []
    change.path.unlink()
    own.write_text("run: xswarm deploy.prod\n")
    assert pipelines.files(given) == []


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({}, ""),
        ({".nvmrc": "22"}, ".nvmrc"),
        ({"apps/api/.node-version": "22", ".nvmrc": "20"}, "apps/api/.node-version"),
        ({"apps/api/package.json": {"engines": {"node": "22.x"}}}, "apps/api/package.json"),
        ({"package.json": {"volta": {"node": "22.12.0"}}}, "package.json"),
        ({"package.json": {"engines": ["node >= 4"]}}, ""),
    ],
)
def test_the_repositorys_own_node_is_set_up_before_its_packages_are_installed(
    tmp_path: Path, files: dict[str, Any], named: str
) -> None:
    """What npm compiles for one version of Node, another could not load."""
    file(tmp_path, "apps/api/package.json", {"dependencies": {"hono": "4"}})
    for name, content in files.items():
        file(tmp_path, name, content)
    file(tmp_path, "apps/api/package-lock.json", {})
    file(tmp_path, "apps/api/wrangler.jsonc", wrangler("api"))
    committed(tmp_path)
    (tmp_path / "apps/api/package.json").write_text(
        json.dumps({"dependencies": {"hono": "4"}} | files.get("apps/api/package.json", {}))
    )
    jobs = yaml.safe_load(pipelines.text(answered(tmp_path / "apps/api"), "github.yml"))["jobs"]
    for job in jobs.values():
        told = [
            step["with"]["node-version-file"]
            for step in job["steps"]
            if "node" in str(step.get("uses"))
        ]
        assert told == ([named] if named else [])
        ran = [step["run"] for step in job["steps"] if "run" in step]
        assert ran[:2] == [
            "pip install --quiet 'xswarm-deploy[twin]'",
            "npm ci",
        ]


def test_each_package_has_a_name_and_a_queue_of_its_own(tmp_path: Path) -> None:
    """One that waits is cancelled by the next of its group (GitHub Actions, concurrency)."""
    file(tmp_path, "pnpm-workspace.yaml", "packages: [apps/*]\n")
    told = []
    for name in ("api", "jobs"):
        file(tmp_path, f"apps/{name}/package.json", {"name": name})
        file(tmp_path, f"apps/{name}/wrangler.jsonc", wrangler(name))
    committed(tmp_path)
    for name in ("api", "jobs"):
        written = yaml.safe_load(pipelines.text(answered(tmp_path / "apps" / name), "github.yml"))
        told.append((written["name"], written["jobs"]["release"]["concurrency"]["group"]))
    assert told == [("deploy-api", "production-api"), ("deploy-jobs", "production-jobs")]


def test_submodules_and_large_files_are_checked_out_where_there_are_any(tmp_path: Path) -> None:
    """Else a checkout has empty folders, and pointers in place of files, which are deployed."""
    file(tmp_path, "wrangler.jsonc", wrangler())
    committed(tmp_path)
    plain = answered(tmp_path, ci="github")
    for template in ("github.yml", "gitlab.yml"):
        assert "submodule" not in pipelines.text(plain, template).lower()
        assert "lfs" not in pipelines.text(plain, template)
        yaml.safe_load(pipelines.text(plain, template))
    file(tmp_path, ".gitmodules", '[submodule "shared"]\n')
    file(tmp_path, ".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n")
    jobs = yaml.safe_load(pipelines.text(plain, "github.yml"))["jobs"]
    wanted = {"submodules": "recursive", "lfs": True}
    assert jobs["plan"]["steps"][0]["with"] == wanted
    assert jobs["release"]["steps"][0]["with"] == {"fetch-depth": 0, **wanted}
    gitlab = yaml.safe_load(pipelines.text(plain, "gitlab.yml"))
    assert gitlab["variables"] == {"GIT_SUBMODULE_STRATEGY": "recursive"}


@pytest.mark.slow
def test_npm_installs_what_the_root_of_a_workspace_builds_with(tmp_path: Path) -> None:
    """Typed in the package itself, npm ci would leave out the root's own tools."""
    file(tmp_path, "tool/package.json", {"name": "tool", "version": "1.0.0"})
    dependencies = {"devDependencies": {"tool": "file:./tool"}, "workspaces": ["apps/*"]}
    file(tmp_path, "package.json", {"name": "root", "private": True, **dependencies})
    file(tmp_path, "other/package.json", {"name": "other", "version": "1.0.0"})
    needs = {"dependencies": {"other": "file:../../other"}}
    folder = file(tmp_path, "apps/api/package.json", {"name": "api", "version": "1.0.0", **needs})
    file(tmp_path, "apps/api/wrangler.jsonc", wrangler("api"))
    given, lock = child.installer(), ["npm", "install", "--package-lock-only"]
    subprocess.run(lock, cwd=tmp_path, check=True, env=given)
    committed(tmp_path)
    install = pipelines._install(answered(folder.parent))
    subprocess.run(["bash", "-ec", install], cwd=folder.parent, check=True, env=given)
    assert install == "(cd ../.. && npm ci)"
    assert (tmp_path / "node_modules/tool").is_dir()
    assert (tmp_path / "node_modules/other").is_dir()
