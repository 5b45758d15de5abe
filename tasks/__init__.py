"""The collection: which tasks exist, under which name. Nothing else.

Each task is in the file of this folder that bears its name. The wheel ships the folder as
``xswarm_deploy.tasks``; the tasks.py of any repository is one import of :data:`ns`.
"""

from __future__ import annotations

from invoke.collection import Collection

from xswarm_deploy.tasks import (
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
