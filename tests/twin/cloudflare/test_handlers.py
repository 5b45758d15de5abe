"""Which events a version handles: by its text, as esbuild, wrangler and people write it."""

from __future__ import annotations

import pytest

from xswarm_twin.cloudflare import handlers

BUNDLED = """\
var src_default = {
  async scheduled(event, env) {
    await env.MAILS.send({
      fetch: 1
    });
  },
  queue: onQueue,
  email
};
export {
  Room,
  src_default as default
};
"""
BOTH = ["scheduled", "queue"]
CASES = [
    (BUNDLED, ["scheduled", "queue", "email"]),
    ("export default {\n\tfetch: app.fetch,\n\tasync queue(b) {\n\t},\n};\n", ["fetch", "queue"]),
    ("var W = class extends X {\n  async fetch() {\n  }\n};\nexport { W as default };", ["fetch"]),
    (
        "export default class extends WorkerEntrypoint {\n  async scheduled() {\n  }\n}\n",
        ["scheduled"],
    ),
    (
        "class Jobs extends WorkerEntrypoint {\n  queue() {\n  }\n}\nexport default Jobs;\n",
        ["queue"],
    ),
    ("class Jobs extends Base {\n  queue() {\n  }\n}\nexport default Jobs;\n", ["fetch", "queue"]),
    ("const app = new Hono();\nexport default app;\n", ["fetch"]),
    ("export default{async fetch(){return new Response()}}", ["fetch"]),
    ("export default { scheduled() { return '}' }, queue() {} }", BOTH),
    ("var a={v:/[{]/.test(x),async fetch(e){}};export{a as default};", ["fetch"]),
    (
        "var a=1,b={queue:c,scheduled(){}},d={fetch(){}};export{R,b as default};",
        ["scheduled", "queue"],
    ),
    (
        "class A extends WorkerEntrypoint{queue(){}static x=1;scheduled(){}}export{A as default}",
        ["scheduled", "queue"],
    ),
    ("addEventListener('fetch', f)", ["fetch"]),
    (
        "var Worker = {\n  async scheduled() {\n  }\n};\nvar index_default = Worker;\n"
        "export {\n  Room,\n  index_default as default\n};\n",
        ["scheduled"],
    ),
    ("var a={email(){}},b=a,c=b;export{c as default};", ["email"]),
    ("var a=a,b=a;export{b as default};", ["fetch"]),
]
PYTHON = [
    (
        "class Default(WorkerEntrypoint):\n    async def scheduled(self):\n        pass",
        ["scheduled"],
    ),
    (
        "class Default(asgi.entrypoint(app)):\n    async def scheduled(self):\n        pass",
        ["fetch", "scheduled"],
    ),
    ("Default = asgi.entrypoint(app)\ndef scheduled(): pass", ["fetch", "scheduled"]),
    ("async def on_fetch(request, env):\n    pass", ["fetch"]),
    ("import app\n", ["fetch"]),
]


@pytest.mark.parametrize(("source", "expected"), CASES)
def test_of_javascript(source: str, expected: list[str]) -> None:
    assert handlers.of(source, python=False) == expected


@pytest.mark.parametrize(("source", "expected"), PYTHON)
def test_of_python(source: str, expected: list[str]) -> None:
    assert handlers.of(source, python=True) == expected
