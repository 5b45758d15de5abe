"""The collection: which tasks exist, under which name. Nothing else.

Each task is in the file of tasks/ that bears its name.
"""

from __future__ import annotations

from pathlib import Path

from invoke.collection import Collection

__path__ = [str(Path(__file__).with_suffix(""))]  # the folder tasks/ holds our submodules

from tasks import (
    audit,
    backup,
    benchmark,
    check,
    config,
    deploy,
    environment,
    migrate,
    monitor,
    pages,
    rollback,
    sandbox,
    secrets,
    test,
    tools,
    verify,
    webhooks,
    worker,
)

ns = Collection(
    environment.production,
    environment.staging,
    environment.local,
    check.check,
    verify.verify,
    rollback.rollback,
    test.ns,
    benchmark.benchmark,
    backup.ns,
    migrate.ns,
    secrets.ns,
    worker.ns,
    audit.ns,
    pages.pages,
    webhooks.ns,
    deploy.ns,
    monitor.ns,
    sandbox.ns,
    config.ns,
    tools.ns,
)
