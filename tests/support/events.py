"""Stripe's events, signed and sent."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.signatures import stripe_header
from tests.worker.isolate import SECRETS, Answer, Isolate


def stripe(service: Isolate, event: dict[str, Any] | bytes) -> Answer:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    header = stripe_header(body, SECRETS["STRIPE_WEBHOOK_SECRET"], int(time.time()))
    return service.ask("POST", "/stripe/webhook", body, {"stripe-signature": header})


def event(kind: str, created: int = 1_700_000_000, **subject: Any) -> dict[str, Any]:
    key = f"evt_{kind}_{created}_{subject.get('status', '')}"
    return {"id": key, "type": kind, "created": created, "data": {"object": subject}}
