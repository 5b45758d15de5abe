"""The R2 buckets that the Worker is bound to: those that are missing are made."""

from __future__ import annotations

from types import NoneType
from typing import Final

from xswarm_deploy.environment import Environment
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action, Change, Facts
from xswarm_deploy.site import Site
from xswarm_deploy.steps import version

STEP: Final = "worker"
"""Whose changes they are."""


@frozen
class Bucket:
    """An R2 bucket.

    Args:
        name: its name.
        jurisdiction: where its objects must stay; empty: anywhere.
    """

    name: str
    jurisdiction: str = ""


def changes(site: Site) -> list[Change]:
    """Return which R2 buckets the Worker is bound to but the account does not have yet."""
    bindings = version.bound(site, site.bundling.result().upload).bindings
    named = [
        Bucket(str(b["bucket_name"]), str(b.get("jurisdiction") or ""))
        for b in bindings
        if b.get("type") == "r2_bucket" and b.get("bucket_name")
    ]
    missing = [
        one
        for one in dict.fromkeys(named)
        if site.cloudflare.bucket(one.name, one.jurisdiction) is None
    ]
    return [BUCKET.change(f"r2 bucket {one.name}", after=one, undo=one) for one in missing]


def make(environment: Environment, change: Change) -> Facts:
    """Create the bucket."""
    made = BUCKET.after_of(change)
    environment.cloudflare.create_bucket(made.name, made.jurisdiction)
    return {}


def undo(environment: Environment, change: Change) -> None:
    """Delete the bucket that the release created."""
    made = BUCKET.undo_of(change)
    environment.cloudflare.delete_bucket(made.name, made.jurisdiction)


BUCKET: Final = Action(STEP, "bucket", NoneType, Bucket, Bucket)
