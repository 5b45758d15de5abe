"""The two systemd units that run Prometheus and Alertmanager, and read them anew."""

from __future__ import annotations

from deployment.observability import alertmanager, prometheus
from deployment.observability.stack import Places


def names(places: Places) -> tuple[str, str]:
    """Give the units' names, Alertmanager's first: whom Prometheus tells must be there."""
    return f"{places.name}-alertmanager.service", f"{places.name}-prometheus.service"


def units(places: Places) -> dict[str, str]:
    """Give each unit's text, by its name."""
    told, telling = names(places)
    return {
        told: _unit("Alertmanager", alertmanager.command(places), places),
        telling: _unit("Prometheus", prometheus.command(places), places),
    }


def _unit(what: str, command: list[str], places: Places) -> str:
    """Write a unit whose process may write its own data, and nothing else."""
    return f"""[Unit]
Description={what} ({places.name})
Wants=network-online.target
After=network-online.target

[Service]
User={places.user}
StateDirectory={places.name}
ExecStart={" ".join(command)}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
"""
