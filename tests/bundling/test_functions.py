"""Pages Functions: where they are, and what makes a new deployment of them necessary."""

from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy.bundling import functions
from xswarm_deploy.errors import Refused


def write(folder: Path, path: str, content: str = "export default {}") -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


@pytest.mark.parametrize(
    ("there", "site", "expected"),
    [
        ("functions/a.js", "build/client", "."),
        ("wrangler.toml", "build/client", "."),
        ("apps/web/package.json", "apps/web/dist/client", "apps/web"),
        ("apps/web/functions/a.js", "apps/web/dist", "apps/web"),
        ("README", "site/public", "site"),
    ],
)
def test_a_project_is_found_from_its_output_however_deep(
    tmp_path: Path, there: str, site: str, expected: str
) -> None:
    write(tmp_path, there, '{"name": "web"}')
    write(tmp_path, "build/package.json", '{"type": "module"}')  # as a build writes it
    write(tmp_path, f"{site}/index.html")
    assert functions.project(tmp_path / site, tmp_path) == (tmp_path / expected).resolve()


def test_functions_beside_a_nested_output_are_not_left_out(tmp_path: Path) -> None:
    write(tmp_path, "dist/client/index.html")
    made = write(tmp_path, "functions/api/a.js")
    assert functions.found(tmp_path / "dist/client", tmp_path) == (made.parents[1],)


@pytest.mark.slow
def test_what_functions_import_and_how_they_run_counts(tmp_path: Path) -> None:
    site = write(tmp_path, "web/public/index.html").parent
    assert functions.digest(site, tmp_path) == ""
    function = write(tmp_path, "web/functions/a.js", "")
    function.write_text(
        'import { text } from "../../shared/text.js";'
        "export const onRequest = () => new Response(text);"
    )
    texts = write(tmp_path, "shared/text.js", 'export const text = "one";')
    seen = [functions.digest(site, tmp_path), functions.digest(site, tmp_path)]
    assert seen[0] == seen[1]
    functions._bundled.cache_clear()  # as the next command
    assert functions.digest(site, tmp_path) == seen[0]
    functions._bundled.cache_clear()
    texts.write_text('export const text = "two";')
    seen.append(functions.digest(site, tmp_path))
    write(tmp_path, "web/wrangler.toml", 'name = "web"\npages_build_output_dir = "public"\n')
    seen.append(functions.digest(site, tmp_path))
    write(site, "_routes.json", '{"version": 1, "include": ["/*"], "exclude": []}')
    seen.append(functions.digest(site, tmp_path))
    assert len(set(seen)) == 4
    function.write_text("export const onRequest = (")
    with pytest.raises(Refused, match="Pages Functions") as told:
        functions.digest(site, tmp_path)
    assert "a.js" in told.value.why
