"""Which configuration is deployed, and what of it: environments, and what a build wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xswarm_deploy.bundling import configuration, wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings.settings import Settings

WRITTEN: dict[str, Any] = {
    "name": "shop",
    "main": "index.ts",
    "logpush": True,
    "keep_vars": True,
    "rules": [{"type": "Text", "globs": ["*.md"]}],
    "routes": ["top.example/*"],
    "vars": {"A": "top"},
    "tail_consumers": [{"service": "logs"}],
    "observabilty": {"enabled": True},
    "env": {"staging": {"route": "staging.example/*"}, "own": {"name": "mine", "logpush": False}},
}


@pytest.fixture
def chosen(settings: Callable[..., Settings]) -> Callable[[str], Settings]:
    def choose(environment: str = "") -> Settings:
        worker = {"config": "worker/wrangler.jsonc", "environment": environment}
        made = settings({"worker": worker})
        write(made.root / "worker/wrangler.jsonc", WRITTEN)
        return made

    return choose


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def test_an_environment_inherits_as_with_wrangler(chosen: Callable[[str], Settings]) -> None:
    found = wrangler.read(chosen("staging"))
    kept = {key: found.get(key) for key in ("name", "main", "logpush", "keep_vars", "rules")}
    assert kept == {
        "name": "shop-staging",
        "main": "index.ts",
        "logpush": True,
        "keep_vars": True,
        "rules": WRITTEN["rules"],
    }
    assert (found.get("route"), found.get("routes")) == ("staging.example/*", ["top.example/*"])
    assert "vars" not in found
    assert "observabilty" in found  # so that the check names what wrangler does not know
    assert "tail_consumers" not in found


def test_route_beside_inherited_routes_is_refused_for_wrangler_leaves_it_out(
    chosen: Callable[[str], Settings],
) -> None:
    with pytest.raises(Refused, match="does not deploy: route") as refused:
        configuration.require_deployable(wrangler.read(chosen("staging")))
    assert "Write it as `routes`" in refused.value.remedy


@pytest.mark.parametrize(
    ("above", "own", "expected"),
    [
        ({"route": "a.com/*"}, {"routes": []}, {"routes": []}),
        ({"route": "a.com/*"}, {"route": ""}, {"route": "a.com/*"}),
        ({"migrations": [{"tag": "v1"}]}, {"migrations": None}, {"migrations": [{"tag": "v1"}]}),
        ({"tail_consumers": [{"service": "a"}]}, {"tail_consumers": None}, {}),
        ({"keep_vars": True}, {"keep_vars": False, "alias": {"a": "b"}}, {"keep_vars": True}),
    ],
)
def test_what_an_environment_does_not_say(
    above: dict[str, Any], own: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = wrangler.environment({"name": "shop", **above, "env": {"e": own}}, "e")
    assert found == {"name": "shop-e", **expected}


def test_an_environment_has_its_own(chosen: Callable[[str], Settings]) -> None:
    found = wrangler.read(chosen("own"))
    assert (found["name"], found["logpush"], found["routes"]) == (
        "mine",
        False,
        ["top.example/*"],
    )


def test_what_a_build_wrote_is_deployed(chosen: Callable[[str], Settings]) -> None:
    made = chosen("")
    write(made.root / "worker" / wrangler.REDIRECT, {"configPath": "../../dist/wrangler.json"})
    write(made.root / "worker/dist/wrangler.json", {"name": "shop", "main": "built.js"})
    assert wrangler.read(made)["main"] == "built.js"


def test_a_build_of_another_environment_is_read_by_nobody_and_not_deployed(
    chosen: Callable[[str], Settings],
) -> None:
    """A rollback of production must not need that staging was built on another machine."""
    made = chosen("own")
    write(made.root / "worker" / wrangler.REDIRECT, {"configPath": "../../dist/wrangler.json"})
    built = {"name": "shop", "targetEnvironment": "production"}
    write(made.root / "worker/dist/wrangler.json", built)
    assert wrangler.read(made)["name"] == "mine"
    with pytest.raises(Refused, match="built for the environment production") as refused:
        wrangler.require_built(made)
    assert "CLOUDFLARE_ENV=own" in refused.value.remedy
    write(made.root / "worker/dist/wrangler.json", {**built, "targetEnvironment": "own"})
    wrangler.require_built(made)
    assert wrangler.read(made)["name"] == "shop"


def test_a_build_above_says_which_configuration_it_was_made_of(
    chosen: Callable[[str], Settings],
) -> None:
    """As Cloudflare's Vite plugin does where its configPath, or an auxiliary Worker's, is below."""
    made = chosen("")
    top, written = made.root, made.path(made.project.worker.config)
    names = ["dist/web/wrangler.json", "dist/api/wrangler.json"]
    told = {
        "configPath": f"../../{names[0]}",
        "auxiliaryWorkers": [{"configPath": f"../../{names[1]}"}],
    }
    write(top / wrangler.REDIRECT, told)
    write(top / names[0], {"name": "web", "userConfigPath": str(top / "wrangler.jsonc")})
    write(top / names[1], {"name": "api", "userConfigPath": "/elsewhere/wrangler.jsonc"})
    assert wrangler.file(made) == written
    write(top / names[1], {"name": "api", "userConfigPath": str(written)})
    assert wrangler.file(made) == top / names[1]
    wrangler.require_built(made)


def test_a_build_that_copies_the_environments_is_refused_with_the_way_on(
    chosen: Callable[[str], Settings],
) -> None:
    """As Nitro's does. wrangler: "Redirected configurations cannot include environments"."""
    made = chosen("")
    write(made.root / "worker" / wrangler.REDIRECT, {"configPath": "../../dist/wrangler.json"})
    write(made.root / "worker/dist/wrangler.json", {"name": "shop", "env": {"staging": {}}})
    with pytest.raises(Refused, match="has environments: staging") as refused:
        wrangler.require_built(made)
    assert "cloudflare.deployConfig false" in refused.value.remedy


@pytest.mark.parametrize("redirect", [{}, {"configPath": "nowhere.json"}])
def test_what_a_build_made_and_is_gone_is_read_by_nobody_and_not_deployed(
    chosen: Callable[[str], Settings], redirect: dict[str, str]
) -> None:
    made = chosen("own")
    write(made.root / "worker" / wrangler.REDIRECT, redirect)
    assert wrangler.read(made)["name"] == "mine"
    with pytest.raises(Refused, match="names no configuration"):
        wrangler.require_built(made)


def test_a_configuration_that_only_the_build_makes(settings: Callable[..., Settings]) -> None:
    made = settings({"worker": {"config": "wrangler.json", "build": "nuxt build"}})
    with pytest.raises(Refused, match="did not run here") as refused:
        wrangler.read(made)
    assert refused.value.remedy == "nuxt build"


@pytest.mark.parametrize(
    ("text", "vars"),
    [
        ("vars = { A = 1, }", {"A": 1}),
        ("vars = {\n A = 1 # one\n  ,\n # two\n}", {"A": 1}),
        ("vars = { A = [ { B = {\r\n}, }, ], C = '}' }", {"A": [{"B": {}}], "C": "}"}),
        ('[vars]\nA = "\\e[1m\\x41\\\\x41"', {"A": "\x1b[1mA\\x41"}),
        ("[vars]\nA = '\\e' # {\nB = {\n}", {"A": "\\e", "B": {}}),
        ('[vars]\nA = """\n{ "",\\e\n}"""\n', {"A": '{ "",\x1b\n}'}),
    ],
)
def test_toml_is_read_by_its_version_1_1(tmp_path: Path, text: str, vars: dict[str, Any]) -> None:
    file = tmp_path / "wrangler.toml"
    file.write_bytes(text.encode())
    assert wrangler.parsed(file)["vars"] == vars


@pytest.mark.parametrize(
    "text",
    ["vars = { A = 1,, }", "vars = { , }", "vars = {", 'A = "\\q"', "a = {}\n[a]\n", "A = [1, 2"],
)
def test_toml_that_is_none_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrangler.toml"
    file.write_text(text)
    with pytest.raises(Refused, match=r"line 1|end of document|line 2"):
        wrangler.parsed(file)


def test_toml_begins_with_a_byte_order_mark_or_not(tmp_path: Path) -> None:
    file = tmp_path / "wrangler.toml"
    file.write_text('name = "shop"\n', encoding="utf-8-sig")
    assert wrangler.parsed(file) == {"name": "shop"}
