"""Build the documents as a site: ``inv docs``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.tasks import test


@task
def docs(c: Context) -> None:
    """Build the documents as a site into .site/, offline; a warning is an error."""
    test.install(c)
    c.config.run.env["NO_MKDOCS_2_WARNING"] = "1"  # Zensical, its successor, reads mkdocs.yml, too
    test.python(c, "-m", "mkdocs", "build", "--quiet")
