from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xswarm_deploy.errors import DeployError, Refused, Unavailable
from xswarm_deploy.settings import references
from xswarm_deploy.settings.settings import Settings

CANARY = "canary-value-0123456789"
LONG = 60.0  # seconds a program is given where its time limit is not what is judged


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put programs op, vault and sops first on PATH that print the arguments they got."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("op", "vault", "sops"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nprintf "%s|" {name} "$@"; echo\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("op://Vault/Item/a field", "op|read|--no-newline|op://Vault/Item/a field|"),
        ("vault:secret/boss#jwt", "vault|kv|get|-field=jwt|secret/boss|"),
        ("sops:a.yaml#db/token", 'sops|-d|--extract|["db"]["token"]|a.yaml|'),
    ],
)
def test_each_tool_is_asked_in_its_own_words(
    tools: Path, tmp_path: Path, reference: str, words: str
) -> None:
    assert references.resolved({"A": reference, "B": "plain"}, tmp_path) == {
        "A": words,
        "B": "plain",
    }


def test_a_command_gets_its_words_and_no_shell(tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1])"
    reference = f"command:{sys.executable} -c '{code}' '$(id); `id` $HOME'"
    assert references.resolved({"A": reference}, tmp_path) == {"A": "$(id); `id` $HOME"}


def test_only_the_last_line_break_is_dropped(tmp_path: Path) -> None:
    reference = f"command:{sys.executable} -c 'print(\"a\\nb\\n\")'"
    assert references.resolved({"A": reference}, tmp_path) == {"A": "a\nb\n"}


MEETING = """
import pathlib, sys, time
here, me, parties = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
(here / me).touch()
while len(list(here.iterdir())) < parties:
    time.sleep(0.01)
print(me)
"""


def test_all_are_asked_at_once(tmp_path: Path) -> None:
    """Each answers when all have been asked: one after another, none would."""
    script, place = tmp_path / "meeting.py", tmp_path / "place"
    script.write_text(MEETING)
    place.mkdir()
    asked = {name: f"command:{sys.executable} {script} {place} {name} 6" for name in "ABCDEF"}
    assert references.resolved(asked, tmp_path, LONG) == {name: name for name in asked}


@pytest.mark.parametrize(
    ("reference", "error", "said"),
    [
        ("op://vault/item", Refused, "op://vault/item/field"),
        ("vault:path", Refused, "vault:path#field"),
        ("vault:-address=x#y", Refused, "vault:path#field"),
        ("sops:file", Refused, "sops:file#key/key"),
        ("command:", Refused, "command:program arguments"),
        ("command:echo 'unclosed", Refused, "quotation"),
        ("command:no-such-program", Unavailable, "install no-such-program"),
        (f"command:{sys.executable} -c ''", Refused, "gave nothing"),
        (f"command:{sys.executable} -c 'print(chr(32))'", Refused, "gave nothing"),
        (f"command:{sys.executable} -c 'import os; os.write(1, bytes([255]))'", Refused, "no text"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(
    tmp_path: Path, reference: str, error: type[DeployError], said: str
) -> None:
    with pytest.raises(error) as caught:
        references.resolved({"JWT_SECRET": reference}, tmp_path, LONG)
    assert "JWT_SECRET" in caught.value.what
    assert said in caught.value.render()


def test_what_gives_no_answer_is_refused_by_name(tmp_path: Path) -> None:
    silent = f"command:{sys.executable} -c 'import time; time.sleep(600)'"
    with pytest.raises(Unavailable, match="JWT_SECRET") as caught:
        references.resolved({"JWT_SECRET": silent}, tmp_path, seconds=0.1)
    assert "no answer" in caught.value.render()


def test_what_a_failing_command_prints_is_shown_nowhere(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(f"import sys; print('{CANARY}'); sys.stderr.write('{CANARY}'); sys.exit(3)")
    with pytest.raises(Refused) as caught:
        references.resolved({"A": f"command:{sys.executable} {script}"}, tmp_path)
    assert "ended with 3" in caught.value.why
    assert CANARY not in caught.value.render()
    assert caught.value.__cause__ is None


def test_an_environment_takes_references_for_secrets_and_plain_values(
    settings: Callable[..., Settings],
) -> None:
    echo = f"command:{sys.executable} -c 'print("
    found = settings(
        None,
        OPENAI_API_KEY=f"{echo}chr(115) + chr(107) + chr(45) + str(10**12))'",
        WORKER_URL=f"{echo}chr(104) + chr(116))'",
        TWILIO_AUTH_TOKEN_LIVE="command:no-such-program",
    )
    assert found.secret("OPENAI_API_KEY").reveal() == f"sk-{10**12}"
    assert found.text("WORKER_URL") == "ht"
