"""What the service says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boss.configuration import Configuration
from boss.response import Response, json_response

if TYPE_CHECKING:
    from boss.context import Context

SERVICE = "boss-ai"
NEEDED = ("TURSO_DATABASE_URL", "TURSO_AUTH_TOKEN", "JWT_SECRET")
FEATURES = ("VOICE", "SMS", "EMAIL", "TEAMS", "MARKETPLACE")


async def welcome(context: Context) -> Response:
    """Return what this is, to whoever asks for the root."""
    site = context.configuration.text("BASE_URL")
    return json_response({"service": SERVICE, "site": site, "health": "/health"})


async def api_health(context: Context) -> Response:
    """Report that the API answers, in which version, and which features are switched on."""
    configuration = context.configuration
    features = {name.lower(): configuration.flag(f"{name}_ENABLED", True) for name in FEATURES}
    return json_response(
        {
            "status": "ok",
            "service": SERVICE,
            "version": version(configuration.environment),
            "environment": configuration.text("ENVIRONMENT", "local"),
            "features": features,
        }
    )


def version(environment: Any) -> str:
    """Return the id of the Worker's version, or ``unknown`` where there is no such binding.

    Args:
        environment: the Worker's environment.
    """
    metadata = getattr(environment, "CF_VERSION_METADATA", None)
    return str(getattr(metadata, "id", "") or "unknown")


async def check(configuration: Configuration) -> dict[str, str] | None:
    """Report the missing settings to the monitor.

    Args:
        configuration: the Worker's variables and secrets.
    """
    missing = [name for name in NEEDED if not configuration.text(name)]
    if missing:
        return {"status": "fail", "output": f"missing: {', '.join(missing)}"}
    return None
