"""Look at the configuration: ``inv config.show``."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy.release import session


@task(auto_shortflags=False, help={"json": "print as JSON"})
def show(c: Context, json: bool = False) -> None:
    """Show the environment's variables, secrets by name only, and what is wrong with them."""
    from xswarm_deploy.console import Console

    found = session.settings(c)
    problems = {problem.name: problem.why for problem in found.problems()}
    rows = []
    for variable in found.variables:
        name = variable.file_name(found.environment)
        shown = "(set)" if variable.secret and found.secret(variable.name) else ""
        shown = shown if variable.secret else found.text(variable.name)
        rows.append((name, shown, problems.get(name, "")))
    console = Console()
    if json:
        console.json([dict(zip(("name", "value", "problem"), row, strict=True)) for row in rows])
        return
    console.table(("variable", "value", "problem"), rows)


@task
def examples(_c: Context) -> None:
    """Write deployment/config/*.env.example anew from the table of variables."""
    from xswarm_deploy.console import Console
    from xswarm_deploy.settings import examples as writer

    for file in writer.write(session.ROOT):
        Console().line(f"written: {file.relative_to(session.ROOT)}")


ns = Collection("config", show, examples)
