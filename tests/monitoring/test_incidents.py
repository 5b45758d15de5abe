"""A day of incidents: each is told soon, by few messages, and all are resolved in the end."""

from __future__ import annotations

import pytest

from tests.monitoring.incidents import DAY, FLAPS, PAYMENTS, live

pytestmark = pytest.mark.slow


def test_a_day_of_incidents_is_told_soon_by_few_messages_and_ends_well() -> None:
    day = live()
    minutes = {incident.name: day.minutes(incident) for incident in DAY}
    late = {FLAPS.name: 10}  # it is told once it is known to come and go
    assert all(m is not None and m <= late.get(n, 3) for n, m in minutes.items()), minutes
    on_slack = [(at, text) for at, channel, text in day.messages if channel == "Slack"]
    assert [text for at, text in on_slack if PAYMENTS.told in text] == [
        "shop: ERROR: 50 payments failed, 1,450.00 USD"
    ]
    # One message when it begins and one when it is over; a payment that failed is never over.
    assert len(on_slack) == 2 * len(DAY) - 1, on_slack
    assert list(day.on) == []
