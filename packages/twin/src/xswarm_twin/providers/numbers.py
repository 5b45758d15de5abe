"""Twilio's numbers as they were last: what emulate, which forgets, is started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from xswarm_twin.credentials import TWILIO_ACCOUNT
from xswarm_twin.providers.records import Records

KEY: Final = "SK" + "0" * 32
"""The API key that emulate always has."""
_SEEDED: Final = (
    "sid",
    "phone_number",
    "friendly_name",
    "sms_url",
    "sms_method",
    "voice_url",
    "voice_method",
    "status_callback",
)


def records(folder: Path) -> Records:
    """Open the file that keeps them."""
    return Records(folder / "twilio.json")


def seed(folder: Path, token: str) -> dict[str, Any]:
    """Return what emulate starts with: the account's token, and the numbers.

    Args:
        folder: where the stand-ins keep their state.
        token: the account's auth token, also the API key's secret.
    """
    kept = records(folder).table("numbers").values()
    return {
        "account": {"sid": TWILIO_ACCOUNT, "auth_token": token, "friendly_name": "xSwarm Boss"},
        "api_keys": [{"sid": KEY, "secret": token}],
        "phone_numbers": [
            {name: number[name] for name in _SEEDED if number.get(name) is not None}
            for number in kept
        ],
    }
