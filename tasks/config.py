"""Look at the configuration: ``inv config.show``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.cli import context
from xswarm_deploy.settings import examples as writer

_COLUMNS = ("variable", "value", "problem")


@task(auto_shortflags=False, help={"json": "print as JSON"})
def show(c: Context, json: bool = False) -> None:
    """Show the environment's variables, secrets by name only, and what is wrong with them."""
    found = context.settings(c)
    problems = {problem.name: problem.why for problem in found.problems()}
    rows = []
    for variable in found.variables:
        name = variable.file_name(found.environment)
        shown = "(set)" if variable.secret and found.secret(variable.name) else ""
        shown = shown if variable.secret else found.text(variable.name)
        rows.append((name, shown, problems.get(name, "")))
    data = [dict(zip(("name", "value", "problem"), row, strict=True)) for row in rows]
    console.show(data, console.Table(_COLUMNS, rows), json=json)


@task
def examples(_c: Context) -> None:
    """Write deployment/config/*.env.example anew from the table of variables."""
    for file in writer.write(context.ROOT):
        console.Console().line(f"written: {file.relative_to(context.ROOT)}")
