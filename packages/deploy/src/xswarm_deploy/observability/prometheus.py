"""Prometheus' configuration: what it reads, by which token, and whom it tells."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from xswarm_deploy.observability.stack import ADMIN_TOKEN, Places, Stack, duration

CONFIGURATION = "prometheus.yml"
RULES = "rules.yml"
METRICS = "/api/metrics"


def file(stack: Stack) -> dict[str, Any]:
    """Return Prometheus' configuration; paths in it are relative to its folder."""
    interval = duration(stack.timing.scrape)
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": duration(min(10.0, stack.timing.scrape)),
            "evaluation_interval": interval,
        },
        "rule_files": [RULES],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [stack.places.alertmanager]}]}]
        },
        "scrape_configs": [_service(stack), _alertmanager(stack)],
    }


def _service(stack: Stack) -> dict[str, Any]:
    url = urlsplit(stack.url)
    return {
        "job_name": stack.service,
        "scheme": url.scheme,
        "metrics_path": url.path.rstrip("/") + METRICS,
        "authorization": {"type": "Bearer", "credentials_file": f"secrets/{ADMIN_TOKEN}"},
        "static_configs": [{"targets": [url.netloc], "labels": _labels(stack)}],
        # service_info names the service too; what the scrape says is kept.
        "metric_relabel_configs": [{"action": "labeldrop", "regex": "exported_service"}],
    }


def _alertmanager(stack: Stack) -> dict[str, Any]:
    return {
        "job_name": "alertmanager",
        "static_configs": [{"targets": [stack.places.alertmanager], "labels": _labels(stack)}],
    }


def _labels(stack: Stack) -> dict[str, str]:
    return {"environment": stack.environment, "service": stack.service}


def command(places: Places) -> list[str]:
    """Return the command that runs Prometheus."""
    return [
        "/usr/bin/prometheus",
        f"--config.file={places.configuration / CONFIGURATION}",
        f"--storage.tsdb.path={places.data / 'prometheus'}",
        f"--web.listen-address={places.prometheus}",
    ]
