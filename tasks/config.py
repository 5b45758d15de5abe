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
from xswarm_deploy.settings import settings
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.settings.variables import Sent, Variable
from xswarm_deploy.tasks import ns

_COLUMNS = ("variable", "value", "goes to", "from", "problem")


@task(auto_shortflags=False, help={"json": "print as JSON"})
def show(c: Context, json: bool = False) -> None:
    """Show the environment's variables, where each goes, and what is wrong with it."""
    found = context.settings(c)
    problems = {problem.name: problem.why for problem in found.problems()}
    sent = {variable.name for variable in settings.sent(found.project)}
    rows = []
    for variable in found.asked:
        name = variable.file_name(found.environment)
        given = variable.name in sent
        if given or variable.sent is Sent.HERE or name in problems or found.has(variable):
            goes_to = (variable.sent if given else Sent.HERE).value
            rows.append(
                (name, _shown(found, variable), goes_to, _from(found, name), problems.get(name, ""))
            )
    names = ("name", "value", "goes_to", "from", "problem")
    data = [dict(zip(names, row, strict=True)) for row in rows]
    console.show(data, console.Table(_COLUMNS, rows), json=json)


def _from(found: Settings, name: str) -> str:
    """Return where a value comes from, where it is not the environment's file alone."""
    if name not in found.given:
        return ""
    return f"{settings.PROCESS}, over the file" if name in found.replaced else settings.PROCESS


def _shown(found: Settings, variable: Variable) -> str:
    if variable.secret:
        return "(set)" if found.has(variable) else ""
    return found.text(variable.name)


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
