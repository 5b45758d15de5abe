"""Health checks: probes asked together, each with its own time limit and a short memory.

The answers have the shape of draft-inadarei-api-health-check-06 (health+json), with
``timestamp``, ``service`` and ``version`` beside its own fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xswarm_monitoring.clock import Clock, iso
from xswarm_monitoring.plain import described, plain

if TYPE_CHECKING:
    from asyncio import Future

PASS, WARN, FAIL = "pass", "warn", "fail"
MEDIA_TYPE = "application/health+json"

Key = tuple[str, bool, int]
"""What a probe is remembered by: its name, whether it is of readiness, how many before it alike.

So those of readiness, asked without the others, are the same ones.
"""

_STATUSES = frozenset({PASS, WARN, FAIL})
_FOLLOWER_GRACE = 0.05  # seconds a follower waits beyond its leader's time limit
_LONGEST_OUTPUT = 300  # characters of an error that a report carries


@dataclass(frozen=True)
class Probe:
    """Ask one dependency whether it works.

    Args:
        name: the component, as it stands in the report, e.g. ``database``.
        run: asks it; raises, returns False or says so in its ``status``, where it does not
            work. A mapping it returns is shown to administrators, masked; its keys ``status``
            (``pass``, ``warn`` or ``fail``) and ``output`` (why) are understood. Whatever else
            it returns, True or rows, is an answer.
        critical: whether the service is down without it; only then does a report fail.
        timeout: seconds it may take.
        ready: whether ``/health/ready`` asks it too, not only ``/health/detailed``.
        kind: the component's type, e.g. ``datastore``, ``component`` or ``system``.
        fresh: seconds for which it is not asked again once it passed; None: the prober's.
        retry: likewise once it did not pass.
        patience: seconds it may take where nobody waits for the answer, as in a round; then
            being late for ``timeout`` is no failure yet, but ``warn``. 0: there is none.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    critical: bool = True
    timeout: float = 0.4
    ready: bool = False
    kind: str = "component"
    fresh: float | None = None
    retry: float | None = None
    patience: float = 0.0


@dataclass(frozen=True)
class Check:
    """What a probe found.

    Args:
        name: the probe's name.
        status: ``pass``, ``warn`` or ``fail``.
        critical: whether the service is down without it.
        milliseconds: how long it took.
        time: when it was asked, seconds since 1970.
        output: why it did not pass; empty where it did.
        facts: what else the probe told.
        kind: the component's type.
    """

    name: str
    status: str
    critical: bool
    milliseconds: float
    time: float
    output: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "component"

    def as_json(self) -> dict[str, Any]:
        """Return the check as one entry of a health+json report."""
        entry: dict[str, Any] = {
            "componentType": self.kind,
            "status": self.status,
            "critical": self.critical,
            "observedValue": round(self.milliseconds, 1),
            "observedUnit": "ms",
            "time": iso(self.time),
        }
        if self.output:
            entry["output"] = self.output
        return entry | {key: value for key, value in self.facts.items() if key not in entry}


class Prober:
    """Ask probes, together, each at most once at a time and not again within a short while.

    Args:
        fresh: seconds for which a passed check is given again without asking.
        retry: seconds for which a check that did not pass is given again.
        clock: the clock to read.
    """

    def __init__(
        self, *, fresh: float = 10.0, retry: float = 2.0, clock: Clock | None = None
    ) -> None:
        self.fresh, self.retry, self.clock = fresh, retry, clock or Clock()
        self._checks: dict[Key, Check] = {}
        self._expires: dict[Key, float] = {}
        self._flights: dict[Key, Future[None]] = {}

    async def ask(self, probes: Iterable[Probe], *, patient: bool = False) -> list[Check]:
        """Ask all probes at the same time; the slowest one sets how long it takes.

        Those of one name are one component, which is as well as the worst of them.

        Args:
            probes: what to ask.
            patient: whether each may take its ``patience``; then what did not pass is asked
                again rather than remembered.
        """
        from asyncio import gather  # a Worker's start must not pay for it

        asked = [_patient(probe) if patient and probe.patience else probe for probe in probes]
        found = await gather(*(self._check(key, probe) for key, probe in _keyed(asked)))
        return _by_component(found)

    async def _check(self, key: Key, probe: Probe) -> Check:
        abandoned: Future[None] | None = None
        while True:
            check = self._remembered(key, probe)
            if check is not None:
                return check
            flight = self._flights.get(key)
            if flight is None or flight is abandoned:
                return await self._fly(key, probe)
            await self._follow(flight, probe)
            abandoned = flight

    def _remembered(self, key: Key, probe: Probe) -> Check | None:
        check = self._checks.get(key)
        if check is None or self._expires[key] <= self.clock.timer():
            return None
        # Who has patience is asked again where haste may have found it late.
        unsure = probe.timeout == probe.patience and check.status != PASS
        return None if unsure else check

    async def _follow(self, flight: Future[None], probe: Probe) -> None:
        """Wait for another request's flight, but not for ever: its isolate may have ended it."""
        from asyncio import wait

        await wait([flight], timeout=probe.timeout + _FOLLOWER_GRACE)

    async def _fly(self, key: Key, probe: Probe) -> Check:
        from asyncio import get_running_loop

        flight: Future[None] = get_running_loop().create_future()
        self._flights[key] = flight
        try:
            check = await _run(probe, self.clock)
            self._remember(key, check, probe)
            return check
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not flight.done():
                flight.set_result(None)

    def _remember(self, key: Key, check: Check, probe: Probe) -> None:
        given, usual = (
            (probe.fresh, self.fresh) if check.status == PASS else (probe.retry, self.retry)
        )
        kept = usual if given is None else given
        self._checks[key] = check
        self._expires[key] = self.clock.timer() + kept


def _keyed(probes: Sequence[Probe]) -> list[tuple[Key, Probe]]:
    """Return each probe with what it is remembered by: a replica may bear the same name."""
    alike = [(probe.name, probe.ready) for probe in probes]
    return [((*alike[n], alike[:n].count(alike[n])), each) for n, each in enumerate(probes)]


def _by_component(checks: Iterable[Check]) -> list[Check]:
    """Return one check for each name: the worst."""
    worst: dict[str, Check] = {}
    for check in checks:
        worst[check.name] = max(worst.get(check.name, check), check, key=_badness)
    return list(worst.values())


def _badness(check: Check) -> tuple[bool, int]:
    failed = check.status == FAIL
    return failed and check.critical, (PASS, WARN, FAIL).index(check.status)


def _patient(probe: Probe) -> Probe:
    return replace(probe, timeout=probe.patience)


async def _run(probe: Probe, clock: Clock) -> Check:
    """Run a probe within its time limit; whatever it raises is a failed check."""
    time, started = clock.wall(), clock.timer()
    status, output, facts = await _outcome(probe)
    return Check(
        name=probe.name,
        status=status,
        critical=probe.critical,
        milliseconds=(clock.timer() - started) * 1000,
        time=time,
        output=output,
        facts=facts,
        kind=probe.kind,
    )


async def _outcome(probe: Probe) -> tuple[str, str, Mapping[str, Any]]:
    from asyncio import ensure_future

    try:
        task = ensure_future(probe.run())
    except Exception as error:  # a probe that raises before its first await
        return FAIL, _describe(error), {}
    try:
        await _wait(task, probe.timeout)
    finally:
        if not task.done():
            task.add_done_callback(_forget)
            task.cancel()
    if not task.done():
        late = WARN if probe.patience > probe.timeout else FAIL
        return late, f"no answer within {probe.timeout * 1000:.0f} ms", {}
    if task.cancelled():
        return FAIL, "the probe was cancelled", {}
    raised = task.exception()
    return (FAIL, _describe(raised), {}) if raised else _understand(task.result())


async def _wait(task: Future[Any], seconds: float) -> None:
    """Wait for a probe's answer, not longer than its time limit.

    A loop that was stalled finds both due in the same turn; then it is not the probe that was
    late. So its time begins when it has begun, and an answer that is there is taken.
    """
    from asyncio import sleep, wait

    await sleep(0)
    # Not wait_for: it would wait on for a probe that ignores its cancellation.
    await wait([task], timeout=seconds)
    if not task.done():
        await wait([task], timeout=0)


def _forget(task: Future[Any]) -> None:
    """Take the exception of a probe that came too late, so that no loop warns of it."""
    if not task.cancelled():
        task.exception()


def _understand(told: object) -> tuple[str, str, Mapping[str, Any]]:
    """Read what a probe gave: a mapping tells, False is a refusal, and all else an answer."""
    if told is False:
        return FAIL, "the probe gave False", {}
    given = plain(told) if isinstance(told, Mapping) else None
    facts = given if isinstance(given, dict) else {}  # one whose items cannot be had tells nothing
    status, output = str(facts.pop("status", PASS)), str(facts.pop("output", ""))
    if status not in _STATUSES:
        return FAIL, f"the probe gave the unknown status {status!r}", facts
    return status, output[:_LONGEST_OUTPUT], facts


def _describe(error: BaseException) -> str:
    return described(error)[:_LONGEST_OUTPUT]


def verdict(checks: Sequence[Check]) -> str:
    """Judge a service by its checks: failed only where a critical one failed."""
    if any(check.status == FAIL and check.critical for check in checks):
        return FAIL
    return PASS if all(check.status == PASS for check in checks) else WARN


def http_status(status: str) -> int:
    """Return the HTTP status of a verdict: 503 where it failed, 200 otherwise."""
    return 503 if status == FAIL else 200


def head(status: str, service: str, version: str, now: float) -> dict[str, Any]:
    """Return the fields that every health+json report of ours has.

    Args:
        status: the verdict.
        service: the service's name.
        version: its version.
        now: seconds since 1970.
    """
    return {"status": status, "timestamp": iso(now), "service": service, "version": version}


def checks_as_json(checks: Iterable[Check]) -> dict[str, Any]:
    """Return the checks as they stand in a health+json report, under ``checks``."""
    return {f"{check.name}:responseTime": [check.as_json()] for check in checks}


def alive() -> dict[str, Any]:
    """Prove by a computation, without any dependency, that this process works."""
    tests = {
        "arithmetic": sum(range(1000)) == 499_500,
        "hashing": hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf"),
        "text": "ünïcode".encode().decode() == "ünïcode",
    }
    return {"alive": all(tests.values()), "tests": tests}
