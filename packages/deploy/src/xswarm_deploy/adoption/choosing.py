"""Which configuration of a repository is released from: a Worker's, not a site's or an example."""

from __future__ import annotations

from pathlib import Path

from xswarm_deploy.adoption import from_pages, javascript, places, questions, tree
from xswarm_deploy.adoption.answers import Flags
from xswarm_deploy.adoption.changes import relative
from xswarm_deploy.bundling import node_packages
from xswarm_deploy.errors import Refused


def chosen(start: Path, flags: Flags) -> places.Configuration | None:
    """Return the configuration that is released from; None: the repository has none.

    Raises:
        Refused: there are several and nobody chooses, or the one that is named is none.
    """
    if flags.config:
        return places.configuration((start / flags.config).resolve())
    all_found = places.configurations(start)
    if all_found and not any(map(_is_deployed, all_found)):
        all_found += [each for each in places.below(start.resolve()) if _is_deployed(each)]
    deployed = [each for each in all_found if _is_deployed(each)]
    sites = [each for each in all_found if each.is_site or _is_beside_functions(each)]
    workers = deployed or [each for each in all_found if each not in sites]
    if sites and not workers:
        _refuse_site(sites[0], start)
    if not workers and not flags.main:
        _require_no_other(start)
    if len(workers) < 2:
        return workers[0] if workers else None
    by_name = {relative(each.file, start): each for each in workers}
    titles = {name: f"{name}  ({each.content.get('name', '')})" for name, each in by_name.items()}
    return by_name[questions.choice("Which Worker?", titles, "", "--config")]


def _is_deployed(one: places.Configuration) -> bool:
    """Return whether a configuration is a Worker's: it has code, or a build gives it some."""
    built = javascript.framework(node_packages.read(one.file.parent))
    return not one.is_site and not _is_beside_functions(one) and (one.has_code or bool(built))


def _is_beside_functions(one: places.Configuration) -> bool:
    """Return whether a Pages project's functions are there, and a Worker's code is not.

    Before wrangler read a configuration for Pages, one was there for ``wrangler d1`` alone.
    """
    folder, main = one.file.parent, Path(str(one.content.get("main") or ""))
    made = main.parts[:1] == (from_pages.FUNCTIONS,) or "build" in one.content
    there = (folder / main).is_file() or not main.parts
    return (folder / "functions").is_dir() and not (made or there)


def _refuse_site(site: places.Configuration, start: Path) -> None:
    """Refuse a Pages project; a Worker beside it may be there as an example."""
    output = str(site.content.get("pages_build_output_dir") or "")
    way = from_pages.way(site.file.parent, output, site.file)
    functions = f"it has a folder functions, and no {site.content.get('main')}"
    example = places.example(start.resolve())
    other = f"{_copy(example, start)}; or " if example else ""
    raise Refused(
        f"{relative(site.file, start)} is a Pages project, and no Worker",
        "it has pages_build_output_dir" if output else functions,
        f"{other}{way}",
    )


def _copy(example: Path, start: Path) -> str:
    """Return how a configuration is made of its example, and what is typed then."""
    made = places.copied(example)
    here = made.parent == start.resolve() and made.name in tree.CONFIGURATIONS
    flag = "" if here else f" --config {relative(made, start)}"
    return (
        f"cp {relative(example, start)} {relative(made, start)}, fill it in, then: inv init{flag}"
    )


def _require_no_other(folder: Path) -> None:
    """Refuse what is set up in another way than by a wrangler configuration of its own."""
    example = places.example(folder.resolve())
    if example:
        name = relative(example, folder)
        raise Refused(
            f"{name} is an example of a wrangler configuration, and no other is here",
            "",
            _copy(example, folder),
        )
    site = javascript.site(node_packages.read(folder))
    if site or (folder / "functions").is_dir():
        raise Refused(
            f"{folder.name} is a Pages project, and no Worker",
            f"its scripts have {site}" if site else "it has a folder functions",
            from_pages.way(folder, site.partition("deploy ")[2]),
        )
