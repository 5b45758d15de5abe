"""What is not secret: the key ``deploy`` of invoke.yaml, typed and checked.

Every command defines these types anew, and a named tuple takes a fifth of the time a frozen
dataclass does. Their annotations are read as they stand: they are no strings here.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast, get_args, get_origin

from xswarm_deploy.errors import VERSION, Refused

ENVIRONMENTS: Final = ("production", "staging", "local")
PARTS: Final = ("anthropic", "openai", "stripe", "twilio", "sendgrid", "r2", "monitoring")
SITE: Final = "site"
OVER_BUDGET: Final = ("warn", "fail")
UNPROVEN: Final = ("refuse", "allow")
_MAY_BE_LATER: Final = (
    f"where a later version of this tool than {VERSION} knows it: pip install -U xswarm-deploy"
)
_GREATEST: Final = 1_000_000_000
_KINDS: Final = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_BLOCK: Final = "must be a block of `key: value` lines"
_CORRECT: Final = "correct it in invoke.yaml (or in the INVOKE_ variable)"
_ABOVE_ZERO: Final = ("deploy.verify.timeout_seconds", "deploy.verify.performance_concurrency")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


HEALTH_BUDGETS: Final[Mapping[str, int]] = MappingProxyType(
    {"/health": 50, "/health/live": 50, "/health/ready": 200, "/health/detailed": 500}
)
"""The health endpoints, and the milliseconds each may take where invoke.yaml sets no other."""


class Names(str):
    """Names as one text, by comma; invoke.yaml may hold them as a list."""

    __slots__ = ()


class CanaryStep(NamedTuple):
    """One step of a gradual deployment.

    Args:
        percent: the share of the traffic that the new version has.
        soak: seconds it is watched at this share.
    """

    percent: float
    soak: float = 0.0


class Worker(NamedTuple):
    """The Worker: its name, its wrangler configuration, and how traffic moves to it.

    Args:
        name: under which it is deployed, whatever the configuration says.
        config: the wrangler configuration.
        environment: the part under ``env`` in that file which is deployed; empty: its top level.
        build: the command that builds it before wrangler bundles it, e.g. ``npm run build``; run
            in the folder of ``config``, without this tool's keys; empty: there is none.
        secrets: names of the secrets the Worker reads, a list or by comma: its own, and those of
            this tool, such as TURSO_AUTH_TOKEN; the environment file holds their values, locally
            ``.dev.vars`` does, too. One that has no value there, and that the Worker has
            already, stays as it is.
        variables: names of this tool's plain variables the Worker reads, a list or by comma, such
            as WORKER_URL. What stands in neither, nor belongs to a part that ``uses`` names,
            does not reach the Worker.
        canary: the steps by which a version gets the traffic.
        canary_patience: seconds that one step may ask, where the Worker's own rate limit slows it.
        longest_soak: seconds; no step is watched for longer, whatever its ``soak`` says.
        affinity: what keeps a user with one version while two share the traffic: ``client`` (the
            page sends Cloudflare-Workers-Version-Key), ``none``, or an expression of Cloudflare's
            rules language that gives the key, set as a rule of the zone; empty: ``none``, but no
            split of a Worker with static files.
    """

    name: str = "boss-ai"
    config: str = "worker/wrangler.jsonc"
    environment: str = ""
    build: str = ""
    secrets: Names = Names()
    variables: Names = Names()
    canary: tuple[CanaryStep, ...] = ()
    canary_patience: float = 900.0
    longest_soak: float = 86400.0
    affinity: str = ""


class Pages(NamedTuple):
    """The static site.

    Args:
        project: its Pages project.
        directory: its folder; empty: there is none.
        branch: that Pages calls production.
    """

    project: str = "xswarm-boss"
    directory: str = ""
    branch: str = "main"


class R2(NamedTuple):
    """The R2 bucket the Worker is bound to.

    Args:
        bucket: its name in this environment.
        replaces: its name in the wrangler configuration, where that is another.
    """

    bucket: str = "xswarm-boss"
    replaces: str = ""


class Migrations(NamedTuple):
    """Where the SQL files are; empty: the project has none.

    Args:
        directory: of the files.
        down: ``written``, each file has its down part or says why there is none; ``generated``,
            for files of up parts only (drizzle, wrangler d1): made where SQLite can tell it.
    """

    directory: str = ""
    down: str = "written"


class Backup(NamedTuple):
    """Where backups go, and how many are kept beyond BACKUP_RETENTION_DAYS.

    Args:
        directory: of the backups.
        keep_daily: the last one of so many days is kept.
        keep_weekly: the last one of so many weeks is kept.
        keep_monthly: the last one of so many months is kept.
    """

    directory: str = ".backups"
    keep_daily: int = 7
    keep_weekly: int = 4
    keep_monthly: int = 12


class Webhooks(NamedTuple):
    """Where providers deliver on the Worker; what is empty is not set at a provider.

    Args:
        stripe_path: takes Stripe's events.
        stripe_events: that Stripe sends.
        stripe_api_version: whose form the events have; empty: of the account's own.
        voice_path: takes Twilio's calls.
        sms_path: takes Twilio's text messages.
        status_path: takes how each call ended.
        email_path: takes SendGrid's events and inbound mail.
        email_hostname: mail to it is delivered to the Worker.
        email_events: that SendGrid sends.
    """

    stripe_path: str = ""
    stripe_api_version: str = ""
    stripe_events: tuple[str, ...] = ()
    voice_path: str = ""
    sms_path: str = ""
    status_path: str = ""
    email_path: str = ""
    email_hostname: str = ""
    email_events: tuple[str, ...] = ("delivered", "bounce", "dropped", "spam_report")


class Route(NamedTuple):
    """One route that verification asks, and what it must answer.

    Args:
        path: on the Worker, or on the site where ``site`` is true.
        method: the HTTP method.
        status: the answers that are right.
        body: what is sent, JSON or a form's text.
        text: what the answer must contain.
        json: keys the answer's JSON must have.
        budget_ms: the time limit in milliseconds; 0: :data:`HEALTH_BUDGETS`, or none.
        retry: how often a transient error is tried again.
        quick: whether ``--quick`` asks it too.
        site: whether the static site is asked, not the Worker.
        schema: a file with the JSON schema its JSON must fit, from the project's folder.
        token: the secret that is sent with it, as ``Authorization: Bearer``.
        group: the heading its finding stands under.
        flag: a variable that switches it on, e.g. ``MARKETPLACE_ENABLED``; where that is
            ``false``, the route must answer 404.
    """

    path: str
    method: str = "GET"
    status: tuple[int, ...] = (200,)
    body: str = ""
    text: str = ""
    json: tuple[str, ...] = ()
    budget_ms: int = 0
    retry: int = 1
    quick: bool = False
    site: bool = False
    schema: str = ""
    token: str = ""
    group: str = "routes"
    flag: str = ""


class Authentication(NamedTuple):
    """How a throw-away account signs up, logs in and leaves.

    Args:
        signup_path: takes the two fields by POST; empty: the Worker has no accounts.
        login_path: takes them, too.
        account_path: gives the account (GET) and deletes it (DELETE), by the token.
        email: the account's address; ``{random}`` is replaced.
        email_field: the address's name in the JSON that is sent.
        password_field: the password's name there.
        token_field: the token's name in the JSON of the answers.
        remove: SQL that removes the account where the Worker does not; ``?`` is the address.
    """

    signup_path: str = ""
    login_path: str = ""
    account_path: str = ""
    email: str = "deployment-probe-{random}@verification.invalid"
    email_field: str = "email"
    password_field: str = "password"  # noqa: S105 - a field's name
    token_field: str = "token"  # noqa: S105 - a field's name
    remove: tuple[str, ...] = ()


class Verify(NamedTuple):
    """What makes a deployed version good; what is empty is not asked.

    With no routes at all the root is asked: it must answer, and not by a server's error.

    Args:
        routes: what is asked, and what must be answered.
        skip: groups that are left out, a list or by comma, e.g. ``authentication,webhooks``.
        version_path: answers with JSON that names the version; empty: no route tells it.
        authentication: the account flow.
        headers: header → value that ``headers_path`` must answer with; ``*``: any value.
        headers_path: a path of the Worker.
        site_headers: the same for the static site's root.
        cors_path: a path that other origins may ask, as CORS_ALLOWED_ORIGINS says.
        limit_path: a path that is limited, as RATE_LIMIT_ENABLED says.
        performance_path: what is measured; empty: the first of ``routes`` that just reads.
        performance_status: the answers that count as good there.
        performance_requests: how many requests; 0: nothing is measured.
        performance_concurrency: how many at the same time, of each version that is measured.
        good_ms: p95 below it is good, milliseconds.
        warning_ms: p95 from it on fails, milliseconds.
        slower_warn: warn when p95 is so many times the previous version's; 0: never.
        slower_fail: fail when p50 is so many times the previous version's; 0: never.
        timeout_seconds: how long one answer may take.
        unproven: what a version that cannot be proven to answer is: ``refuse`` or ``allow``.
        not_asked: routes of the Worker that nobody has to ask, so that the check does not name
            them: ``METHOD /path`` or ``/path``, with ``*`` for any text.
        over_budget: what a route that misses its ``budget_ms`` is: ``warn`` or ``fail``.
    """

    routes: tuple[Route, ...] = ()
    skip: Names = Names()
    version_path: str = ""
    authentication: Authentication = Authentication()
    headers: Mapping[str, str] = _NOTHING
    headers_path: str = "/"
    site_headers: Mapping[str, str] = _NOTHING
    cors_path: str = ""
    limit_path: str = ""
    performance_path: str = ""
    performance_status: tuple[int, ...] = (200,)
    performance_requests: int = 20
    performance_concurrency: int = 4
    good_ms: int = 500
    warning_ms: int = 2000
    slower_warn: float = 1.5
    slower_fail: float = 3.0
    timeout_seconds: float = 10.0
    over_budget: str = "warn"
    unproven: str = "refuse"
    not_asked: tuple[str, ...] = ()

    @property
    def budgets(self) -> Mapping[str, int]:
        """Return the milliseconds that each path may take, where it has a budget."""
        own = {route.path: route.budget_ms for route in self.routes if route.budget_ms}
        return {**HEALTH_BUDGETS, **own}


class Sandbox(NamedTuple):
    """The local twin.

    Args:
        ports: that are pinned, by part; 0 or none: a free one.
    """

    ports: Mapping[str, int] = _NOTHING


class Check(NamedTuple):
    """What the check asks for, beyond what it finds by itself.

    Args:
        required_tables: that the database must have after the migrations.
        backup_age_hours: the newest backup may be so old.
        certificate_days: a certificate must last so long.
        secret_days: a secret sent so long ago is to be replaced; 0: none is.
        branch: that staging and production are released from.
    """

    required_tables: tuple[str, ...] = ()
    backup_age_hours: int = 26
    certificate_days: int = 14
    secret_days: int = 180
    branch: str = "main"


class Project(NamedTuple):
    """The whole key ``deploy`` of invoke.yaml.

    Args:
        env: the environment acted on where the line names none; empty: local.
        uses: what the Worker uses beside Cloudflare and the database, a list or by comma: of
            anthropic, openai, stripe, twilio, sendgrid, r2, monitoring; what it does not use is
            neither asked for nor looked at.
        fast: whether nothing is soaked: what ``--fast`` sets, for an emergency.
    """

    env: str = ""
    uses: Names = Names()
    worker: Worker = Worker()
    pages: Pages = Pages()
    r2: R2 = R2()
    migrations: Migrations = Migrations()
    backup: Backup = Backup()
    webhooks: Webhooks = Webhooks()
    verify: Verify = Verify()
    check: Check = Check()
    sandbox: Sandbox = Sandbox()
    fast: bool = False

    def soak(self, step: CanaryStep) -> float:
        """Return how long a step of the canary is watched, seconds."""
        return 0.0 if self.fast else min(step.soak, self.worker.longest_soak)

    @property
    def parts(self) -> frozenset[str]:
        """Return what the project uses; the static site is one where it has a folder.

        Raises:
            Refused: one of the names is unknown.
        """
        named = {name.strip() for name in self.uses.split(",") if name.strip()}
        unknown = sorted(named - set(PARTS))
        if unknown:
            raise Refused(
                f"invoke.yaml: deploy.uses: unknown {unknown[0]!r}",
                f"deploy.uses takes {', '.join(PARTS)}",
                f"correct the name in invoke.yaml (or in INVOKE_DEPLOY_USES); {_MAY_BE_LATER}",
            )
        return frozenset(named | ({SITE} if self.pages.directory else set()))


def read(values: Mapping[str, Any], environment: str = "") -> Project:
    """Make a Project from the plain values of invoke.yaml.

    Args:
        values: the mapping under the key ``deploy``; what stands under ``environments`` for
            this environment is laid over the rest.
        environment: production, staging or local.

    Raises:
        Refused: an unknown key, or a value of the wrong kind; both are named.
    """
    if not isinstance(values, Mapping):
        raise Refused("invoke.yaml has no mapping under deploy", f"it is {values!r}")
    common = {name: value for name, value in values.items() if name != "environments"}
    own = _environments(values).get(environment) or {}
    if not isinstance(own, Mapping):
        what = f"invoke.yaml: deploy.environments.{environment} {_BLOCK}"
        raise Refused(what, f"it is {own!r}", _CORRECT)
    project: Project = _build(Project, _laid_over(common, own), "deploy")
    if project.verify.unproven not in UNPROVEN:
        raise Refused(
            f"deploy.verify.unproven is {project.verify.unproven!r}",
            f"it is {' or '.join(UNPROVEN)}",
            "correct it in invoke.yaml",
        )
    if project.verify.over_budget not in OVER_BUDGET:
        raise Refused(
            f"invoke.yaml: deploy.verify.over_budget is {project.verify.over_budget!r}",
            f"it is {' or '.join(OVER_BUDGET)}",
            "correct it in invoke.yaml",
        )
    return project


def _environments(values: Mapping[str, Any]) -> Mapping[str, Any]:
    found = values.get("environments") or {}
    unknown = (
        sorted(set(map(str, found)) - set(ENVIRONMENTS)) if isinstance(found, Mapping) else [found]
    )
    if unknown:
        raise Refused(
            f"invoke.yaml: unknown setting deploy.environments.{unknown[0]}",
            f"there are {', '.join(ENVIRONMENTS)}",
            "correct the name in invoke.yaml",
        )
    return cast("Mapping[str, Any]", found)


def _laid_over(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(common)
    for name, value in own.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = _laid_over(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _build(kind: Any, value: Any, where: str) -> Any:
    """Turn plain data into the annotated type; the place is told when it does not fit."""
    if hasattr(kind, "_fields"):
        return _mapping(kind, value, where)
    if kind is Names:
        return _names(value, where)
    origin = get_origin(kind)
    if origin is tuple:
        return _tuple(get_args(kind)[0], value, where)
    if origin is Mapping:
        item_kind = get_args(kind)[1]
        if not isinstance(value, Mapping | None):
            raise Refused(f"invoke.yaml: {where} {_BLOCK}", f"it is {value!r}", _CORRECT)
        return {
            str(key): _scalar(item_kind, item, f"{where}.{key}")
            for key, item in dict(value or {}).items()
        }
    return _scalar(kind, value, where)


def _mapping(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise Refused(f"invoke.yaml: {where} {_BLOCK}", f"it is {value!r}", _CORRECT)
    kinds = kind.__annotations__
    unknown = sorted(str(name) for name in value if name not in kinds)
    if unknown:
        from difflib import get_close_matches  # 3 ms, for a misspelt name only

        near = get_close_matches(str(unknown[0]), kinds, n=1)
        meant = f'; did you mean "{near[0]}"?' if near else ""
        raise Refused(
            f"invoke.yaml: unknown setting {where}.{unknown[0]}{meant}",
            f"{where} has: {', '.join(sorted(kinds))}",
            "correct the name in invoke.yaml (or in the INVOKE_ variable)"
            + ("" if near else f"; {_MAY_BE_LATER}"),
        )
    given = {name: _build(kinds[name], item, f"{where}.{name}") for name, item in value.items()}
    try:
        return kind(**given)
    except TypeError as error:
        raise Refused(f"invoke.yaml: {where} is incomplete", str(error)) from None


def _tuple(item_kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    """Return a list; one number or one text without a comma counts as a list of one."""
    if item_kind in (int, str) and type(value) is item_kind and "," not in str(value):
        return (value,)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise Refused(f"invoke.yaml: {where} is not a list", f"it is {value!r}", "write [a, b]")
    return tuple(_build(item_kind, item, f"{where}[{index}]") for index, item in enumerate(value))


def _names(value: Any, where: str) -> Names:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not all(isinstance(item, str) for item in listed):
        raise Refused(f"invoke.yaml: {where} must be names", f"it is {value!r}", "write [A, B]")
    return Names(",".join(listed))


def _scalar(kind: Any, value: Any, where: str) -> Any:
    fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not fits or (kind is not bool and isinstance(value, bool)):
        quotes = f'write "{value}", in quotes' if kind is str else _CORRECT
        raise Refused(f"invoke.yaml: {where} must be {_KINDS[kind]}", f"it is {value!r}", quotes)
    if kind in (int, float):
        _require_useful(value, where)
    if kind is str and "\0" in value:
        why = "no path and no name may have one"
        raise Refused(f"invoke.yaml: {where} has a NUL", why, _CORRECT)
    return kind(value)


def _require_useful(number: float, where: str) -> None:
    """Refuse a number that is no length of time, and no count of anything."""
    least = 1e-3 if where in _ABOVE_ZERO else 0
    if not least <= number <= _GREATEST:  # which a number that is none (.nan) does not either
        what = f"from {'above ' * bool(least)}0 to {_GREATEST:,}"
        raise Refused(f"invoke.yaml: {where} is {number}", f"it may be {what}")
