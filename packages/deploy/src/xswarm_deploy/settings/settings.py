"""One environment: its file and the process environment, typed, validated, redacted."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xswarm_deploy import texts
from xswarm_deploy.console import Console
from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_address, is_loopback
from xswarm_deploy.private import open_to_others
from xswarm_deploy.secret import Secret, public
from xswarm_deploy.settings import dev_vars, dotenv
from xswarm_deploy.settings import project as projects
from xswarm_deploy.settings.project import SITE, Project
from xswarm_deploy.settings.references import resolved
from xswarm_deploy.settings.variables import (
    BY_NAME,
    ENVIRONMENTS,
    LOCAL,
    PREVIOUS,
    PRODUCTION,
    VARIABLES,
    Sent,
    Variable,
)

if TYPE_CHECKING:
    from xswarm_monitoring.push import Target
    from xswarm_monitoring.rules import Rules

PROCESS: Final = "the process environment"
PLACEHOLDERS: Final = ("xxxxx", "your_")
CONFIG: Final = Path("deployment/config")
DATABASE: Final = "TURSO_DATABASE_URL"
OWN: Final = "A secret of the Worker's own; empty: the one that the Worker has already stays."
_SCHEMES: Final = ("https://", "http://", "libsql://")
D1: Final = "d1:"
"""Begins the URL of a D1 database, which Cloudflare's own token leads to."""
ENDPOINTS: Final = Path(".sandbox/endpoints.env")
MONITORING_RULES: Final = "MONITORING_RULES"
"""The Worker's variable with the key ``monitor`` of invoke.yaml, as JSON."""


class Problem(NamedTuple):
    """What is wrong with one variable, and what to do; never its value."""

    name: str
    state: str
    why: str
    remedy: str
    critical: bool


@dataclass(frozen=True)
class Settings:
    """One environment's variables and the project's plain settings.

    Values are read by the Worker's names: ``secret("STRIPE_SECRET_KEY")`` gives
    ``STRIPE_SECRET_KEY_LIVE`` in production and ``_TEST`` elsewhere.

    Args:
        environment: production, staging or local.
        root: the project's folder.
        project: what invoke.yaml says.
        source: the environment's file.
        overlay: the file whose values stand over that one's; empty: there is none.
        monitor: the key ``monitor`` of invoke.yaml, as it stands there.
        unread: names that have a value in the environment's file, and that nothing reads.
        given: names whose value the process environment gave.
        replaced: those of them that have another value in the environment's file.
    """

    environment: str
    root: Path
    project: Project
    source: str
    overlay: str = ""
    monitor: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    replaced: tuple[str, ...] = ()
    _values: Mapping[str, str] = field(repr=False, default_factory=dict)
    _secrets: Mapping[str, Secret] = field(repr=False, default_factory=dict)

    @property
    def read_from(self) -> str:
        """Return what is read, and what stands over it: a shell's key may be another account's."""
        named = ", ".join(self.replaced)
        over = self.overlay or (f"{named} of {PROCESS}" if named else "")
        return f"{self.source}, over it {over}" if over else self.source

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Return the variables the project has: those of what it does not use are not read."""
        return used(self.project)

    @property
    def asked(self) -> tuple[Variable, ...]:
        """Return the variables that are asked for: D1 is reached by Cloudflare's token."""
        return tuple(asked(self.variables, self.text(DATABASE)))

    def text(self, name: str) -> str:
        """Return a plain variable's value, or its default, or the empty string."""
        if BY_NAME[name].secret:
            raise KeyError(f"{name} is a secret: use secret()")
        return self._values.get(name) or BY_NAME[name].default

    def number(self, name: str) -> int:
        """Return a plain variable as a whole number."""
        return int(self.text(name))

    def flag(self, name: str) -> bool:
        """Return a plain variable that is true or false."""
        return self.text(name) == "true"

    def secret(self, name: str) -> Secret:
        """Return a secret variable; it is falsy where the file has none."""
        return self._secrets.get(name) or Secret("", name)

    def has(self, variable: Variable) -> bool:
        """Return whether a variable has a value that is not its default."""
        return self._raw(variable) not in ("", variable.default)

    def worker_secrets(self) -> dict[str, Secret]:
        """Return what the Worker gets as secrets, by the Worker's names; blanks left out."""
        names = [v.name for v in sent(self.project) if v.sent is Sent.WORKER_SECRET]
        return {name: self._secrets[name] for name in names if self._secrets.get(name)}

    def own_secrets(self) -> frozenset[str]:
        """Return the secrets that the Worker alone reads, with a value here or without."""
        return frozenset(own_secrets(self.project))

    def worker_variables(self) -> dict[str, str]:
        """Return what the Worker gets as plain variables, defaults included.

        Raises:
            Refused: the key ``monitor`` of invoke.yaml cannot be understood.
        """
        names = [v.name for v in sent(self.project) if v.sent is Sent.WORKER_VARIABLE]
        plain = {name: self.text(name) for name in names if self.text(name)}
        return plain | self._alerting()

    def _alerting(self) -> dict[str, str]:
        """Return the variable by which the Worker alerts and pushes as invoke.yaml says."""
        if not self.monitor or "monitoring" not in self.project.parts:
            return {}
        alerting_rules(self.monitor)  # none goes to the Worker that it could not read
        self._require_keys(self.push_targets())
        rules = self._of_this_environment(self.monitor)
        return {MONITORING_RULES: json.dumps(rules, sort_keys=True, separators=(",", ":"))}

    def push_targets(self) -> tuple[Target, ...]:
        """Return who receives what is measured in this environment.

        What the local twin measures leaves this machine never.

        Raises:
            Refused: the key ``monitor`` of invoke.yaml cannot be understood.
        """
        return alerting_rules(self._of_this_environment(self.monitor)).push

    def _of_this_environment(self, monitor: Mapping[str, Any]) -> dict[str, Any]:
        if self.environment != LOCAL or not monitor.get("push"):
            return dict(monitor)
        alerting_rules(monitor)
        here = [each for each in monitor["push"] if is_loopback(each["endpoint"])]
        return {**monitor, "push": here}

    def _require_keys(self, targets: Iterable[Target]) -> None:
        """Refuse targets whose key the Worker would not get."""
        theirs = {v.name for v in sent(self.project) if v.sent is Sent.WORKER_SECRET}
        for target in targets:
            if target.secret and target.secret not in theirs:
                raise Refused(
                    f"invoke.yaml: the Worker does not get monitor.push's {target.secret}",
                    f"{target.name} would be sent to without its key",
                    f"add {target.secret} to deploy.worker.secrets, and its value to {self.source}",
                )

    def problems(self) -> tuple[Problem, ...]:
        """Judge every variable; empty when none is missing or invalid."""
        found = (self._problem(variable) for variable in self.asked)
        return tuple(problem for problem in found if problem)

    def require_sound(self) -> None:
        """Refuse to act on an environment whose critical variables are missing or invalid.

        Raises:
            Refused: each critical problem is named, with what to do.
        """
        self._refuse([problem for problem in self.problems() if problem.critical])

    def require_filled(self, *names: str) -> None:
        """Refuse to speak to somebody whose address or key nobody has filled in.

        Args:
            names: of the variables without which that cannot be, by the Worker's names.

        Raises:
            Refused: one is empty, or still the example's placeholder; each is named.
        """
        asked = [variable for variable in self.asked if variable.name in names]
        required = (self._problem(v._replace(required=True)) for v in asked)
        self._refuse([p for p in required if p and p.state in ("missing", "placeholder")])

    def _refuse(self, problems: Sequence[Problem]) -> None:
        if not problems:
            return
        if self.environment == LOCAL and not self.overlay:
            missing = ", ".join(problem.name for problem in problems)
            raise Refused("the local twin is not up", f"it gives {missing}", "inv sandbox.up")
        told = {p.name: f" (of {PROCESS})" if p.name in self.given else "" for p in problems}
        given, written = " ".join(n for n, of in told.items() if of), not all(told.values())
        ways = [f"correct {self.source}"] * written + [f"unset {given}"] * bool(given)
        number = len(problems)
        named = "1 variable is" if number == 1 else f"{number} variables are"
        raise Refused(
            f"{self.environment}: {named} missing or invalid",
            "; ".join(f"{p.name}{told[p.name]}: {p.why}" for p in problems),
            f"{', and '.join(ways)}, then: inv {self.environment} check",
        )

    def path(self, relative: str) -> Path:
        """Return a path of the project, made absolute."""
        return self.root / relative

    def _problem(self, variable: Variable) -> Problem | None:
        raw = self._raw(variable)
        name = variable.file_name(self.environment)
        state, why, remedy = judge(variable, raw, self.environment)
        if not state:
            return None
        return Problem(name, state, why, remedy, variable.required or state == "wrong environment")

    def _raw(self, variable: Variable) -> str:
        if variable.secret:
            return self.secret(variable.name).reveal()
        return self._values.get(variable.name, "")


def used(project: Project) -> tuple[Variable, ...]:
    """Return the variables of what a project uses, and its Worker's own secrets.

    Raises:
        Refused: a name of its own is none, or is taken.
    """
    parts = project.parts
    declared = {*_names_in(project.worker.secrets), *_names_in(project.worker.variables)}
    known = (v for v in VARIABLES if not v.part or v.part in parts or v.name in declared)
    own = {
        *own_secrets(project),
        *(v.name for v in VARIABLES if v.workers_own and v.name not in declared),
    }
    asked = (_optional(v) if v.name in own else v for v in known)
    return (*asked, *_own(project))


def asked(variables: Iterable[Variable], database: str) -> list[Variable]:
    """Return the variables that are asked for: D1 is reached by Cloudflare's token.

    Args:
        variables: of the project.
        database: its URL.
    """
    of_d1 = database.startswith(D1)
    return [v for v in variables if not (of_d1 and v.name == "TURSO_AUTH_TOKEN")]


def own_secrets(project: Project) -> list[str]:
    """Return the names of secrets that the Worker reads and nothing here uses.

    One without a value here stays at Cloudflare as it is, so that a Worker whose secrets were set
    by hand can be released as it stands.
    """
    names, parts = _names_in(project.worker.secrets), project.parts
    theirs = {v.name for v in VARIABLES if v.part and v.part not in parts}
    if PREVIOUS not in names:  # nothing here rotates it: the Worker's own affair
        theirs |= {v.name for v in VARIABLES if v.workers_own}
    return [name for name in names if name in theirs or name not in BY_NAME]


def sent(project: Project) -> tuple[Variable, ...]:
    """Return the variables and secrets that reach the Worker: what it did not ask for does not.

    It asks by ``deploy.worker.secrets`` and ``deploy.worker.variables``, and by the parts that
    ``deploy.uses`` names, each of which has its own.

    Raises:
        Refused: a name is none, or stands in the wrong one of the two lists.
    """
    declared = {*_names_in(project.worker.secrets), *_declared_variables(project)}
    parts = project.parts - {SITE}
    return tuple(
        variable
        for variable in used(project)
        if variable.sent is not Sent.HERE and (variable.name in declared or variable.part in parts)
    )


def _optional(variable: Variable) -> Variable:
    """Return what the Worker alone reads: no release makes or rotates it, and none asks for it."""
    comment = variable.comment if variable.workers_own else OWN
    return variable._replace(required=False, comment=comment)


def _names_in(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _declared_variables(project: Project) -> list[str]:
    names = _names_in(project.worker.variables)
    plain = {v.name for v in VARIABLES if v.sent is Sent.WORKER_VARIABLE}
    bad = [name for name in names if name not in plain]
    if bad:
        secret = bad[0] in BY_NAME and BY_NAME[bad[0]].sent is Sent.WORKER_SECRET
        raise Refused(
            f"invoke.yaml: {bad[0]!r} cannot be in deploy.worker.variables",
            "it is a secret" if secret else "it is no plain variable that this tool sends",
            "name it in deploy.worker.secrets"
            if secret
            else "write it under vars in wrangler's file",
        )
    return names


def own_secret(name: str) -> Variable:
    """Describe a secret that this tool knows nothing of but its name."""
    return Variable(name, "Worker", OWN, secret=True, sent=Sent.WORKER_SECRET)


def _own(project: Project) -> Iterable[Variable]:
    names = _names_in(project.worker.secrets)
    ours = {name for name in names if name in BY_NAME}
    kept = {name for name in ours if BY_NAME[name].sent is not Sent.WORKER_SECRET}
    bad = [n for n in names if n in kept or not re.fullmatch(r"[^\W\d][\w.-]*", n, re.ASCII)]
    if bad:
        raise Refused(
            f"invoke.yaml: {bad[0]!r} cannot be a secret of the Worker's own",
            "it is this tool's"
            if bad[0] in kept
            else "a name begins with a letter or _, and has letters, digits, _, - and .",
            "correct deploy.worker.secrets in invoke.yaml",
        )
    return [own_secret(name) for name in names if name not in ours]


def judge(variable: Variable, value: str, environment: str) -> tuple[str, str, str]:
    """Return what is wrong with a value: (state, why, remedy); three empty strings: nothing.

    Args:
        variable: what is known of the variable.
        value: the value; it is in none of the answers.
        environment: production, staging or local.
    """
    name = variable.file_name(environment)
    if not value:
        if variable.required:
            return "missing", "Missing", f"set {name}: {variable.comment}"
        return "", "", ""
    if any(mark in value for mark in PLACEHOLDERS):
        return "placeholder", "still the example's placeholder", f"set {name}: {variable.comment}"
    wrong = _wrong_environment(variable, value, environment)
    if wrong:
        return "wrong environment", wrong, f"put the right key into {name}"
    if len(value) < variable.shortest:
        why = f"{len(value)} characters, at least {variable.shortest} are needed"
        return "weak", why, f"{name}: {variable.comment}"
    if variable.shortest and len(set(value)) < 10:
        return "weak", f"only {len(set(value))} different characters", f"{name}: {variable.comment}"
    if variable.pattern and not re.fullmatch(variable.pattern, value):
        return "format", "not in the expected form", f"{name}: {variable.comment}"
    if variable.pattern and value.lower().startswith(_SCHEMES) and not is_address(value):
        return "format", "no host and port that can be asked", f"{name}: write https://HOST"
    if value.lower().startswith("http://") and not is_loopback(value):
        return "format", "http is for addresses of this machine alone", f"{name}: write https://"
    if name == "ENVIRONMENT" and value != environment:
        why = f"the file is for {value}, not for {environment}"
        return "wrong environment", why, f"set ENVIRONMENT={environment}, or use the right file"
    return "", "", ""


def _wrong_environment(variable: Variable, value: str, environment: str) -> str:
    if environment == PRODUCTION and value.startswith(variable.test or ("\0",)):
        return "a test key in production"
    if environment != PRODUCTION and value.startswith(variable.live or ("\0",)):
        return f"a live key in {environment}"
    return ""


def load(
    environment: str,
    values: Mapping[str, Any],
    root: Path,
    process_environment: Mapping[str, str],
    monitor: Mapping[str, Any] | None = None,
) -> Settings:
    """Read one environment: its file, then the process environment over it.

    The local environment takes nothing from the process, so that a key of production
    in somebody's shell never reaches the twin: deployment/config/local.env is overlaid
    with what the running twin wrote to .sandbox/endpoints.env, and that is all; a D1
    database that local.env names stays, for the twin has D1, too.

    Args:
        environment: production, staging or local.
        values: the key ``deploy`` of invoke.yaml.
        root: the project's folder.
        process_environment: usually ``os.environ``.
        monitor: the key ``monitor`` of invoke.yaml.

    Raises:
        Refused: an unknown environment, no file, a line that cannot be read, or a value
            by reference (:mod:`xswarm_deploy.settings.references`) that cannot be had.
    """
    if environment not in ENVIRONMENTS:
        raise Refused(
            f"unknown environment {environment!r}",
            f"there are {', '.join(ENVIRONMENTS)}",
            "inv production check, inv staging check, or inv local check",
        )
    file = env_file(environment, root, process_environment)
    optional = environment == LOCAL and file == root / CONFIG / f"{LOCAL}.env"
    alone = optional and not file.exists()  # the twin says all that is needed
    merged = {"ENVIRONMENT": LOCAL} if alone else _read_file(file, environment)
    project = projects.read({**values, "env": environment}, environment)
    mine = (*used(project), *_keys(project, monitor or {}))
    unread = _unread(merged, mine)
    if environment == LOCAL:
        merged = _of_wrangler(project, root, mine) | merged
    overlay = _overlay(environment, root, process_environment, mine)
    here = [variable.file_name(environment) for variable in mine]
    given = [name for name in here if environment != LOCAL and name in overlay]
    replaced = tuple(name for name in given if _is_another(merged.get(name, ""), overlay[name]))
    merged = of_the_twin(merged, overlay) if environment == LOCAL else merged | overlay
    known = {name: merged[name] for name in here if name in merged}
    values_here = resolved(known, root)
    public([*ENVIRONMENTS, *_texts(project), *_plain(values_here, environment, mine)])
    plain, secrets = _sort(values_here, environment, mine)
    return Settings(
        monitor=monitor or {},
        unread=unread,
        given=frozenset(given),
        replaced=replaced,
        environment=environment,
        root=root,
        project=project,
        source=(file.relative_to(root) if file.is_relative_to(root) else file).as_posix(),
        overlay=str(ENDPOINTS) if environment == LOCAL and (root / ENDPOINTS).exists() else "",
        _values=plain,
        _secrets=secrets,
    )


def _is_another(written: str, given: str) -> bool:
    """Return whether a value takes another's place, which is more than an example's placeholder."""
    is_filled = bool(written) and not any(mark in written for mark in PLACEHOLDERS)
    return is_filled and written != given


def _unread(file: Mapping[str, str], mine: Iterable[Variable]) -> tuple[str, ...]:
    """Return the names that have a value in the environment file, and that nothing reads."""
    ours = (*VARIABLES, *mine)
    known = {name for variable in ours for name in (variable.name, *_names(variable))}
    return tuple(name for name, value in file.items() if value and name not in known)


def _keys(project: Project, monitor: Mapping[str, Any]) -> list[Variable]:
    """Return the keys of ``monitor.push`` that no Worker gets: this tool pushes with them."""
    listed = monitor.get("push")
    blocks = [e for e in (listed if isinstance(listed, list) else ()) if isinstance(e, Mapping)]
    known = {variable.name for variable in used(project)}
    names = {str(e["secret"]) for e in blocks if e.get("secret")} - known
    comment = "The key by which what is measured is pushed."
    return [Variable(name, "Push", comment, secret=True) for name in sorted(names - set(BY_NAME))]


def with_variables(
    values: Mapping[str, Any], process_environment: Mapping[str, str], block: str
) -> dict[str, Any]:
    """Return a block of invoke.yaml with what the process environment sets of it.

    Args:
        values: the block, ``deploy`` or ``monitor``, as Invoke has it.
        process_environment: its variables; of them, those that begin with the block's name.
        block: its name.

    Raises:
        Refused: the block is none; a variable names no setting, or does not fit.
    """
    if not isinstance(values, Mapping):
        what = f"invoke.yaml: {block} must be a block of `key: value` lines"
        raise Refused(what, f"it is {values!r}")
    prefix = f"INVOKE_{block.upper()}_"
    given = {name: text for name, text in process_environment.items() if name.startswith(prefix)}
    given.pop("INVOKE_DEPLOY_ENV", None)  # chooses the environment, and is no setting of one
    if not given:
        return dict(values)
    from xswarm_deploy.settings import overrides  # with the schema; few set a variable

    return overrides.laid_over(values, given, block)


def alerting_rules(values: Mapping[str, Any]) -> Rules:
    """Return what counts as wrong and when people are told, by the key ``monitor``.

    Raises:
        Refused: an unknown key, or a value that does not fit.
    """
    from xswarm_monitoring.rules import Rules  # every command reads settings, few of them these

    try:
        return Rules.read(values)
    except ValueError as error:
        raise Refused(
            f"invoke.yaml: {error}", "", "correct it in invoke.yaml (or in the INVOKE_ variable)"
        ) from None


def env_file(environment: str, root: Path, process_environment: Mapping[str, str]) -> Path:
    """Return the environment's file: deployment/config/<environment>.env, or DEPLOY_ENV_FILE."""
    named = process_environment.get("DEPLOY_ENV_FILE")
    return Path(named) if named else root / CONFIG / f"{environment}.env"


def _read_file(file: Path, environment: str) -> dict[str, str]:
    """Parse strictly: no interpolation, and a line that cannot be read is an error."""
    if file.exists() and not file.is_file():
        raise Refused(
            f"{file} is no file",
            "a folder holds no values, and a pipe, as <(…) gives it, can be read only once",
            "write them to a file of mode 0600, and name that in DEPLOY_ENV_FILE",
        )
    if not file.is_file():
        example = CONFIG / f"{environment}.env.example"
        raise Refused(
            f"there is no environment file {file.name}",
            f"looked for {file}",
            f"install -m 600 {example} {CONFIG / f'{environment}.env'}, then fill it in",
        )
    if environment != LOCAL:
        _keep_private(file)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, ValueError) else error.strerror or ""
        raise Refused(
            f"{file.name} cannot be read", why, "save it as UTF-8 text, and let it be yours to read"
        ) from None
    _tell_twice(text, file.name)
    return dotenv.parsed(text, file.name)


def _tell_twice(text: str, name: str) -> None:
    """Warn of names that a file has with two values, since the last one counts."""
    twice = dotenv.twice(text)
    if twice:
        told = "; ".join(f"{one} in lines {a} and {b}" for one, (a, b) in twice.items())
        Console(sys.stderr).warn(f"{name} has two values of a name: {told}: the last one counts")


def _minted(project: Project) -> set[str]:
    """Return the signing keys that a release has the provider make: the twin's knows no other."""
    hooks, parts = project.webhooks, project.parts
    mail = bool(hooks.email_path) and "sendgrid" in parts
    made = {
        "STRIPE_WEBHOOK_SECRET": "stripe" in parts and hooks.stripe_path and hooks.stripe_events,
        "SENDGRID_WEBHOOK_PUBLIC_KEY": mail and hooks.email_events,
        "SENDGRID_PARSE_PUBLIC_KEY": mail and hooks.email_hostname,
    }
    return {name for name, used in made.items() if used}


def _of_wrangler(project: Project, root: Path, mine: Iterable[Variable]) -> dict[str, str]:
    """Return the Worker's secrets that its ``.dev.vars`` has, under the names of our file."""
    worker, minted = project.worker, _minted(project)
    there = dev_vars.read((root / worker.config).parent, worker.environment)
    secrets = (
        v
        for v in mine
        if v.secret and v.sent is Sent.WORKER_SECRET and v.name in there and v.name not in minted
    )
    return {variable.file_name(LOCAL): there[variable.name] for variable in secrets}


def _keep_private(file: Path) -> None:
    """Take the file's secrets from other people's reach, and say so; the mode 0600 is as it was.

    Where the mode cannot be changed (another's file, a mount), that is said.
    """
    if not open_to_others(file):
        return
    mode = file.stat().st_mode
    could = f"{file.name} could be read by others of this machine (mode {mode & 0o777:04o})"
    try:
        file.chmod(0o600)
        told = f"{could}: it is now 0600"
    except OSError:
        told = f"{could}, and cannot be changed: chmod 600 {file}"
    Console(sys.stderr).warn(told)


def _overlay(
    environment: str,
    root: Path,
    process_environment: Mapping[str, str],
    mine: Iterable[Variable],
) -> dict[str, str]:
    if environment == LOCAL:
        return _read_file(root / ENDPOINTS, LOCAL) if (root / ENDPOINTS).exists() else {}
    known = {name for variable in mine for name in _names(variable)}
    given = {name: process_environment.get(name, "").rstrip() for name in known}
    for name, value in given.items():
        if not value.isascii() and texts.valid(value) != value:
            why, remedy = "it is not UTF-8 text", "set it to UTF-8 text, or unset it"
            raise Refused(f"{name} of {PROCESS} cannot be read", why, remedy)
    return {name: value for name, value in given.items() if value}


def of_the_twin(named: Mapping[str, str], endpoints: Mapping[str, str]) -> dict[str, str]:
    """Return what local.env names under what the twin gives; a D1 database stays, for it has D1.

    Args:
        named: in local.env.
        endpoints: what the twin wrote down.
    """
    kept = [DATABASE] if named.get(DATABASE, "").startswith(D1) else []
    return {**named, **endpoints, **{name: named[name] for name in kept}}


def _sort(
    merged: Mapping[str, str], environment: str, mine: Iterable[Variable]
) -> tuple[dict[str, str], dict[str, Secret]]:
    plain: dict[str, str] = {}
    secrets: dict[str, Secret] = {}
    for variable in mine:
        value = merged.get(variable.file_name(environment), "")
        if variable.name in BY_NAME or not value.strip():  # the Worker's own: as they are quoted
            value = value.strip()
        if variable.secret:
            secrets[variable.name] = Secret(value, variable.name)
        elif value:
            plain[variable.name] = value
    return plain, secrets


def _plain(merged: Mapping[str, str], environment: str, mine: Iterable[Variable]) -> Iterable[str]:
    """Return the values that are no secrets."""
    return (merged.get(v.file_name(environment), "") for v in mine if not v.secret)


def _texts(held: object) -> Iterable[str]:
    """Return the texts of invoke.yaml, which is in version control."""
    if isinstance(held, str):
        yield held
    elif isinstance(held, Mapping | tuple):
        for each in held.values() if isinstance(held, Mapping) else held:
            yield from _texts(each)


def _names(variable: Variable) -> Iterable[str]:
    return {variable.file_name(environment) for environment in ENVIRONMENTS}
