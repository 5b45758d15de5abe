"""Look at the configuration: ``inv config.show``."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from deployment.release import session


@task(auto_shortflags=False, help={"json": "print as JSON"})
def show(c: Context, json: bool = False) -> None:
    """Show the environment's variables, secrets by name only, and what is wrong with them."""
    from deployment.console import Console

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
    from deployment import examples as writer
    from deployment.console import Console

    for file in writer.write(session.ROOT):
        Console().line(f"written: {file.relative_to(session.ROOT)}")


ns = Collection("config", show, examples)
