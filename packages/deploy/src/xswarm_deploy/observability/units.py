"""The systemd units that run Prometheus, Alertmanager and the SMS bridge."""

from __future__ import annotations

from xswarm_deploy.observability import alertmanager, bridge, prometheus
from xswarm_deploy.observability.stack import Places, Stack

_RELOAD = "ExecReload=/bin/kill -HUP $MAINPID\n"


def names(places: Places) -> tuple[str, ...]:
    """Return the units' names, those first whom the others tell."""
    return tuple(f"{places.name}-{part}.service" for part in ("sms", "alertmanager", "prometheus"))


def units(stack: Stack) -> dict[str, str]:
    """Return each unit's text, by its name; what nobody needs is not among them."""
    places = stack.places
    sms, told, telling = names(places)
    here = f"WorkingDirectory={places.library}\n"
    made = {
        sms: _unit("SMS bridge", bridge.command(places), places, here),
        told: _unit("Alertmanager", alertmanager.command(places), places, _RELOAD),
        telling: _unit("Prometheus", prometheus.command(places), places, _RELOAD),
    }
    return {name: text for name, text in made.items() if name != sms or stack.bridged}


def _unit(what: str, command: list[str], places: Places, more: str) -> str:
    """Write a unit whose process may write its own data, and nothing else."""
    return f"""[Unit]
Description={what} ({places.name})
Wants=network-online.target
After=network-online.target

[Service]
User={places.user}
StateDirectory={places.name}
ExecStart={" ".join(command)}
{more}Restart=on-failure
RestartSec=5
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
"""
