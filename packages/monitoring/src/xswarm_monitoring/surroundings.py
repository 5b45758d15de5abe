"""What stands around an alert, so that one can act on it: where to look, and what runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xswarm_monitoring.alert import Alert


@dataclass(frozen=True)
class Surroundings:
    """Add links and the release to alerts.

    Args:
        runbook: the address of what to do; ``{name}`` in it is the alert's name.
        dashboard: the address of the figures.
        release: the version that runs; empty: it is not known.
    """

    runbook: str = ""
    dashboard: str = ""
    release: str = ""

    def around(self, alert: Alert) -> Alert:
        """Return an alert with its links and the release; what it says itself is kept."""
        runbook = self.runbook.replace("{name}", alert.name)
        given = {"runbook": runbook, "dashboard": self.dashboard}
        links = {name: address for name, address in given.items() if address}
        release = {"release": self.release} if self.release else {}
        return replace(alert, links={**links, **alert.links}, details={**release, **alert.details})
