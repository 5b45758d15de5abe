from __future__ import annotations

import json
import random

import pytest

from xswarm_monitoring import alert, alert_state
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import AlertState, Notice, Policy, Silence

DOWN = alert.service_outage("database", "no answer")
SLOW = Alert("slow-responses", Severity.WARNING, "slow")


def told(notices: list[Notice]) -> list[tuple[str, str]]:
    return [(notice.what.value, notice.alert.name) for notice in notices]


def watch(kept: AlertState, due: list[tuple[float, list[Alert]]]) -> list[tuple[float, str, str]]:
    """Advance a state through moments, and return when people were told what."""
    seen = []
    for now, alerts in due:
        seen += [(now, *each) for each in told(kept.advance(alerts, now))]
        kept = alert_state.load(kept.dump(), kept.policy)  # as a cron trigger keeps it
    return seen


def minutes(
    *spans: tuple[int, int], until: int, what: Alert = DOWN
) -> list[tuple[float, list[Alert]]]:
    """Return each minute up to one, with the alert due in some spans."""
    on = {minute for first, last in spans for minute in range(first, last)}
    return [(60.0 * m + 1, [what] if m in on else []) for m in range(until)]


def test_a_condition_fires_when_it_held_for_a_while_and_is_resolved_when_it_stayed_away() -> None:
    assert watch(AlertState(), minutes((2, 10), until=30)) == [
        (181.0, "firing", "service-outage"),
        (841.0, "resolved", "service-outage"),
    ]


def test_a_round_that_is_a_little_early_is_no_minute_late() -> None:
    """A cron begins a process each minute, and that takes sometimes longer, sometimes shorter."""
    state = AlertState()
    assert state.advance([DOWN], 0.9) == []
    assert len(state.advance([DOWN], 60.4)) == 1


def test_one_bad_moment_wakes_nobody() -> None:
    assert watch(AlertState(), minutes((2, 3), (9, 10), (20, 21), until=60)) == []


def test_what_goes_on_is_told_again_but_rarely() -> None:
    seen = watch(AlertState(), minutes((0, 200), until=200))
    assert seen == [
        (61.0, "firing", "service-outage"),
        (3661.0, "still firing", "service-outage"),
        (7261.0, "still firing", "service-outage"),
        (10861.0, "still firing", "service-outage"),
    ]


def test_a_short_break_does_not_resolve() -> None:
    seen = watch(AlertState(), minutes((0, 10), (12, 20), (23, 30), until=60))
    assert [what for _, what, _ in seen] == ["firing", "resolved"]


def test_a_service_that_flaps_for_an_hour_sends_a_handful_of_messages() -> None:
    """On for two minutes, off for six, all hour long: each is a new outage and a recovery."""
    spans = [(start, start + 2) for start in range(0, 60, 8)]
    seen = watch(AlertState(), minutes(*spans, until=240))
    assert [what for _, what, _ in seen] == [
        "firing",
        "resolved",
        "firing",
        "resolved",
        "flapping",
        "resolved",
    ]
    assert seen[-1][0] == (57 * 60 + 1) + 3600


@pytest.mark.parametrize("seed", range(10))
def test_a_service_that_flaps_at_random_never_storms(seed: int) -> None:
    chance = random.Random(seed)
    due = [(20.0 * n, [DOWN] if chance.random() < 0.6 else []) for n in range(180)]
    assert len(watch(AlertState(), due)) <= 6


def test_what_is_due_without_a_break_does_not_flap_but_fires_when_it_held() -> None:
    kept = AlertState(Policy(hold=1200.0))
    seen = watch(kept, minutes((0, 30), until=30))
    assert seen == [(1201.0, "firing", "service-outage")]


def test_each_flapping_ends_with_good_news() -> None:
    kept = AlertState(Policy(hold=0, clear=60, flap_window=600))
    spans = [(start, start + 1) for start in range(0, 20, 3)]
    seen = watch(kept, minutes(*spans, until=60))
    assert [what for _, what, _ in seen][-2:] == ["flapping", "resolved"]
    assert kept.entries != {}
    assert watch(kept, minutes(until=0)) == []


def test_alerts_of_one_kind_about_different_things_are_different() -> None:
    other = alert.service_outage("r2", "no answer")
    kept = AlertState(Policy(hold=0))
    assert len(kept.advance([DOWN, other, DOWN], 1.0)) == 2


def test_an_event_that_happens_again_is_counted_and_told_once() -> None:
    failed = Alert("import-failed", Severity.ERROR, "an import failed")
    kept = AlertState()
    assert told(kept.happened(failed, 0.0)) == [("happened", "import-failed")]
    for second in range(1, 40):
        assert kept.happened(failed, float(second)) == []
    assert kept.advance([], 500.0) == []
    (notice,) = kept.advance([], 901.0)
    assert (notice.what.value, notice.times) == ("happened", 39)
    assert kept.advance([], 5000.0) == []
    assert kept.events == {}


def test_silenced_alerts_reach_nobody_until_the_silence_is_over() -> None:
    kept = AlertState(Policy(hold=0))
    kept.silence(Silence("service-*", 100.0, "maintenance"))
    assert kept.advance([DOWN], 10.0) == []
    assert kept.advance([DOWN], 50.0) == []
    assert told(kept.advance([DOWN], 101.0)) == [("still firing", "service-outage")]
    assert [entry["channels"] for entry in kept.history] == [{"silence": "silenced"}]


def test_what_was_silenced_from_first_to_last_is_not_resolved_aloud() -> None:
    kept = AlertState(Policy(hold=0, clear=0))
    kept.silence(Silence("*", 100.0, "maintenance"))
    kept.advance([DOWN], 10.0)
    assert kept.advance([], 120.0) == []


def test_the_history_keeps_the_last_hundred() -> None:
    kept = AlertState()
    for number in range(250):
        made = Alert("import-failed", Severity.INFO, "one failed", {"version": f"v{number}"})
        (notice,) = kept.happened(made, float(number))
        kept.record(notice, {"slack": "delivered"})
    assert len(kept.history) == 100
    assert kept.history[-1]["alert"]["labels"] == {"version": "v249"}


def test_a_silence_for_ever_can_be_shown() -> None:
    kept = AlertState()
    kept.silence(Silence("slow-*", 1e300, "known"))
    again = alert_state.load(kept.dump())
    assert again.silences[0].matches(SLOW)
    assert alert_state.summary(again)["silences"][0]["until"] > "2999"


def test_the_state_survives_as_text() -> None:
    kept = AlertState(Policy(hold=0))
    kept.silence(Silence("slow-*", 1e9, "known"))
    kept.advance([DOWN, SLOW], 5.0)
    kept.happened(alert.payment_failed("c", 1, "eur", "x"), 7199.0)
    kept.keep_undelivered(kept.advance([DOWN], 7200.0))
    again = alert_state.load(kept.dump())
    assert again.dump() == kept.dump()
    assert again.entries == kept.entries
    assert told(again.take_undelivered()) == [("still firing", "service-outage")]


@pytest.mark.parametrize("text", ["{}", "[]", '{"entries": [1]}'])
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="state"):
        alert_state.load(text)


def test_alerts_hold_no_secret() -> None:
    made = alert.database_error("libsql://user:hunter2hunter2@db refused sk_live_abcdefgh1234")
    assert "hunter2" not in str(made)
    assert "sk_live" not in str(made)


def test_what_another_saw_is_not_called_off() -> None:
    kept = AlertState(Policy(hold=60, clear=300))
    seen = []
    for now in range(0, 300, 30):  # one watches at the minute, the other at the half
        by = "watch" if now % 60 == 0 else "worker"
        seen += told(kept.advance([DOWN] if by == "watch" else [], now, by))
    assert seen == [("firing", "service-outage")]
    for now in range(300, 900, 30):  # the one who saw it looks no more: it ends all the same
        seen += told(kept.advance([], now, "worker"))
    assert seen[1:] == [("resolved", "service-outage")]


def test_a_state_of_before_several_watched_is_read() -> None:
    kept = AlertState(Policy(hold=0))
    kept.advance([DOWN], 0)
    old = json.loads(kept.dump())
    old["entries"] = [entry[:-1] for entry in old["entries"]]
    assert alert_state.load(json.dumps(old)).entries[DOWN.key].by == ""


def test_an_alert_holds_nothing_that_a_terminal_would_obey() -> None:
    text = "down\x1b[2J\n✓ all is well \u202etxt.exe"
    made = Alert("name\x9b", Severity.ERROR, text, {"route": text}, {"why": text}, text)
    shown = str(made.as_json())
    assert not any(mark in shown for mark in ("\x1b", "\x9b", "\u202e"))
    assert "\n" not in made.summary + made.labels["route"] + made.remedy


def burns(severity: Severity, objective: str = "availability") -> Alert:
    return Alert("error-budget", severity, "It burns", {"objective": objective})


def test_who_is_to_be_woken_is_told_as_soon_as_it_is_grave() -> None:
    """A budget burns slowly, then fast, then slowly: one alert, whose severity changes."""
    kept, policy, seen = AlertState(), Policy(), list[tuple[float, str, str]]()
    for minute in range(40):
        grave = Severity.CRITICAL if 10 <= minute < 15 or 18 <= minute < 20 else Severity.WARNING
        due = [burns(grave)] if minute < 30 else []
        notices = kept.advance(due, 60.0 * minute)
        seen += [(minute, each.what.value, each.alert.severity.name) for each in notices]
        kept = alert_state.load(kept.dump(), policy)
    assert seen == [
        (1, "firing", "WARNING"),
        (10, "still firing", "CRITICAL"),  # not after an hour, and not again at minute 18
        (34, "resolved", "CRITICAL"),  # to all whom it woke
    ]
    assert "told_as" not in json.loads(kept.dump())["history"]


def test_a_graver_event_does_not_wait_for_the_sum() -> None:
    kept = AlertState()
    brought_back = Alert("deployment-failed", Severity.ERROR, "It failed, and is undone")
    assert told(kept.happened(brought_back, 0.0)) == [("happened", "deployment-failed")]
    assert kept.happened(brought_back, 60.0) == []
    (notice,) = kept.happened(alert.deployment_failed("r2", "not undone", ""), 120.0)
    assert (notice.alert.severity, notice.times) == (Severity.CRITICAL, 2)  # none is lost
    assert kept.happened(brought_back, 180.0) == []


def test_an_alert_that_is_on_again_is_as_grave_as_it_is_told_anew() -> None:
    """What woke people the first time has not woken them the second time."""
    kept, seen = AlertState(), list[tuple[float, str, str]]()
    for minute in range(20):
        grave = Severity.CRITICAL if minute < 3 or minute >= 15 else Severity.WARNING
        due = [] if 3 <= minute < 10 else [burns(grave)]
        notices = kept.advance(due, 60.0 * minute)
        seen += [(minute, each.what.value, each.alert.severity.name) for each in notices]
        kept = alert_state.load(kept.dump(), Policy())
    assert seen == [
        (1, "firing", "CRITICAL"),
        (7, "resolved", "CRITICAL"),
        (11, "firing", "WARNING"),
        (15, "still firing", "CRITICAL"),
    ]


def grown() -> AlertState:
    """Return a state that holds all that came to be kept after version 1.0.0."""
    kept = AlertState(Policy(hold=120))
    for minute, on in enumerate([True, False, True, True, True]):
        kept.advance([burns(Severity.CRITICAL)] if on else [], 60.0 * minute)
    kept.happened(alert.payment_failed("c", 1, "eur", "x"), 300.0)
    return kept


def test_version_1_0_0_reads_the_state() -> None:
    """A rollback brings it back, and it takes lists of these lengths alone."""
    kept = grown()
    body = json.loads(kept.dump())
    assert [len(entry) for entry in body["entries"]] == [8]
    assert [len(event) for event in body["events"]] == [3]
    again = alert_state.load(kept.dump())
    assert (again.entries, again.events) == (kept.entries, kept.events)
    assert next(iter(again.entries.values())).recent == [True, False, True, True, True]
    assert next(iter(again.events.values())).collected


def test_the_states_of_other_versions_are_read() -> None:
    body = json.loads(grown().dump())
    (entry,), (event,) = body["entries"], body["events"]
    earliest = {**body, "entries": [without(entry)], "events": [without(event)]}
    read = alert_state.load(json.dumps(earliest))
    assert [each.told_as for each in read.entries.values()] == [Severity.CRITICAL]
    assert [each.collected for each in read.events.values()] == [False]
    # Between 1.0.0 and this one, they stood at the lists' ends.
    middle = {"entries": [[*without(entry), [True]]], "events": [[*without(event), True]]}
    read = alert_state.load(json.dumps(body | middle))
    assert [each.recent for each in read.entries.values()] == [[True]]
    assert [each.collected for each in read.events.values()] == [True]
    later = {"entries": [[*entry, "?", {}]], "events": [[*event, "?"]], "another": 1}
    read = alert_state.load(json.dumps(body | later))
    assert (read.entries, read.events) == (grown().entries, grown().events)


def without(kept: list[object]) -> list[object]:
    """Return an entry or event as version 1.0.0 wrote it."""
    said, *rest = kept
    assert isinstance(said, dict)
    later = ("told_as", "recent", "collected", "several", "amounts", "links")
    return [{name: each for name, each in said.items() if name not in later}, *rest]
