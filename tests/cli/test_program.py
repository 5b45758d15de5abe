from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from invoke._version import __version__

from xswarm_deploy.errors import VERSION

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
OURS = ("-c", "from xswarm_deploy.cli.program import main; main()")
INSTALLED = ("-c", f"import sys; sys.argv[0] = '/usr/bin/xswarm'; {OURS[1]}")
INVOKE = ("-m", "invoke")


def run(
    program: tuple[str, ...], *words: str, folder: Path = PROJECT, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, *program, *words],
        cwd=folder,
        env={**kept, **environment},
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize(
    "words", ["--list", "--list deploy", "--help rollback", "deploy.prod --help", "--version"]
)
def test_it_says_what_invoke_says(words: str) -> None:
    ours, theirs = run(OURS, *words.split()), run(INVOKE, *words.split())
    assert (ours.returncode, ours.stderr) == (0, "")
    assert ours.stdout.replace("./inv", "inv[oke]") == theirs.stdout


def test_its_own_name_has_a_version_of_its_own() -> None:
    ended = run(INSTALLED, "--version")
    assert ended.stdout == f"xswarm {VERSION}, Invoke {__version__}\n"


def test_its_help_says_where_to_begin() -> None:
    assert "Begin in your repository:  xswarm init\n" in run(INSTALLED, "--help").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("no-such-task", '✗ Unknown task "no-such-task".\n  next: ./inv --list'),
        ("chek", '✗ Unknown task "chek". Did you mean "check"?\n  next: ./inv --list'),
        (
            "production deploy.pro --yes",
            '✗ Unknown task "deploy.pro". Did you mean "deploy.prod"?\n  next: ./inv --list',
        ),
        (
            "--help rolback",
            '✗ Unknown task "rolback". Did you mean "rollback"?\n  next: ./inv --list',
        ),
        (
            "check --no-such-flag",
            '✗ Unknown flag "--no-such-flag" of check.\n  next: ./inv --help check',
        ),
        (
            "deploy.abort --yes",
            '✗ Unknown flag "--yes" of deploy.abort.\n  why:  it does not ask\n'
            "  next: ./inv deploy.abort, without --yes",
        ),
        (
            "rollback --versoin 1",
            '✗ Unknown flag "--versoin" of rollback. Did you mean "--version"?\n'
            "  next: ./inv --help rollback",
        ),
        (
            "deploy.show",
            "✗ deploy.show needs 'release'\n  next: ./inv --help deploy.show",
        ),
        ("check --only", "✗ --only of check needs a value\n  next: ./inv --help check"),
        (
            "migrate.down --steps x",
            "✗ A flag that takes a number was given another text\n  why:  'x'\n"
            "  next: ./inv --help TASK",
        ),
        (
            "-T 1s check",
            "✗ A flag that takes a number was given another text\n  why:  '1s'\n"
            "  next: ./inv --help TASK",
        ),
        (
            "deploy.local -- --fast",
            '✗ Nothing reads what stands behind "--": --fast\n'
            '  next: leave out the "--"; flags stand behind their task',
        ),
        ("--config", "✗ --config needs a value\n  next: ./inv --help TASK"),
        ("--collection nowhere --list", "✗ there is no collection nowhere\n  next: ./inv --list"),
    ],
)
def test_a_line_that_cannot_be_read_ends_with_2(words: str, said: str) -> None:
    ended = run(OURS, *words.split())
    assert (ended.returncode, ended.stdout, ended.stderr.strip()) == (2, "", said)


@pytest.mark.parametrize("program", [OURS, INVOKE])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backup.restore", "latest", "--table", ""), "--table of backup.restore is empty"),
        (("backup.restore", "latest", "--to=", "--yes"), "--to of backup.restore is empty"),
        (("backup.restore", ""), "file of backup.restore is empty"),
        (("rollback", "--restore-db", ""), "--restore-db of rollback is empty"),
        (("migrate.baseline", "--to", "", "--yes"), "--to of migrate.baseline is empty"),
        (("migrate.down", "--steps", "-1", "--yes"), "--steps of migrate.down is -1"),
        (("worker.canary", "--soak", "nan"), "--soak of worker.canary is nan"),
        (("worker.canary", "--soak=inf"), "--soak of worker.canary is inf"),
        (("monitor.watch", "--interval", "0"), "--interval of monitor.watch is 0"),
        (("monitor.dashboard", "--port", "65536"), "--port of monitor.dashboard is 65536"),
    ],
)
def test_a_value_that_is_of_no_use_is_refused_before_anything_is_done(
    program: tuple[str, ...], words: tuple[str, ...], said: str
) -> None:
    ended = run(program, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"✗ {said}\n")


def test_a_flag_that_widens_nothing_may_be_empty() -> None:
    ended = run(OURS, "production", "check", "--junit", "")
    assert "no environment file" in ended.stderr


def test_an_empty_word_is_no_task() -> None:
    assert 'Unknown task "it\'s"' in run(OURS, "it's").stderr
    ended = run(OURS, "", "check")
    assert ended.stderr.startswith("✗ An empty word is no task\n")
    assert ended.returncode == 2


def test_a_collection_that_names_no_namespace_is_its_tasks(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "from invoke import task\n\n@task\ndef hello(c):\n    print('hello')\n"
    )
    ended = run(OURS, "--search-root", str(tmp_path), "--collection", "other", "hello")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "hello\n", "")


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("deploy: [1")
    ended = run(OURS, "--config", str(file), "check")
    assert ended.returncode == 2
    assert ended.stderr.startswith("✗ the configuration cannot be read\n  why:  while parsing")
    assert str(file) in ended.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("INVOKE_RUN_WATCHERS", "x", "the configuration cannot be read"),
        ("INVOKE_DEPLOY_VERIFY_ROUTES", "x", "INVOKE_DEPLOY_VERIFY_ROUTES cannot be set by a text"),
        ("INVOKE_DEPLOY_BACKUP_KEEP_DAILY", "a lot", "INVOKE_DEPLOY_BACKUP_KEEP_DAILY must be of"),
        ("INVOKE_DEPLOY_BACKUP_KEEP_DAILY", "", "INVOKE_DEPLOY_BACKUP_KEEP_DAILY must be of"),
        ("INVOKE_DEPLOY_WORKER_LONGEST_SOAK", "1h", "INVOKE_DEPLOY_WORKER_LONGEST_SOAK must be of"),
        ("INVOKE_DEPLOY_FAST", "maybe", "INVOKE_DEPLOY_FAST must be of"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(name: str, text: str, said: str) -> None:
    """The same, whether invoke.yaml has the setting or not: Invoke casts what it has itself."""
    ended = run(OURS, "check", folder=PROJECT, **{name: text})
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"✗ {said}")


def test_plain_invoke_has_the_executor_too_and_a_release_begins_with_its_own_body() -> None:
    ours, theirs = (run(program, "deploy.prod", "--yes") for program in (OURS, INVOKE))
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)
    assert "no environment file" in ours.stderr  # not Invoke's order: the check would come first


def test_several_tasks_and_their_flags_are_found_on_one_line() -> None:
    ended = run(OURS, "--dry", "staging", "environment", "local", "--help", "check")
    assert ended.returncode == 2  # `environment` is no task, whatever else is on the line
    assert 'Unknown task "environment".' in ended.stderr


def test_completion_knows_all_tasks() -> None:
    ended = run(OURS, "--complete", "--", "inv dep")
    assert {"deploy.prod", "check", "rollback"} <= set(ended.stdout.split())


@pytest.mark.parametrize("asked", ["--list", "--version"])
def test_a_reader_that_has_gone_is_no_failure(asked: str) -> None:
    """More than a buffer holds is written at once; what it holds, at the end."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, *OURS, asked],
        cwd=PROJECT,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


_TASKS = """
from invoke import Collection, task
import more

@task
def hello(c):
    pass

ns = Collection(hello)
"""


def test_what_python_compiled_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(_TASKS)
    (tmp_path / "more.py").touch()
    assert run(OURS, "hello", folder=tmp_path, PYTHONPATH=str(PROJECT)).returncode == 0
    assert list(tmp_path.glob("__pycache__/more.*.pyc"))


def test_a_shell_completes_the_wrapper(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(run(OURS, "--print-completion-script", "bash").stdout)
    shell = f"""
        PATH={tmp_path}:$PATH
        source {script}
        complete -p ./inv
    """
    ended = subprocess.run(["bash", "-c", shell], text=True, capture_output=True, check=True)
    assert "-F _complete_./inv ./inv" in ended.stdout
    flags = run(OURS, "--complete", "--", "./inv rollback --")
    assert "--restore-db" in flags.stdout.split()


@pytest.mark.parametrize("name", ["xswarm", "inv", "./inv"])
def test_each_name_of_the_tool_is_completed(tmp_path: Path, name: str) -> None:
    script = tmp_path / "completion"
    script.write_text(run(INSTALLED, "--print-completion-script", "bash").stdout)
    program = tmp_path / "xswarm"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{INSTALLED[1]}" "$@"\n')
    program.chmod(0o755)
    shell = f"""
        PATH={tmp_path}:$PATH
        source {script}
        complete -p {name}
        COMP_WORDS=({name} deploy.pr) COMP_CWORD=1 COMP_LINE='{name} deploy.pr'
        _complete_xswarm
        echo "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(["bash", "-c", shell], text=True, capture_output=True, check=True)
    assert f"-F _complete_xswarm {name}" in ended.stdout
    assert "deploy.prod" in ended.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_each_name_too(shell: str) -> None:
    script = run(INSTALLED, "--print-completion-script", shell).stdout
    for name in ("xswarm", "inv", "./inv"):
        assert re.search(rf"(?:compctl|complete)\b[^\n]* {re.escape(name)}(?:\s|$)", script), script


def test_a_folder_that_cannot_be_written_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from invoke import task\n\n@task\ndef write(c):\n"
        "    raise OSError(30, 'Read-only file system', '.deployments/1')\n"
        "@task\ndef other(c):\n    raise OSError(2, 'No such file', 'x')\n"
    )
    ended = run(OURS, "write", folder=tmp_path, PYTHONPATH=str(PROJECT))
    assert (ended.returncode, ended.stderr.strip()) == (
        2,
        "✗ .deployments/1 cannot be used\n  why:  Read-only file system\n"
        "  next: correct it, then repeat the command",
    )
    assert "Traceback" in run(OURS, "other", folder=tmp_path, PYTHONPATH=str(PROJECT)).stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("check", None),
        ("migrate", ""),
        ("deploy.prod --yes", "deploy:\n"),
        ("sandbox.up", "deploy: {uses: stripe}\n"),
    ],
)
def test_without_a_project_nothing_is_acted_on(
    tmp_path: Path, words: str, text: str | None
) -> None:
    (tmp_path / "tasks.py").symlink_to(PROJECT / "tasks.py")
    (tmp_path / "tasks").symlink_to(PROJECT / "tasks")
    if text is not None:
        (tmp_path / "invoke.yaml").write_text(text)
    ended = run(OURS, *words.split(), folder=tmp_path, PYTHONPATH=str(PROJECT))
    assert ended.returncode == 2
    assert ended.stderr.startswith("✗ no Worker is named, so there is nothing to act on\n")
    assert (
        "next: ./inv init; or write into invoke.yaml: deploy: {worker: {name: NAME" in ended.stderr
    )


def test_a_repository_without_tasks_has_those_that_are_shipped(tmp_path: Path) -> None:
    below = tmp_path / "src"
    below.mkdir()
    (tmp_path / "invoke.yaml").write_text("deploy: {}\n")
    ended = run(INSTALLED, "check", folder=below)
    assert ended.returncode == 2
    assert f"why:  {tmp_path / 'invoke.yaml'} is missing, is empty" in ended.stderr
    unknown = run(INSTALLED, "chek", folder=below).stderr
    assert unknown == '✗ Unknown task "chek". Did you mean "check"?\n  next: xswarm --list\n'
    assert run(INSTALLED, "--help", "check", folder=below).stdout.startswith("Usage: xswarm ")


def test_the_tasks_of_a_folder_above_the_repository_are_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("raise SystemExit('it was imported')\n")
    below = tmp_path / "shop"
    below.mkdir()
    (below / "invoke.yaml").touch()
    assert "deploy.prod" in run(INSTALLED, "--list", folder=below).stdout


@pytest.mark.parametrize("tasks", ["tasks.py", "tasks/__init__.py"])
def test_a_repository_with_tasks_has_its_own(tmp_path: Path, tasks: str) -> None:
    file = tmp_path / tasks
    file.parent.mkdir(exist_ok=True)
    file.write_text("from invoke import task\n\n@task\ndef hello(c):\n    print('hello')\n")
    (tmp_path / "src").mkdir()
    assert run(INSTALLED, "hello", folder=tmp_path / "src").stdout == "hello\n"
    assert "deploy.prod" in run(INSTALLED, "--list", folder=tmp_path / "src").stdout


def test_an_argument_that_is_no_text_is_taken_with_a_sign_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from invoke import task\n\n@task\ndef say(c, word):\n    print(word)\n"
    )
    assert run(INSTALLED, "say", "gr\udcfcn", folder=tmp_path).stdout == "gr\ufffdn\n"


def test_a_tasks_py_of_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("raise SystemExit('imported: celery is not there')\n")
    assert "deploy.prod" in run(INSTALLED, "--list", folder=tmp_path).stdout


def test_a_tasks_py_with_our_tasks_decides_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from invoke import Collection\nfrom xswarm_deploy.tasks import ns as ours\n"
        "ns = Collection(ours['check'])\n"
    )
    listed = run(INSTALLED, "--list", folder=tmp_path).stdout
    assert ("check" in listed, "deploy.prod" in listed) == (True, False)


def test_invoke_yaml_above_counts_before_a_tasks_py_beside(tmp_path: Path) -> None:
    (tmp_path / "invoke.yaml").write_text("deploy: {worker: {config: w.jsonc}}\n")
    below = tmp_path / "app"
    below.mkdir()
    (below / "tasks.py").write_text("raise SystemExit('celery')\n")
    assert f"{tmp_path / 'invoke.yaml'} is missing" in run(INSTALLED, "check", folder=below).stderr


def test_an_invoke_yaml_that_is_no_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "invoke.yaml").write_bytes(b"deploy:\n  # caf\xe9\n  uses: none\n")
    ended = run(INSTALLED, "config.show", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "invoke.yaml cannot be read\n  why:  line 2 is no UTF-8 text" in ended.stderr


CLOSED = """
import os, sys
from xswarm_deploy.cli.program import main
sys.argv[1:] = ["--list"]
code = 0
try:
    main()
except SystemExit as end:
    code = end.code
null = os.stat(os.devnull)
sys.exit(code or not all(os.path.samestat(os.fstat(number), null) for number in (0, 1, 2)))
"""


def test_streams_that_are_closed_are_no_traceback_and_no_file_takes_their_place(
    tmp_path: Path,
) -> None:
    (tmp_path / "closed.py").write_text(CLOSED)
    command = 'exec "$0" "$1" <&- >&- 2>&-'
    words = ["sh", "-c", command, sys.executable, str(tmp_path / "closed.py")]
    assert subprocess.run(words, cwd=PROJECT, check=False).returncode == 0


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """As after `git checkout` of a branch that does not have it, in another terminal."""
    gone = tmp_path / "gone"
    gone.mkdir()
    command = 'rmdir "$PWD" && exec "$0" "$@"'
    words = ["sh", "-c", command, sys.executable, *INSTALLED, "deploy.list"]
    ended = subprocess.run(words, cwd=gone, text=True, capture_output=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("✗ the folder that this command runs in cannot be read\n")


ENDED = """
import threading, time
from invoke import Context, task
from xswarm_deploy.errors import NotRolledBack, StepFailed

@task
def broken(c: Context) -> None:
    raise NotRolledBack("not everything could be undone")

@task
def busy(c: Context) -> None:
    threading.Thread(target=time.sleep, args=(60,)).start()
    broken(c)

@task
def unforeseen(c: Context) -> None:
    threading.Thread(target=time.sleep, args=(60,)).start()
    raise ZeroDivisionError

@task
def own(c: Context) -> None:
    raise SystemExit("not on a Friday")

@task
def told(c: Context) -> None:
    try:
        raise StepFailed("it failed; everything was brought back to before")
    except StepFailed:
        raise KeyboardInterrupt
"""


def pressed_after(said: str, folder: Path, task: str) -> tuple[int, str]:
    """Press Ctrl-C once a task has said its last; return its exit code, and what it said since."""
    words = [sys.executable, *OURS, task]
    with subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        assert any(said in line for line in running.stderr)
        time.sleep(0.2)  # it waits for its threads then
        running.send_signal(signal.SIGINT)
        return running.wait(30), running.stderr.read()


def test_ctrl_c_as_a_command_ends_changes_nothing_about_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(ENDED)
    (tmp_path / "invoke.yaml").touch()
    assert pressed_after("not everything could be undone", tmp_path, "busy") == (4, "")


def test_ctrl_c_after_an_unforeseen_error_makes_no_success_of_it(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(ENDED)
    (tmp_path / "invoke.yaml").touch()
    code, _ = pressed_after("ZeroDivisionError", tmp_path, "unforeseen")
    assert code == 1


def test_a_task_that_ends_with_words_says_them(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(ENDED)
    (tmp_path / "invoke.yaml").touch()
    ended = run(OURS, "own", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (1, "not on a Friday\n")


def test_ctrl_c_before_the_message_does_not_hide_how_a_release_ended(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(ENDED)
    (tmp_path / "invoke.yaml").touch()
    ended = run(OURS, "told", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (
        3,
        "✗ it failed; everything was brought back to before\n",
    )


def test_what_nobody_can_read_keeps_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(ENDED)
    (tmp_path / "invoke.yaml").touch()
    words = [sys.executable, *OURS, "broken"]
    with Path("/dev/full").open("w") as nowhere:  # as a terminal that has gone
        ended = subprocess.run(words, cwd=tmp_path, stderr=nowhere, check=False)
    assert ended.returncode == 4
