"""Look at the configuration: ``inv config.show``."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import console
from xswarm_deploy.adoption import invoke_file
from xswarm_deploy.cli import context
from xswarm_deploy.cli import reference as pages
from xswarm_deploy.settings import examples as writer
from xswarm_deploy.settings import schema as schemas
from xswarm_deploy.tasks import ns

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


@task
def reference(_c: Context) -> None:
    """Write deployment/docs/reference anew from the code: tasks, settings, variables, codes."""
    folder = context.ROOT / "deployment/docs/reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.pages(ns).items():
        (folder / name).write_text(text, encoding="utf-8")
        console.Console().line(f"written: deployment/docs/reference/{name}")


@task
def schema(_c: Context) -> None:
    """Write the JSON Schema of invoke.yaml, for editors."""
    file = context.ROOT / invoke_file.SCHEMA
    file.write_text(schemas.text(), encoding="utf-8")
    console.Console().line(f"written: {file.relative_to(context.ROOT)}")
