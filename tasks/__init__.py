"""The collection: which tasks exist, under which name, and what each does. Nothing else.

Each task is in the file of tasks/ that bears its noun; the file is imported when one of its
tasks is wanted, so that ``--list`` and every other command stay quick.
"""

from __future__ import annotations

from invoke.collection import Collection

from xswarm_deploy.cli.catalogue import group, in_own_checkout, listed

ns = Collection(
    *listed(
        "xswarm_deploy.tasks.environment",
        {
            "production": "Act on production in what follows on the line.",
            "staging": "Act on staging in what follows on the line.",
            "local": "Act on the local twin in what follows on the line.",
        },
    ),
    *listed(
        "xswarm_deploy.tasks.init",
        {
            "init": (
                "Set up releases in this repository: find, ask, show, write; then release to the "
                "twin."
            ),
        },
    ),
    *listed(
        "xswarm_deploy.tasks.update",
        {
            "update": (
                "Show what this version changes in the files that it wrote here, and write it."
            ),
        },
    ),
    *listed(
        "xswarm_deploy.tasks.doctor",
        {
            "doctor": (
                "Show what is wrong with this machine and this repository; no key is needed."
            ),
        },
    ),
    *listed(
        "xswarm_deploy.tasks.check",
        {
            "check": "Check everything a deployment needs, all at once; exit 1 when it is blocked.",
        },
    ),
    group(
        "xswarm_deploy.tasks.verify",
        {
            "verify": (
                "Verify what is deployed by all that invoke.yaml expects of it, and its speed."
            ),
            "suggest": "Suggest the routes that nobody asks yet, as lines for invoke.yaml.",
        },
    ),
    *listed(
        "xswarm_deploy.tasks.rollback",
        {
            "rollback": (
                "Go back to an earlier release: Worker, secrets and Pages; the database when asked."
            ),
        },
    ),
    *listed(
        "xswarm_deploy.tasks.pages",
        {
            "pages": (
                "Upload the site's missing files and deploy it; nothing to do where it is the same."
            ),
        },
    ),
    group(
        "xswarm_deploy.tasks.backup",
        {
            "backup": (
                "Make a backup of one moment, restore it into a scratch file, compare, and keep it."
            ),
            "list": "List the backups, the newest first.",
            "verify": (
                "Restore a backup into a scratch file, and compare it row by row with its manifest."
            ),
            "restore": (
                "Replace the database, or one table, by a backup; a fresh backup is made first."
            ),
            "prune": "Remove backups that are no longer to be kept; never the last good one.",
            "drill": (
                "Practise: restore the latest backup into a scratch file; say how long, and how "
                "old."
            ),
        },
    ),
    group(
        "xswarm_deploy.tasks.migrate",
        {
            "migrate": "Apply all pending migrations: one transaction, wholly or not at all.",
        },
        *listed(
            "xswarm_deploy.tasks.migrations",
            {
                "status": "Show which migrations are applied, pending, edited or gone.",
                "plan": "Rehearse pending migrations on the real data, and roll them back.",
                "down": "Take applied migrations back by their down parts, after a fresh backup.",
                "lint": (
                    "Find what is dangerous in pending migrations, each with its safe form; "
                    "exit code 1 if any."
                ),
                "new": (
                    "Write an empty migration file, or the two of a column that gets another name."
                ),
                "verify": (
                    "Compare the schema with what the files give; check integrity and foreign keys."
                ),
                "baseline": (
                    "Enter files as applied without running them, for a database that is there "
                    "already."
                ),
                "restamp": "Accept an edited file as what was applied; nothing is run.",
            },
        ),
    ),
    group(
        "xswarm_deploy.tasks.secrets",
        {
            "secrets": "Send new and changed secrets, as one verified version of the Worker.",
            "diff": (
                "Show which secrets were added, changed or are unchanged; by fingerprint, never "
                "by value."
            ),
            "list": "List the names of the Worker's secrets.",
            "prune": (
                "Remove the Worker's secrets that the environment does not have, as a verified "
                "version."
            ),
            "rotate": (
                "Set a secret's new value, as a verified version; the old one is accepted "
                "meanwhile."
            ),
        },
    ),
    group(
        "xswarm_deploy.tasks.worker",
        {
            "worker": (
                "Upload a version, verify it at 0 % of the traffic, then move the traffic to it."
            ),
            "status": "Show which versions have how much of the traffic.",
            "canary": (
                "Upload a version, give it a share of the traffic, judge it beside the old one; "
                "it stays."
            ),
            "promote": "Move all of the traffic to the canary, once it is verified again.",
            "abort": "Take the canary's share of the traffic away.",
        },
    ),
    group(
        "xswarm_deploy.tasks.audit",
        {
            "audit": "Show who changed what, when, and from where.",
            "verify": "Prove that no event was edited, inserted or removed since it was written.",
            "tag": "Leave the trail's last event in a git tag, for audit.verify to compare with.",
        },
    ),
    group(
        "xswarm_deploy.tasks.webhooks",
        {
            "webhooks": "Create or update the webhooks of Stripe, Twilio and SendGrid.",
            "list": "Show every webhook as it is, beside what is wanted.",
            "test": (
                "Send probes to the Worker: signed ones must get in, all others must be refused."
            ),
        },
    ),
    group(
        "xswarm_deploy.tasks.deploy",
        {
            "local": "Deploy to the local twin of production; it is started when it is not up.",
            "staging": "Deploy to staging.",
            "prod": "Deploy to production; its name must be typed.",
            "plan": (
                "Show the whole release before it starts: what changes, what is so, what is for "
                "good."
            ),
            "rehearse": (
                "Run production's next release on a twin of its own, on its last backup, and go "
                "back."
            ),
            "list": "List the newest 50 releases of the environment, or all of them.",
            "status": "Show what is live, and who holds the lock.",
            "show": "Show one release: its changes, and what came of each.",
            "resume": "Finish a release whose deployer died; from any machine with the same files.",
            "abort": (
                "Undo a release whose deployer died, or which could not be undone; from any "
                "machine."
            ),
            "lock": "Keep everybody from releasing, until deploy.unlock.",
            "unlock": (
                "Take the lock off, whoever holds it; a release under way stops at its next change."
            ),
        },
    ),
    group(
        "xswarm_deploy.tasks.monitor",
        {
            "status": (
                "Ask every health endpoint and show what it says and how long it took; exit 1: "
                "one failed."
            ),
            "metrics": "Show what all isolates measured: requests, queries, business.",
            "watch": "Judge what is measured, round after round, and tell people of what is wrong.",
            "test-alert": (
                "Send a test alert for real, by every channel its severity is for; exit 1: one "
                "failed."
            ),
            "alerts": "Show the alerts that are on, what is kept quiet, and what people were told.",
            "slo": "Show how much of each objective's error budget is left; exit 1: one is spent.",
            "push": (
                "Push what the store holds to each target of monitor.push, once; exit 6: one took "
                "nothing."
            ),
            "silence": "Keep alerts from people for a while; the history still has them.",
            "dashboard": (
                "Serve the dashboard on this machine until Ctrl-C; the admin token stays in this "
                "process."
            ),
        },
        *listed(
            "xswarm_deploy.tasks.incidents",
            {
                "incident": (
                    "Show customers an incident on the public status page: open, go on with, or "
                    "resolve it."
                ),
                "incidents": "List the incidents of the public status page, the newest first.",
                "status-page": (
                    "Write the public status page as files, to be served where the Worker is not."
                ),
            },
        ),
        *listed(
            "xswarm_deploy.tasks.stack",
            {
                "files": (
                    "Write Prometheus' rules, Alertmanager's routes and Grafana's dashboard; "
                    "no secret."
                ),
                "install": (
                    "Put Prometheus and Alertmanager on a host over SSH, checked there; again: "
                    "only changes."
                ),
                "uninstall": (
                    "Stop what was installed on a host and remove its files; what was measured "
                    "stays there."
                ),
            },
        ),
    ),
    *listed(
        "xswarm_deploy.tasks.logs",
        {
            "logs": (
                "Show what the Worker logs, live or since when, with the version that answered; "
                "masked."
            ),
        },
    ),
    group(
        "xswarm_deploy.tasks.sandbox",
        {
            "up": "Start the twin, or find it running; installs what it needs the first time.",
            "status": "Show what of the twin runs, and where it answers.",
            "logs": "Show what the twin's processes logged.",
            "down": "End every process of the twin; its data and its addresses stay.",
            "reset": "End the twin and delete all it holds: database, deployments, objects, keys.",
            "fault": "Let the next requests to a provider fail, to see what a release makes of it.",
        },
    ),
    group(
        "xswarm_deploy.tasks.config",
        {
            "show": "Show the environment's variables, where each goes, and what is wrong with it.",
            "examples": "Write deployment/config/*.env.example anew from the table of variables.",
            "reference": (
                "Write deployment/docs/reference anew from the code: tasks, settings, variables, "
                "codes."
            ),
            "schema": "Write the JSON Schema of invoke.yaml, for editors.",
        },
    ),
    group(
        "xswarm_deploy.tasks.tools",
        {
            "install": "Install wrangler anew, exactly as package-lock.json says.",
            "lock": "Write requirements*.txt anew from requirements*.in: pinned, with hashes.",
            "sbom": "Print all packages with versions, licences and hashes, as CycloneDX JSON.",
        },
    ),
)

for _name in ("check", "migrate", "verify", "rollback"):
    ns.collections["deploy"].add_task(ns[_name], name=_name)

if in_own_checkout():  # a team's repository has tests and documents of its own
    ns.add_collection(
        group(
            "xswarm_deploy.tasks.test",
            {
                "test": "Run the tests; what they need is installed when first needed.",
                "mutants": (
                    "Change a file in many small ways, one at a time; name what no test notices."
                ),
                "faults": (
                    "Let each call and file operation of a release fail in each way; name what is "
                    "broken then."
                ),
            },
        )
    )
    for each in listed(
        "xswarm_deploy.tasks.benchmark",
        {
            "benchmark": "Run the benchmarks, and write the ratios to benchmarks/RESULTS.md.",
        },
    ):
        ns.add_task(each)
    for each in listed(
        "xswarm_deploy.tasks.docs",
        {
            "docs": "Build the documents as a site into .site/, offline; a warning is an error.",
        },
    ):
        ns.add_task(each)
