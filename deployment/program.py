"""The command line: Invoke with this project's exit codes, and a quicker start.

``./inv`` runs :func:`main`. Invoke's own ``inv`` works as well; it starts slower, and ends with 1
where this ends with 2 or 130.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from invoke import config, program
from invoke._version import __version__
from invoke.collection import Collection
from invoke.exceptions import CollectionNotFound, ParseError, UncastableEnvVar
from invoke.loader import FilesystemLoader
from invoke.parser import Parser
from invoke.parser.context import ParserContext

from deployment.errors import DeployError, Interrupted, Refused
from deployment.secret import redact

_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML has it


class Config(config.Config):
    """Invoke's configuration; libyaml reads its files, ten times as fast."""

    def _load_yaml(self, path: os.PathLike[str]) -> Any:
        with Path(path).open(encoding="utf-8") as file:
            return yaml.load(file, Loader=_SAFE)  # noqa: S506 - it is safe

    _load_yml = _load_yaml


class Program(program.Program):
    """Invoke's program; it does for the tasks that are named what Invoke does for all."""

    def parse_core(self, argv: list[str] | None) -> None:
        """Parse Invoke's own flags; Python keeps what it compiled unless told otherwise."""
        super().parse_core(argv)
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))

    def load_collection(self) -> None:
        """Load tasks.py and invoke.yaml; where Invoke copies the collection, use it as it is."""
        name, start = self.args.collection.value, self.args["search-root"].value
        try:
            module, folder = FilesystemLoader(config=self.config, start=start).load(name)
        except CollectionNotFound:
            raise Refused(f"there is no collection {name}", "", "./inv --list") from None
        self.config.set_project_location(folder)
        self.config.load_project()
        self.collection = getattr(module, "ns", None) or Collection.from_module(module)

    def _make_parser(self) -> Parser:
        if self.args.complete.value:
            return super()._make_parser()
        named = {*self.core.unparsed, str(self.args.help.value)}
        contexts = [
            ParserContext(name, aliases=aliases, args=self.collection[name].get_arguments())
            for name, aliases in self.collection.task_names.items()
            if not named.isdisjoint((name, *aliases))
        ]
        return Parser(initial=self.initial_context, contexts=contexts)


def main() -> None:
    """Run what the command line says, and end with an exit code that means something."""
    sys.excepthook = _raised
    os.umask(os.umask(0o022) | 0o022)  # what is written here, nobody else changes
    gc.enable()
    gc.set_threshold(200_000)  # a command makes little garbage; a look for it took a rollback 19 ms
    try:
        _run()
    finally:
        gc.freeze()  # nor is any looked for at the end, among all that was imported


def _run() -> None:
    named = Program(name="Invoke", binary="./inv", version=__version__, config_class=Config)
    try:
        named.run(["inv", *sys.argv[1:]])
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            _end(Interrupted("interrupted"))
        if isinstance(end.__context__, ParseError):
            sys.exit(Refused.exit_code)
        raise
    except BrokenPipeError:
        from deployment.console import unheard

        unheard(sys.stdout)  # as in `--list | head`: nothing went wrong
    except (yaml.YAMLError, UncastableEnvVar) as error:
        why = " ".join(str(error).split())
        remedy = "correct invoke.yaml, or the INVOKE_ variable"
        _end(Refused("the configuration cannot be read", why, remedy))


def _raised(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Print what nobody foresaw as Python does, without the secrets in it."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, at))))


def _end(error: DeployError) -> None:
    sys.stderr.write(f"{error.render()}\n")
    sys.exit(error.code)
