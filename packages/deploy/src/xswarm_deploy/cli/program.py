"""The command line: Invoke with this project's exit codes, and a quicker start.

``./inv`` and ``xswarm`` run :func:`main`. Invoke's own ``inv`` works as well, with the same
executor (see invoke.yaml); it starts slower, and ends with 1 where this ends with 2 or 130.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import yaml
from invoke import config, program
from invoke._version import __version__
from invoke.collection import Collection
from invoke.env import Environment
from invoke.exceptions import (
    AmbiguousEnvVar,
    CollectionNotFound,
    Exit,
    ParseError,
    UncastableEnvVar,
)
from invoke.loader import FilesystemLoader
from invoke.parser import Parser
from invoke.parser.context import ParserContext

from xswarm_deploy import texts
from xswarm_deploy.cli import yaml_file
from xswarm_deploy.errors import (
    OWN_NAME,
    VERSION,
    DeployError,
    Interrupted,
    NotRolledBack,
    Refused,
    StepFailed,
    disk_refusal,
    typed_program,
)
from xswarm_deploy.output import discard_output, inert, prepare
from xswarm_deploy.secret import redact
from xswarm_deploy.settings import repository
from xswarm_deploy.signals import exit_at_once

EXECUTOR: Final = "xswarm_deploy.cli.executor.Executor"
_PACKAGE: Final = "xswarm_deploy"
TASKS: Final = f"{_PACKAGE}.tasks"
"""Where a repository has no tasks.py; imported by name, for a room may not know those above."""
NAMES: Final = (OWN_NAME, "./inv", "inv")
"""Under which this tool may be typed: each is completed."""
_NAMED_SO_ELSEWHERE: Final = {"--dry-run": "--dry"}
"""Flags by the names that other programs have for them."""
_UNKNOWN = re.compile(r"No idea what (['\"])(?P<word>.*)\1 is!", re.DOTALL)  # Invoke's words for it
_NO_VALUE = re.compile(r"Flag <Argument: (?P<flag>[\w-]+).*> needed value and was not given one!")
_MISSING = re.compile(r"'.+' did not receive required positional arguments: (?P<names>.+)")


class _Variables(Environment):
    """Read the variables that Invoke knows: one of its own is cast by the kind of the file's value.

    Settings of ours are read later, by their kind in the schema; Invoke would raise ValueError for
    a number that is none, and for every list.
    """

    def _path_set(self, key_path: Sequence[str], value: str) -> None:
        ours = key_path[0] in ("deploy", "monitor")
        if not ours or tuple(key_path) == ("deploy", "env"):
            super()._path_set(key_path, value)


class Config(config.Config):
    """Invoke's configuration with this project's executor; its files are read with care."""

    @staticmethod
    def global_defaults() -> dict[str, Any]:
        """Return Invoke's defaults; the executor is imported when there is something to run."""
        defaults: dict[str, Any] = config.Config.global_defaults()
        defaults["tasks"]["executor_class"] = EXECUTOR
        return defaults

    def _load_yaml(self, path: os.PathLike[str]) -> Any:
        return yaml_file.read(Path(path))

    _load_yml = _load_yaml

    def load_shell_env(self) -> None:
        """Read the process environment, where it has a variable of Invoke's at all."""
        self.merge()
        if any(name.startswith(self._env_prefix) for name in os.environ):
            self._set(_env=_Variables(config=self._config, prefix=self._env_prefix).load())
            self.merge()


_OF_CONFIGURATION: Final = (AmbiguousEnvVar, UncastableEnvVar, config.AmbiguousMergeError)
_BEGIN: Final = """\
Begin in your repository:  xswarm init
All tasks, one of them:    xswarm --list, xswarm --help TASK

"""


class Program(program.Program):
    """Invoke's program; it does for the tasks that are named what Invoke does for all."""

    def parse_core(self, argv: list[str] | None) -> None:
        """Parse Invoke's own flags; Python keeps what it compiled unless told otherwise."""
        try:
            self._parsed(partial(super().parse_core, argv))
        except Refused:
            raise
        except Exit:
            if self.args["print-completion-script"].value == "fish":
                self._complete_other_names()
            raise
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))

    def _complete_other_names(self) -> None:
        """Complete the other names for fish, too: Invoke's script knows the first one alone."""
        first, *others = self.binary_names
        for name in others:
            sys.stdout.write(f"complete --command {name} --wraps {first}\n")

    def load_collection(self) -> None:
        """Load the tasks and invoke.yaml; where Invoke copies the collection, use it as it is."""
        self.collection, folder = self._found()
        self.config.set_project_location(folder)
        self.config.load_project()

    def _found(self) -> tuple[Collection, str]:
        """Return the tasks and the project's folder: its own tasks, else those that are shipped.

        ``xswarm`` has those that are shipped in every repository, beside its own.
        """
        name, start = self.args.collection.value, self.args["search-root"].value
        project = repository.find(Path.cwd())
        if name or start:
            return self._own(name, start)
        if typed_program() != OWN_NAME:
            own = repository.has_tasks(project)
            return self._own(name, start) if own else (_shipped(), str(project))
        if repository.mentions(project, _PACKAGE):
            return self._own(name, str(project))
        if not repository.mentions(project, "invoke"):  # another program's tasks.py, or none
            return _shipped(), str(project)
        theirs, folder = self._own(name, str(project))
        return _joined(_shipped(), theirs), folder

    def _own(self, name: str | None, start: str | None) -> tuple[Collection, str]:
        try:
            module, folder = FilesystemLoader(config=self.config, start=start).load(name)
        except CollectionNotFound:
            missing = f"there is no collection {name or 'tasks'}"
            raise Refused(missing, "", f"{typed_program()} --list") from None
        return getattr(module, "ns", None) or Collection.from_module(module), folder

    def parse_tasks(self) -> None:
        """Parse the tasks and their flags; name what is near to a misspelt one."""
        self._parsed(super().parse_tasks)
        left = str(self.core.remainder)
        if left and not self.args.complete.value:  # Invoke leaves them to tasks, none of which asks
            what = f'Nothing reads what stands behind "--": {left}'
            raise Refused(what, "", 'leave out the "--"; flags stand behind their task')

    def parse_cleanup(self) -> None:
        """Do what ``--help`` and ``--list`` ask for."""
        self._parsed(super().parse_cleanup)

    def _parsed(self, parse: Callable[[], None]) -> None:
        try:
            parse()
        except ParseError as error:
            raise self._explained(error) from error
        except ValueError as error:  # of int() and float()
            what, value = "A flag that takes a number was given another text", str(error)
            remedy = f"{typed_program()} --help TASK"
            raise Refused(what, value.rpartition(": ")[2], remedy) from None

    def print_help(self) -> None:
        """Print the options, and where somebody begins who does not know the tool yet."""
        super().print_help()
        if typed_program() == OWN_NAME:
            sys.stdout.write(_BEGIN)

    def print_version(self) -> None:
        """Print this tool's version under its own name, and Invoke's under Invoke's."""
        if typed_program() != OWN_NAME:
            super().print_version()
            return
        sys.stdout.write(f"{OWN_NAME} {VERSION}, Invoke {__version__}\n")

    def _explained(self, error: ParseError) -> Refused:
        """Return what was not understood, with the name that is nearest to it."""
        text, context, typed = str(error), error.context, typed_program()
        unknown, named = _UNKNOWN.fullmatch(text), (context.name or "") if context else ""
        if unknown is None:
            return Refused(_in_words(text, named), "", f"{typed} --help {named or 'TASK'}")
        word = unknown["word"]
        if not word:
            why = "it may be a variable of the shell that is not set"
            return Refused("An empty word is no task", why, f"{typed} --list")
        if word.startswith("-") and context and context.name:
            what = f'Unknown flag "{word}" of {context.name}.{_near(word, context.flag_names())}'
            if word == "--yes":
                return Refused(what, "it does not ask", f"{typed} {context.name}, without --yes")
            return Refused(what, "", f"{typed} --help {context.name}")
        names = [
            name for task in self.collection.task_names.items() for name in (task[0], *task[1])
        ]
        return Refused(f'Unknown task "{word}".{_near(word, names)}', "", f"{typed} --list")

    def _make_parser(self) -> Parser:
        completed = str(self.core.remainder).split() if self.args.complete.value else ()
        named = {*self.core.unparsed, str(self.args.help.value), *completed}
        contexts = [
            ParserContext(name, aliases=aliases, args=self.collection[name].get_arguments())
            for name, aliases in self.collection.task_names.items()
            if not named.isdisjoint((name, *aliases))
        ]
        return Parser(initial=self.initial_context, contexts=contexts)


def _in_words(text: str, task: str) -> str:
    """Return what Invoke says of a line that lacks something."""
    if lacking := _MISSING.fullmatch(text):
        return f"{task} needs {lacking['names']}"
    if flag := _NO_VALUE.fullmatch(text):
        return f"--{flag['flag']}{f' of {task}' if task else ''} needs a value"
    return text


def main() -> None:
    """Run what the command line says, and end with an exit code that means something."""
    _open_closed_streams()
    sys.excepthook = _raised
    prepare(sys.stdout, sys.stderr)
    os.umask(os.umask(0o022) | 0o022)  # what is written here, nobody else changes
    gc.enable()
    gc.set_threshold(200_000)  # a command makes little garbage; a look for it took a rollback 19 ms
    code = 1  # of an unforeseen error, and of a task that ends with words of its own
    try:
        _run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        _flush()
        exit_at_once(code)
        gc.freeze()  # nor is any looked for at the end, among all that was imported


def _require_folder() -> None:
    """End where the folder that the command was typed in is gone, as after another checkout."""
    try:
        Path.cwd()
    except OSError as error:
        what = "the folder that this command runs in cannot be read"
        _end(Refused(what, error.strerror or "", "cd to your repository, then repeat the command"))


def _run() -> None:
    _require_folder()
    named = Program(
        name="Invoke",
        binary=typed_program(),
        binary_names=list(dict.fromkeys((typed_program(), *NAMES))),  # what a shell completes
        version=__version__,
        config_class=Config,
    )
    try:
        words = map(texts.valid, sys.argv[1:])
        named.run(["inv", *(_NAMED_SO_ELSEWHERE.get(word, word) for word in words)])
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            _end(_said_last(end.__context__))
        if isinstance(end.__context__, ParseError):
            sys.exit(Refused.exit_code)
        raise
    except KeyboardInterrupt as pressed:
        _end(_said_last(pressed))
    except BrokenPipeError:
        discard_output(sys.stdout)  # as in `--list | head`: nothing went wrong
    except UnicodeDecodeError as error:
        _end(_not_utf8(error))
    except (yaml.YAMLError, *_OF_CONFIGURATION) as error:
        why = " ".join(str(error).split())
        remedy = "correct invoke.yaml, or the INVOKE_ variable"
        _end(Refused("the configuration cannot be read", why, remedy))
    except Exception as error:
        if not (refusal := disk_refusal(error)):
            raise
        ended = error.__context__  # of what could not be printed: its terminal or disk has gone
        _end(ended if isinstance(ended, DeployError) else refusal)


def _said_last(pressed: KeyboardInterrupt) -> DeployError:
    """Return how a release ended, where a key was pressed as that was about to be printed."""
    before: BaseException | None = pressed
    while before:
        if isinstance(before, Interrupted | StepFailed | NotRolledBack):
            return before
        before = before.__context__
    return Interrupted("interrupted")


def _not_utf8(error: UnicodeDecodeError) -> Refused:
    """Return which file of a person's cannot be read: invoke.yaml, where it is that one."""
    file = repository.find(Path.cwd()) / "invoke.yaml"
    content = bytes(error.object)
    if file.is_file() and content and content in file.read_bytes():
        return texts.not_utf8(file, error)
    return Refused("a file cannot be read", "it is no UTF-8 text", "save it as UTF-8")


def _open_closed_streams() -> None:
    """Open the null device in place of a standard stream that is closed (``>&-``).

    Else the next file that is opened, such as a journal, is what programs take for their output.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - for ever
            setattr(sys, name, stream)


def _flush() -> None:
    """Write what is left of the output; a reader that has gone (``| head``) is no failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output(sys.stdout)


def _shipped() -> Collection:
    collection: Collection = import_module(TASKS).ns
    return collection


def _joined(ours: Collection, theirs: Collection) -> Collection:
    """Add a repository's own tasks to ours, where the name is free."""
    taken = {*ours.task_names, *ours.collections}
    for name, task in theirs.tasks.items():
        if name not in taken:
            ours.add_task(task, name=name)
    for name, collection in theirs.collections.items():
        if name not in taken:
            ours.add_collection(collection, name=name)
    return ours


def _near(word: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches  # 3 ms, for a misspelt word only

    near = get_close_matches(word, list(names), n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


def _raised(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Print what nobody foresaw as Python does, without the secrets in it."""
    said = redact("".join(traceback.format_exception(kind, error, at)))
    sys.stderr.write(inert(said))


def _end(error: DeployError) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{error.render()}\n")
    sys.exit(error.code)
