"""The command that builds a Worker is a person's own, and runs as its shell would run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy.cli import building
from xswarm_deploy.errors import StepFailed


def test_commands_are_joined_as_people_join_them(tmp_path: Path) -> None:
    building.build('echo "a b" > one && cp one two', tmp_path, "staging", tmp_path)
    assert (tmp_path / "two").read_text() == "a b\n"


def test_the_part_of_wranglers_file_is_known_to_it(tmp_path: Path) -> None:
    building.build("echo $CLOUDFLARE_ENV $CI > told", tmp_path, "staging", tmp_path)
    assert (tmp_path / "told").read_text() == "staging 1\n"


def test_the_shells_own_choice_of_an_environment_chooses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the top level would be released as it is built for staging."""
    monkeypatch.setenv("CLOUDFLARE_ENV", "staging")
    for part in ("", "production"):
        building.build("echo built for ${CLOUDFLARE_ENV-none} > told", tmp_path, part, tmp_path)
        assert (tmp_path / "told").read_text() == f"built for {part or 'none'}\n"


def test_what_fails_ends_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="the build failed: echo no such file && false") as told:
        building.build("echo no such file && false", tmp_path, "", tmp_path)
    assert "no such file" in told.value.why
    assert str(tmp_path) in told.value.remedy


def test_a_fresh_clone_is_told_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build itself would fail again: what it is made of is not there."""
    (tmp_path / "pnpm-lock.yaml").touch()
    (tmp_path / "package.json").write_text('{"devDependencies": {"vite": "7"}}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StepFailed, match="the build failed") as told:
        building.build("vite build", tmp_path, "", tmp_path)
    assert told.value.remedy == "pnpm install  (vite is not there)"


BROKEN = """\
> next build
✓ 0 errors in types
Error: Turbopack build failed with 2 errors:
Failed to fetch Geist from Google Fonts.
{frames}
Error: Command failed: npm run build
    at genericNodeError (node:internal/errors:985:15)
    at async buildCommand (file:///node_modules/@opennextjs/cloudflare/dist/build.js:40:5)
Node.js v24.19.0
"""


def test_the_reason_is_told_and_not_the_stack_of_who_ran_it(tmp_path: Path) -> None:
    said = BROKEN.format(frames="\n".join(f"    at ignored ({n}:1)" for n in range(40)))
    (tmp_path / "said").write_text(said)
    with pytest.raises(StepFailed) as told:
        building.build("cat said && false", tmp_path, "", tmp_path)
    assert "Failed to fetch Geist" in told.value.why
    assert "genericNodeError" not in told.value.why
    assert (tmp_path / ".deployments/build.log").read_text() == said


def test_a_file_that_is_called_error_is_none(tmp_path: Path) -> None:
    """As Nuxt's build lists its pages."""
    listed = (
        "dist/_nuxt/error-404.Bb87HomL.css 2.42 kB\n.nuxt/error.vue\n" + "dist/x.js 1 kB\n" * 40
    )
    (tmp_path / "said").write_text(f"{listed} ERROR  Build failed in 4 ms\nunresolved: x\n")
    with pytest.raises(StepFailed) as told:
        building.build("cat said && false", tmp_path, "", tmp_path)
    assert "error-404" not in told.value.why
    assert "error.vue" not in told.value.why
    assert "Build failed in 4 ms" in told.value.why


def test_of_a_long_story_the_end_is_told(tmp_path: Path) -> None:
    (tmp_path / "said").write_text("error: first\n" + "line\n" * 100 + "the last words\n")
    with pytest.raises(StepFailed) as told:
        building.build("cat said && false", tmp_path, "", tmp_path)
    assert told.value.why.splitlines()[-2] == "the last words"


def test_a_program_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as told:
        building.build("tscx || { yes error | head -n 40; false; }", tmp_path, "", tmp_path)
    assert "tscx: not found" in told.value.why.splitlines()[0].replace("command not", "not")
