"""The guide's chapter on wrangler's configuration, made from the table of its keys.

``python -m tests.bundling.configuration_guide`` writes it anew; a test compares it with the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from xswarm_deploy.bundling.configuration_keys import KEYS, PARTS, Fate, Key, Scope
from xswarm_deploy.preflight.binding_kinds import KINDS

DOCUMENT: Final = (
    Path(__file__).resolve().parents[2] / "deployment/docs/guide/wrangler-configuration.md"
)
HEAD: Final = """\
# What a release does with wrangler's configuration

A release deploys all that `wrangler.jsonc`, `wrangler.json` or `wrangler.toml` says, or the check
refuses the file and tells the way on: nothing is left out in silence. This chapter is made from
the table in `packages/deploy/src/xswarm_deploy/bundling/configuration_keys.py`, which a test
compares with the schema of the wrangler that is installed.

- **uploaded with the version**: a part of the version. It is verified at 0 % of the traffic
  first, and a rollback to another version brings that one's back.
- **set beside the version**: it belongs to the Worker, not to a version. It is set once the new
  version has all of the traffic; each part stands in `deploy.plan`, is read back, and is undone
  when the release fails. A rollback brings back what the older version's file said.
- **wrangler's own**: wrangler reads it when it bundles or runs the Worker locally.
- **compared by the check**: it must agree with `invoke.yaml` and the environment file.
- **refused by the check**: a release does not deploy it; the way on is told.

A key that wrangler does not know is named by the check, with the nearest name that it knows; so is
one that only a newer wrangler than this tool's knows. A `null` says nothing, as with wrangler: an
environment inherits what it could. `route` of an environment beside inherited `routes` is refused,
because wrangler deploys the `routes` alone, and says nothing. TOML is read by its version 1.1. The
check also asks wrangler itself whether it accepts the file, by the dry run that the upload is
made of.

What nobody else's release may lose, a release does not take: a route, custom domain, queue or
workflow that belongs to another Worker is refused before anything changes, and a DNS record that
is there is never overwritten (`wrangler deploy` overwrites it where nobody can be asked).

## A build that writes the configuration

Where a framework's build has written `.wrangler/deploy/config.json` (React Router, Astro,
Cloudflare's Vite plugin), the configuration that it names is deployed, as by wrangler. Build
first; the build chooses the environment (`CLOUDFLARE_ENV`), and the check compares it with
`deploy.worker.environment`. `build.command` is run by wrangler at each bundling, with this
process's variables, but for those that are this tool's own (keys, above all).

## Durable Objects

Cloudflare takes a step of their lifecycle (`migrations`, or a Durable Object under `exports`)
with a direct upload only: the new version has **all of the traffic at once**, is verified there,
and no earlier version can be deployed after it. So the plan names it as what cannot be undone, a
canary with it is refused, and so is a rollback across it. A release with no new step goes the
usual way, at 0 % first. The very first release of a Worker applies all steps, behind an address
that is still closed; Cloudflare gives such a Worker no preview URLs, so that it is verified once
the address is open.

## Resources without an id

A KV namespace, D1 database or R2 bucket whose binding has no id is made by the release, as by
`wrangler deploy`: under its `database_name`, else under the names of Worker and binding
(`shop-session-cache`). So are a queue of `producers` and a dispatch namespace that the account does
not have. The plan names each; a version that has the binding already hands it on to the next. A
release that fails takes away what it made while it is empty; a queue, a namespace of other people's
Workers, and what has rows, keys or objects stays, and that is said.

A D1 database with migrations is not made: its code would run on no tables. The check names the
command (`npx wrangler d1 create …`), whose id goes into wrangler's file.

## Workflows

A Workflow that the Worker defines, under `workflows` or as `"type": "workflow"` under `exports`, is
registered beside the version. Options of a Workflow that another Worker defines (`script_name`) are
refused before anything changes, as is another `jurisdiction` of one that exists; `wrangler deploy`
says the first once the code is live.

## What `wrangler deploy` leaves as it was

The first deployment of static files alone by wrangler sets no `observability`, `logpush` or
`tail_consumers`; a release sets them at once. A queue's consumer and a route that the file no
longer names stay with wrangler; a release takes away those that it had set.

## Where the Worker answers

Without `workers_dev`, the address on workers.dev is on only where there are no routes; without
`preview_urls`, they are as that address is. A first release is verified at its preview URL before
the Worker's addresses are opened, for which the account needs a name under workers.dev; the check
tells where it has none. Then workers.dev, custom domains and routes are opened, and `WORKER_URL` is
waited for: DNS and certificate for up to ten minutes, the version itself for three. A Worker that
fails there is taken away again, with all that was opened.

A Worker that is live comes to a domain of its own in two releases, since a version is verified at
`WORKER_URL` before users meet it: first the domain with `"workers_dev": true` beside it, and
`WORKER_URL` as it was; once the domain answers, `WORKER_URL=https://app.example.com`, without that
line. The check refuses what would do both at once.

A Worker with `"workers_dev": false` and no route is told by queues, crons or other Workers alone.
Write `WORKER_URL=https://none.invalid` into its environment file (RFC 2606: nobody is there): its
versions are verified at their preview URLs, so leave `preview_urls` on. Without them only the first
version can be verified; further ones are refused unless `verify.unproven: allow`.

A Worker whose name begins with a digit or `_` cannot be chosen by the version override header;
its versions are verified at their preview URLs.
"""


def document() -> str:
    """Return the chapter."""
    parts = [HEAD, "## Key by key", "", *_table(KEYS)]
    for path, keys in PARTS.items():
        parts += ["", f"### Below `{path}`", "", *_table(keys)]
    return "\n".join([*parts, "", LOOKS, *_looks(), ""])


LOOKS: Final = """\
## What the check looks for

Cloudflare refuses a version that is bound to what is not there, or lets it fail when it is called.
So the check asks the account for each binding, and for what else the file names, and blocks the
release where something is missing. Where the token may not look, that is a warning with the
permission's name; what a release cannot ask for is said, with the reason.

| what | looked for |
|---|---|"""
_OTHERS: Final = {
    "durable_objects": "the Worker of `script_name`, and its class",
    "services": "the Worker, and the `entrypoint` among what its live version exports (a warning)",
    "workflows": "with `script_name`: the workflow, and that this Worker runs it",
    "queues": "`producers`: made by the release; `consumers`: the queue",
    "r2_buckets": "the bucket, in its jurisdiction; made by the release",
    "secrets_store_secrets": "the secret, in its store",
    "dispatch_namespaces": "made by the release; the Worker of `outbound`",
}
_BESIDE: Final = {
    "observability": "each of `destinations` (a warning)",
    "routes": "the zone, and whose route or domain it is",
    "tail_consumers": "the Worker",
}


def _looks() -> Iterator[str]:
    for name, kind in sorted(KINDS.items()):
        asked = f"`/accounts/ID/{kind.at}`".replace("{}", kind.target[0].upper() if kind.at else "")
        told = _OTHERS.get(name) or (f"nothing: {kind.why}" if kind.why else asked)
        yield f"| `{name}` | {told} |"
    for name, told in _BESIDE.items():
        yield f"| `{name}` | {told} |"


def _table(keys: Mapping[str, Key]) -> Iterator[str]:
    top = keys is KEYS
    yield "| key | what becomes of it | what a release does |" + (" in `env.NAME` |" if top else "")
    yield "|---|---|---|" + ("---|" if top else "")
    order = list(Fate)
    for name, key in sorted(keys.items(), key=lambda one: (order.index(one[1].fate), one[0])):
        scope = f" {_SCOPES[key.scope]} |" if top else ""
        yield f"| `{name}` | {key.fate.value} | {key.told} |{scope}"


_SCOPES: Final = {
    Scope.INHERITED: "from there, else from the top level",
    Scope.OWN: "from there alone",
    Scope.TOP: "from the top level alone",
}

if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
