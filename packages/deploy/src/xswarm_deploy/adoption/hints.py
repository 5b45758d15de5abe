"""What a person should know of a repository that was set up, and nothing here could decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from xswarm_deploy.adoption import (
    address,
    built,
    databases,
    deploying,
    environment_names,
    invoke_file,
    pipelines,
    places,
    tree,
    workspace,
)
from xswarm_deploy.adoption.answers import NONE, Answers
from xswarm_deploy.adoption.changes import relative
from xswarm_deploy.adoption.databases import D1
from xswarm_deploy.adoption.found import GITLAB
from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused, typed
from xswarm_deploy.settings import dev_vars
from xswarm_deploy.settings.variables import PRODUCTION, STAGING
from xswarm_deploy.verification import sources

_DATA: Final = {
    "kv_namespaces": "id",
    "r2_buckets": "bucket_name",
    "hyperdrive": "id",
    "vectorize": "index_name",
}
"""Key of wrangler's file → what names the data that its entries are bound to."""
_TAGS: Final = "NEXT_TAG_CACHE_D1"


def hints(answers: Answers) -> list[str]:
    """Return them, a line each."""
    found = answers.found
    unused = [part for part in found.parts if part not in answers.uses]
    told = [f"found, not managed: {', '.join(unused)}; deploy.uses in invoke.yaml does so"]
    return [
        *(told if unused else []),
        *environment_names.hints(answers),
        *_of_the_address(answers),
        *_of_the_database(answers),
        *_of_the_others(answers),
        *_of_migrations_elsewhere(answers),
        *_of_the_build(answers),
        *_of_deployments(answers),
        *_of_migrating(answers),
        *_of_pages(answers),
    ]


def _of_the_address(answers: Answers) -> Iterator[str]:
    content = answers.content(PRODUCTION)
    if address.of(answers, PRODUCTION) == address.NOWHERE and not content.get("preview_urls"):
        yield (
            "the Worker has no address: a release looks at which events its version handles; one"
            ' that answers requests of other Workers needs "preview_urls": true to be verified'
        )


def _of_the_database(answers: Answers) -> Iterator[str]:
    d1, database = answers.d1, answers.database
    if d1:
        migrated = "are migrated by releases, " if answers.migrations else ""
        yield f"{_told(d1)}: its tables {migrated}are backed up, and hold the releases' records"
    elif database != databases.TURSO:
        name = answers.url(PRODUCTION).removeprefix(databases.SCHEME)
        yield f"releases are recorded in the D1 database {name}: npx wrangler d1 create {name}"
    named = deploying.of_d1(answers.found.package)
    if named and not answers.found.d1:
        yield (
            f"package.json runs wrangler d1 for {named}, and {answers.found.config.name} has no D1"
            " database: write it there (d1_databases), for releases to migrate it and back it up"
        )
    shared = _with_data(answers) if answers.shares(STAGING) else []
    if shared:
        yield (
            "wrangler's file has no env.staging: the Worker of staging would be bound to"
            f" production's data; write one, with {', '.join(shared)} of its own"
        )
    if answers.migrations:
        baseline = typed("inv production migrate.baseline")
        yield f"migrations that the database has already are entered by: {baseline}"


def _with_data(answers: Answers) -> list[str]:
    """Return the names of bindings to data that is named, and so is the same for each Worker."""
    named = [
        str(one.get("binding"))
        for key, field in _DATA.items()
        for one in answers.found.content.get(key) or ()
        if one.get(field)
    ]
    return list(dict.fromkeys([*(d1.binding for d1 in answers.found.d1), *named]))


def _of_the_others(answers: Answers) -> Iterator[str]:
    """Return what releases leave alone of the D1 databases and their migrations."""
    applied = answers.migrations.path if answers.migrations else None
    folders = {each.path for each in answers.found.migrations} - {applied}
    for one in answers.found.d1:
        if one.url != answers.database:
            left = f"{_told(one)} is neither migrated nor backed up by releases"
            name = relative(one.folder, answers.found.folder)
            apply = f"; {name} is applied as until now: wrangler d1 migrations apply {one.binding}"
            yield left + (apply if one.folder in folders else "")


def _of_migrations_elsewhere(answers: Answers) -> Iterator[str]:
    """Return where the migrations of the releases' database are, if another package has them."""
    ours, folder = answers.d1, answers.found.folder
    if ours is None or answers.migrations:
        return
    known = (each for each in places.everywhere(folder) if each.file != answers.found.config)
    every = (one for each in known for one in databases.bound(each.file, each.content))
    theirs = {
        one.folder for one in every if one.name == ours.name and any(one.folder.glob("*.sql"))
    }
    for place in sorted(theirs):
        yield (
            f"{relative(place, folder)} has migrations of {ours.name}, which releases apply where"
            " invoke.yaml names it (deploy.migrations: directory, and down: generated)"
        )


def _of_the_build(answers: Answers) -> Iterator[str]:
    """Return what would let one environment get what was built for another."""
    found = answers.found
    turbo = workspace.caches_builds(found.home, found.top)
    if turbo and found.environments and found.build:
        yield (
            f'{turbo.name} must have "env": ["CLOUDFLARE_ENV"] in its task build: its cache would'
            " give one environment what was built for another"
        )
    unseen = _only_here(found.home) if found.build and answers.ci != NONE else {}
    for name, variables in unseen.items():
        yield (
            f"the build writes {', '.join(variables)} of {name} into the code, and git ignores that"
            " file: the pipeline needs them under env, or its build has none"
        )
    for other in built.others(found.config):
        place = relative(other.written.parent, found.folder)
        yield (
            f"the build makes {other.name}, too, which releases of {answers.name} leave alone:"
            f" release it before, by its own (cd {place}, then {typed('inv init')})"
        )
    if any(one.binding == _TAGS for one in found.d1):
        yield (
            f"{_TAGS} (D1) keeps Next.js's tags in a table that releases do not make: write its"
            " CREATE TABLE revalidations into a migration, or once: npx opennextjs-cloudflare"
            " populateCache remote"
        )


def _only_here(home: Path) -> dict[str, list[str]]:
    """Return file → the variables in it that a build takes, of files that no clone has."""
    found: dict[str, list[str]] = {}
    for name in (*dev_vars.DOTENV, ".env.production"):
        file = home / name
        if file.is_file() and tree.is_made(file):
            with suppress(Refused):  # another program's
                found[name] = sources.built_in(home, dev_vars.parsed(file))
    return {name: variables for name, variables in found.items() if variables}


def _of_deployments(answers: Answers) -> Iterator[str]:
    """Return what deployed until now, and would go on, or is said on its command line alone."""
    found = answers.found
    known = {answers.environment(name)[0] for name in (PRODUCTION, STAGING)}
    for name in deploying.named(found.package, "name"):
        if name not in known:
            yield (
                f"package.json's scripts deploy the Worker {name} (--name): where that is the live"
                " one, correct deploy.worker.name in invoke.yaml"
            )
    yield from _of_other_configurations(answers)
    entry = deploying.entry(found.package)
    if entry and not answers.content(PRODUCTION).get("main"):
        yield (
            f"package.json's scripts give wrangler the file {entry}: a release reads"
            f" {found.config.name} alone, so write it there (main)"
        )
    told = deploying.flags(found.package, answers.content(PRODUCTION))
    if told:
        named = ", ".join(f"--{flag}" for flag in told)
        keys = ", ".join(dict.fromkeys(told.values()))
        yield (
            f"package.json's scripts give wrangler deploy {named}: a release reads"
            f" {found.config.name} alone, so write it there ({keys})"
        )
    for command in deploying.beside(found.package, found.build):
        yield (
            f"package.json's deploy runs {command}, and a release does not: where it builds, write"
            " it into deploy.worker.build in invoke.yaml"
        )
    for unread in tree.beside(found.config):
        yield f"{unread.name} is not read: wrangler takes {found.config.name} before it"
    own = found.top / pipelines.GITLAB_FILE
    if answers.ci == GITLAB and own.is_file() and not pipelines.is_ours(own):
        yield f"{own.name} is yours, and stays: include the pipeline there (how-to, pipelines)"
    for file in deploying.others(found.top, found.package):
        yield (
            f"{relative(file, found.folder)} deploys by wrangler: take that out, or it puts a"
            " version of its own live past every release"
        )


def _of_migrating(answers: Answers) -> Iterator[str]:
    migrating = deploying.migrating(answers.found.package) if answers.migrations else {}
    for command, scripts in migrating.items():
        yield (
            f"package.json runs {command} ({', '.join(scripts)}): releases migrate from now on, and"
            " keep no ledger of that tool, which would run it all again: leave it to databases of"
            " your own"
        )


def _of_other_configurations(answers: Answers) -> Iterator[str]:
    """Return which configurations the scripts deploy from, beside the one that is released."""
    found = answers.found
    beside = [one.file for name in (STAGING, PRODUCTION) if (one := answers.beside(name))]
    ours = {found.config.resolve(), *beside, *wrangler.all_redirected(found.home)}
    for config in deploying.named(found.package, "config"):
        file = (found.home / config).resolve()
        if file in ours or (file.parent / invoke_file.NAME).is_file():
            continue
        if file.is_file() and file.parent != found.config.parent.resolve():
            place = relative(file.parent, found.folder)
            yield (
                f"package.json's scripts deploy {config}, too, which is a Worker of its own: cd"
                f" {place}, then {typed('inv init')}"
            )
        else:
            yield (
                f"package.json's scripts deploy from {config}: where that is the live one's,"
                " correct deploy.worker.config in invoke.yaml"
            )


def _of_pages(answers: Answers) -> Iterator[str]:
    """Return what releases leave alone of Pages: a project beside the Worker."""
    found = answers.found
    for each in places.everywhere(found.folder):
        if each.is_site and each.file.is_relative_to(found.folder):
            directory = each.file.parent / str(each.content["pages_build_output_dir"])
            yield (
                f"{relative(each.file, found.folder)} is a Pages project, and no part of releases;"
                f" one that is: deploy.pages in invoke.yaml, with project"
                f" {each.content.get('name', 'NAME')} and directory"
                f" {relative(directory, found.folder)}"
            )


def _told(one: D1) -> str:
    return f"{one.binding} (D1{f', {one.name}' if one.name else ''})"
