"""Notify a dead-man's switch that the monitoring is alive.

The switch is somebody else's service, such as Healthchecks or Dead Man's Snitch: it tells people
where it heard nothing for a while. So people notice when those who tell them are silent.
"""

from __future__ import annotations

from xswarm_monitoring.delivery import Refused, ask
from xswarm_monitoring.http_request import Outgoing, Send


async def beat(send: Send, address: str) -> str:
    """Notify the switch; return why it did not take it, or nothing.

    Args:
        send: sends one request.
        address: the switch's, a secret: who knows it may keep it quiet.
    """
    try:
        await ask(send, Outgoing("POST", address, {}, b""))
    except Refused as error:
        return error.why
    return ""
