"""Go back to an earlier release: what that takes, and whether it is safe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from xswarm_deploy import console
from xswarm_deploy.background import started
from xswarm_deploy.console import Console
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.record import OF_VERSION, Record, noted
from xswarm_deploy.model.rollback_request import RollbackRequest
from xswarm_deploy.model.split import met
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import history, preview, records
from xswarm_deploy.release.ahead import FRESH, Unlocked
from xswarm_deploy.release.transaction import Taking, taken_ahead
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.settings.variables import PRODUCTION
from xswarm_deploy.site import Site
from xswarm_deploy.steps import applied, durable_objects, fingerprints, pages, traffic, triggers
from xswarm_deploy.steps.applied import Today
from xswarm_deploy.steps.unversioned import changes as unversioned
from xswarm_deploy.verification import verify

if TYPE_CHECKING:
    from xswarm_deploy.release.release import Release

PHASES: Final = ("rollback", "webhooks")
_WHOLE: Final = 36  # characters of a version's id
_SHORTEST: Final = 6  # characters of an id that are taken for one
_LISTED: Final = 100  # releases to choose from; an older one is named


class Reading(NamedTuple):
    """What every plan of going back builds upon: it is read while the release is looked for.

    Args:
        at: when the first of it was asked, on the monotonic clock.
        deployed: the split of the traffic, with the versions that have 0 %.
        applied: the applied migrations.
        history: the earlier releases.
        hooks: the changes of the webhooks.
    """

    at: float
    deployed: Future[dict[str, float]]
    applied: Future[Today]
    history: Future[Sequence[Record]]
    hooks: Future[Sequence[Change]]

    @classmethod
    def begin(cls, site: Site) -> Reading:
        """Begin to read; what is read of Cloudflare's Worker and site counts for moments."""
        at, _ = time.monotonic(), site.connections  # imports requests: two threads get half of it
        hooks = started(partial(_hooks, site))  # of three providers more
        site.cloudflare.read_ahead(site.worker)
        site.cloudflare.list_ahead(site.worker)
        pages.read_ahead(site)
        deployed = started(partial(traffic.newest_split, site))
        names = started(partial(applied.today, site))
        return cls(at, deployed, names, started(site.history), hooks)


class Verified(NamedTuple):
    """A verification that was begun before the lock was taken.

    Args:
        version: of this one.
        good: whether it is good at 0 % of the traffic; False: it is not known.
        at: when it was begun, on the monotonic clock.
    """

    version: str
    good: Future[bool]
    at: float

    def of(self, version: str) -> bool:
        """Return whether this version was found good moments ago."""
        known = version == self.version and time.monotonic() - self.at <= FRESH
        return known and self.good.result()


class Found(NamedTuple):
    """A release that a person asked for.

    Args:
        target: the release.
        maker: the one that made its version, for whose schema its code was written; those that
            went back to it may have left a newer schema, which proves nothing.
    """

    target: Record
    maker: Record


class Planned(NamedTuple):
    """What going back changes in both phases, and what a person should know before."""

    code: list[Change]
    hooks: list[Change]
    risks: list[str]


class Chosen(NamedTuple):
    """What is to be live again.

    Args:
        wanted: its release.
        wish: what a person asked for.
        plans: of what that changes.
        verified: whether it is good.
        told: whether a person was told what is unsafe, as they were asked.
    """

    wanted: Found
    wish: RollbackRequest
    plans: Unlocked[Planned]
    verified: Verified
    told: bool


def choose(site: Site) -> str:
    """Let a person choose a release from the list, with what going there would bring about."""
    rows = list(islice(_good(site.history()), _LISTED))
    live, now = history.live_record(site, rows), applied.today(site)
    earlier = _latest_of_each([r for r in rows if not live or r.version != live.version])
    if not earlier:
        raise Refused("there is no earlier release to go back to", "", "inv deploy.list")
    listed = traffic.deployable(site)
    return console.select(
        "Which release should be live again?",
        {r.release: described(site, _found(r, rows), listed, now) for r in earlier},
        f"inv rollback --version {earlier[0].version}; all of them: inv deploy.list",
    )


def described(site: Site, found: Found, listed: Sequence[str], now: Today) -> str:
    """Return a release's line of the list: when, what, who, its migrations, and what is unsafe.

    Args:
        site: the environment.
        found: the release.
        listed: the versions that Cloudflare would deploy.
        now: the applied migrations.
    """
    record = found.target
    count = len(record.facts.get("migrations", ()))
    unsafe = risks(site, found, now)
    if record.version not in listed:
        unsafe.append("its version is too old: Cloudflare deploys it no more")
    safe = "⚠ " + "; ".join(unsafe) if unsafe else "safe"
    return (
        f"{record.created[:19]}  {record.version[:8]}  {record.author}  {record.message}"
        f"  ({count} migration{'' if count == 1 else 's'}, {safe})"
    )


def risks(site: Site, wanted: Found, now: Today) -> list[str]:
    """Return what a person should know before going back to a release; empty: nothing.

    Args:
        site: the environment.
        wanted: the release.
        now: the applied migrations.
    """
    target = wanted.target
    found = [f"{name} is marked `-- compatible: no`" for name in _clashing(target, now)]
    written_for = wanted.maker.facts.get("migrations", now.names)
    if gone := now.removing(written_for):
        found.append(f"{'; '.join(gone)}: its code may still use that")
    if lacking := _lacking(site, target, now):
        found.append(f"it ran on {', '.join(lacking)}, which the database has no longer")
    rotated = rotated_since(site, target)
    if rotated:
        found.append(f"brings back the keys at that release: {', '.join(rotated)} changed since")
    return [*found, *_not_noted(site, target, now)]


def _not_noted(environment: Environment, target: Record, now: Today) -> list[str]:
    """Return what stays as it is today, since it is not recorded how it was then."""
    found = []
    if "migrations" not in target.facts and (names := now.incompatible(())):
        then = "the schema at that release is not recorded"
        found.append(f"{then}, and {', '.join(names)} is marked `-- compatible: no`")
    if not target.facts.get("pages") and pages.current(environment):
        known = "pages" in target.facts
        then = (
            "there was no static site then"
            if known
            else "the static site at that release is not recorded"
        )
        found.append(f"{then}: today's stays")
    if target.facts.get("crons") is None and environment.cloudflare.schedules(environment.worker):
        found.append("the cron triggers at that release are not recorded: today's stay")
    if target.facts.get("unversioned") is None:
        found.append("its settings and addresses are not recorded: today's stay")
    return found


def proven(out: Console, site: Site, wish: RollbackRequest) -> RollbackRequest:
    """Unpack and compare the backup that is to be restored, before anyone is asked.

    Raises:
        Refused: there is none, it is damaged, or is not what its manifest says.
    """
    if not wish.restore_db:
        return wish
    from xswarm_deploy.release import restore_preview as restoring  # heavy, and seldom asked for

    return wish._replace(restoring=restoring.planned(out, site, wish.restore_db))


def rotated_since(environment: Environment, target: Record) -> list[str]:
    """Name the secrets whose value of that release is not today's; they come with the version."""
    then = target.facts.get("secrets", {})
    today = fingerprints.of(environment.settings.worker_secrets(), environment.settings)
    return sorted(name for name in today if name in then and then[name] != today[name])


def _latest_of_each(listed: list[Record]) -> list[Record]:
    """Keep one release of each version, the newest."""
    return list({record.version: record for record in reversed(listed)}.values())[::-1]


def find(site: Environment, wish: RollbackRequest) -> Found:
    """Return the release that is meant.

    Raises:
        Refused: nothing, or more than one release, is meant.
    """
    name = wish.version
    if len(name) < _SHORTEST or name.startswith("-"):
        raise Refused(
            f"{name!r} is no version",
            f"at least {_SHORTEST} characters are needed",
            "inv deploy.list",
        )
    meant = _recorded(site, name)
    versions = {record.version for record in meant}
    if len(versions) > 1:
        raise Refused(
            f"{name} names several versions", ", ".join(sorted(versions)), "inv deploy.list"
        )
    if not meant:
        unknown = _unrecorded(site, name)
        return Found(unknown, unknown)
    named_by_itself = all(record.kind == "rollback" for record in meant)
    return _found(meant[0], _recorded(site, meant[0].version) if named_by_itself else meant)


def _recorded(environment: Environment, name: str) -> list[Record]:
    """Return the good releases whose id, or whose version's, begins so, newest first."""
    where, worker = environment.settings.environment, environment.worker
    return list(_good(records.read(environment.database, where, worker, named=name)))


def _found(target: Record, listed: Sequence[Record]) -> Found:
    """Return a release with the first in a list that made its version, newest first."""
    made = (r for r in reversed(listed) if r.version == target.version and r.kind != "rollback")
    return Found(target, next(made, target))


def message(maker: Record) -> str:
    """Return the words for going back: the release that made the version, and what it was."""
    said = f" ({maker.message})" if maker.message else ""
    return f"back to {maker.release or maker.version}{said}"


def show(out: Console, site: Site, wish: RollbackRequest) -> None:
    """Print what going back would change, and what is unsafe about it; changes nothing."""
    wish = _named(site, wish)
    reading = Reading.begin(site)
    found = planned(site, find(site, wish), proven(out, site, wish), reading)
    preview.show(out, [*found.code, *found.hooks])
    for risk in found.risks:
        out.warn(risk)


def _named(site: Site, wish: RollbackRequest) -> RollbackRequest:
    """Let a person choose where no version is named."""
    return wish if wish.version else wish._replace(version=choose(site))


def locking(
    site: Site, wish: RollbackRequest, *, agreed: bool
) -> AbstractContextManager[Taking | None]:
    """Begin to take the lock, where nobody is asked anything and no backup is unpacked before.

    Args:
        site: the environment.
        wish: what a person asked for.
        agreed: whether nobody has to be asked.
    """
    if agreed and wish.version and not wish.restore_db:
        return taken_ahead(site, "rollback", PHASES)
    return nullcontext()


def reading_for(site: Site, wish: RollbackRequest) -> Reading | None:
    """Begin to read for a plan; None where a person chooses first, while that would grow old."""
    return Reading.begin(site) if wish.version else None


def chosen(
    out: Console, site: Site, wish: RollbackRequest, reading: Reading | None, *, agreed: bool
) -> Chosen:
    """Find what is meant, begin to plan and to verify it, and ask a person.

    Args:
        out: where that is shown.
        site: the environment.
        wish: what a person asked for.
        reading: from :func:`reading_for`.
        agreed: whether nobody has to be asked.

    Raises:
        Refused: nothing, or more than one release, is meant; or nobody agreed.
    """
    wish = _named(site, wish)
    reading = reading or Reading.begin(site)
    site.connections.open_ahead(site.settings.text("WORKER_URL"), verify.QUICK)
    wanted = find(site, wish)
    wish = proven(out, site, wish)
    plans = plan_ahead(site, wanted, wish, reading)
    confirm(out, site, wanted.target, wish, plans.planned, yes=agreed)
    verified = verify_ahead(site, wanted.target, reading)
    return Chosen(wanted, wish, plans, verified, told=not agreed)


def _hooks(site: Site) -> Sequence[Change]:
    """Return how the webhooks would change."""
    from xswarm_deploy.steps import webhooks  # heavy

    return webhooks.plan(site)


def planned(site: Site, wanted: Found, wish: RollbackRequest, reading: Reading) -> Planned:
    """Plan both phases at the same time, and find out what is unsafe.

    Args:
        site: the environment.
        wanted: what is to be live.
        wish: what a person asked for.
        reading: what that builds upon.

    Raises:
        Refused: see :func:`plan`.
    """
    unsafe = started(lambda: risks(site, wanted, reading.applied.result()))
    code = plan(site, wanted.target, wish, reading)
    return Planned(code, list(reading.hooks.result()), unsafe.result())


def plan(site: Site, target: Record, wish: RollbackRequest, reading: Reading) -> list[Change]:
    """Return what going back would change, in the order it is safe to.

    Schema and code go back together: code first where it runs on today's schema, and the
    schema first where it does not.

    Raises:
        Refused: the older code does not run on today's schema, and the schema is to stay; or a
            Durable Object migration was applied since.
    """
    with ThreadPoolExecutor(5, thread_name_prefix="rollback") as pool:
        then = target.facts.get("objects")
        reachable = pool.submit(durable_objects.require_reachable, site, then, target.version)
        listed = pool.submit(traffic.deployable, site)
        static = pool.submit(_static_site, site, target)
        crons = pool.submit(triggers.changes, site, target.facts.get("crons"))
        beside = pool.submit(_unversioned, site, target, reading)
        clashing = _clashing(target, reading.applied.result())
    reachable.result()
    deployed = reading.deployed.result()
    code = traffic.roll_out(
        site, met(deployed), target.version, listed.result(), back=True, deployed=deployed
    )
    code += [*static.result(), *crons.result(), *beside.result()]
    if clashing and not (wish.migrations or wish.restoring):
        raise Refused(
            f"version {target.version[:8]} does not run on today's schema",
            f"{', '.join(clashing)} came later and is marked `-- compatible: no`",
            f"inv rollback --version {wish.version} --migrations (takes them back, too)",
        )
    _require_schema(site, target, wish, reading)
    schema = _schema(site, target, wish)
    return [*schema, *code] if clashing else [*code, *schema]


def confirm(
    out: Console,
    site: Site,
    target: Record,
    wish: RollbackRequest,
    plan: Future[Planned],
    *,
    yes: bool,
) -> None:
    """Ask a person; in production the Worker's name must be typed."""
    what = f"{site.worker} in {site.settings.environment} to version {target.version[:8]}"
    lost = f" and restore the database from {wish.restore_db}" if wish.restore_db else ""
    name = site.worker if site.settings.environment == PRODUCTION else None
    if not yes:  # who is not asked is told when the plan is there
        found = plan.result()
        if console.interactive():
            preview.show(out, [*found.code, *found.hooks])
        for risk in found.risks:
            out.warn(risk)
    console.confirm(f"Roll {what} ({target.created[:19]}) back{lost}?", yes=yes, type_name=name)


def plan_ahead(
    site: Site, wanted: Found, wish: RollbackRequest, reading: Reading
) -> Unlocked[Planned]:
    """Begin to plan while a person is asked and the lock is taken; reads only."""
    return Unlocked(started(lambda: planned(site, wanted, wish, reading)), reading.at)


def verify_ahead(site: Site, target: Record, reading: Reading) -> Verified:
    """Begin to verify a version that is deployed at 0 % already, while the lock is taken.

    Args:
        site: the environment.
        target: what is to be live.
        reading: from :meth:`Reading.begin`.
    """
    at = time.monotonic()
    return Verified(target.version, started(partial(_verified, site, target.version, reading)), at)


def _verified(site: Site, version: str, reading: Reading) -> bool:
    """Return whether a version at 0 % is good; what is not known to be is verified at its turn."""
    try:
        if reading.deployed.result().get(version) != 0.0:
            return False
        asked = verify.dark(site, version)
        verify.look_ahead(site, asked, quick=True)  # for the gate, should it come to that
        return verify.at_once(site, asked) or verify.gate(site, asked, quick=True).ok
    except DeployError:
        return False


def run(release: Release, chosen: Chosen) -> None:
    """Make the older release live again, inside a release of its own.

    Args:
        release: under way.
        chosen: what is to be live; see :func:`chosen`.
    """
    site, target = release.site, chosen.wanted.target
    site.facts["version"] = target.version
    site.facts.update({n: target.facts[n] for n in OF_VERSION if n in target.facts})
    with release.console.step("rollback") as line:
        changes, hooks, unsafe = chosen.plans.holding(
            release.undisturbed,
            lambda: planned(site, chosen.wanted, chosen.wish, Reading.begin(site)),
        )
        if changes and traffic.first_meets_users(changes[0]):
            site.state.verified = chosen.verified.of
            site.cloudflare.look_ahead(site.worker)
        for risk in () if chosen.told else unsafe:
            release.console.warn(risk)
        release.make(changes, "rollback", final=not hooks)
        line.detail = f"version {target.version[:8]} is live" if changes else "nothing to do"
    with release.console.step("webhooks") as line:
        release.make(hooks, "webhooks")
        line.detail = f"{len(hooks)} changes" if hooks else "nothing to do"


def _static_site(environment: Environment, target: Record) -> list[Change]:
    deployment = str(target.facts.get("pages", ""))
    return pages.go_back(environment, deployment) if deployment else []


def _unversioned(site: Site, target: Record, reading: Reading) -> list[Change]:
    """Return how settings and addresses go back to those of the target."""
    live = next(iter(met(reading.deployed.result())), "")
    today = noted(reading.history.result(), live).get("unversioned")
    return unversioned.changes(site, target.facts.get("unversioned"), today)


def _clashing(target: Record, now: Today) -> list[str]:
    """Return the later migrations that the target's code does not run with."""
    if "migrations" not in target.facts:
        return []
    return now.incompatible(target.facts["migrations"])


def _lacking(site: Site, target: Record, now: Today) -> list[str]:
    """Return the migrations that a version ran on and that were taken back since.

    It may have been live on several schemas: the one that is nearest to today's counts.
    """
    if set(target.facts.get("migrations", ())) <= set(now.names):
        return []  # as mostly: no need to look at the others
    live = [target, *_recorded(site, target.version)]
    ran_on = [r.facts["migrations"] for r in live if "migrations" in r.facts]
    return min(([name for name in names if name not in now.names] for names in ran_on), key=len)


def _require_schema(site: Site, target: Record, wish: RollbackRequest, reading: Reading) -> None:
    """Refuse code whose migrations were taken back and can be applied again.

    SQLite takes a column that is not there for a text: such code may write nonsense, unnoticed.
    """
    lacking = [] if wish.restoring else _lacking(site, target, reading.applied.result())
    if not lacking:
        return
    from xswarm_deploy.steps import pending  # seldom asked for

    files = {file.name for file in pending.files(site)}
    if here := [name for name in lacking if name in files]:
        raise Refused(
            f"version {target.version[:8]} does not run on today's schema",
            f"it ran on {', '.join(here)}, which the database has no longer",
            f"inv migrate, then: inv rollback --version {wish.version}",
        )


def _schema(environment: Environment, target: Record, wish: RollbackRequest) -> list[Change]:
    if wish.restoring:
        return list(wish.restoring)
    if not wish.migrations:
        return []
    if "migrations" not in target.facts:
        raise Refused(
            f"it is not recorded which migrations version {target.version[:8]} ran on",
            "no release of this tool put it live, so all of them would be taken back",
            f"inv rollback --version {wish.version}, then inv migrate.down --to NAME",
        )
    from xswarm_deploy.steps import backup, migrate  # heavy, and seldom asked for

    back = migrate.plan_back(environment, target.facts["migrations"])
    return [*backup.always(environment), *back] if back else []


def _good(listed: Iterable[Record]) -> Iterator[Record]:
    return (r for r in listed if r.status == records.SUCCEEDED and r.version)


def _begun_with(environment: Environment, beginning: str) -> str:
    """Return the id of the Worker's one version that begins so; the text itself where none does.

    Raises:
        Refused: several do.
    """
    listed = environment.cloudflare.versions(environment.worker)
    found = [each.id for each in listed if each.id.startswith(beginning)]
    if len(found) > 1:
        raise Refused(f"{beginning} names several versions", ", ".join(found), "inv deploy.list")
    return found[0] if found else beginning


def _unrecorded(environment: Environment, version: str) -> Record:
    """Return a version that no release recorded, such as one that wrangler uploaded."""
    try:
        whole = version if len(version) == _WHOLE else _begun_with(environment, version)
        found = environment.cloudflare.version(environment.worker, whole)
    except ServiceError as error:
        raise Refused(f"there is no version {version}", str(error), "inv deploy.list") from None
    return Record(
        "", environment.settings.environment, "", "", found.created_on, "", "", "", found.id
    )
