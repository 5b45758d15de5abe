"""The bundle: what wrangler gets, what comes of it, and each way it does not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from xswarm_deploy import private
from xswarm_deploy.bundling import bundle, digests, jsonc, library, programs, static
from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.services import files, multipart
from xswarm_deploy.settings.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
CONFIGURATION = {
    "name": "w",
    "main": "index.js",
    "compatibility_date": "2026-01-01",
    "assets": {"directory": "public", "binding": "ASSETS", "run_worker_first": ["/api/*"]},
}
# Stands in for wrangler: writes what it was called with as the upload.
WRANGLER = """
const fs = require("node:fs"); const argv = process.argv.slice(2);
const told = JSON.stringify({ argv, cwd: process.cwd(), env: process.env });
if (fs.existsSync("fail")) {
  console.error("\\u001b[31mX [ERROR]\\u001b[0m it is broken"); process.exit(1);
}
if (fs.existsSync("idle")) { setTimeout(() => {}, 60000); } else if (!fs.existsSync("silent")) {
  fs.writeFileSync(argv[argv.indexOf("--outfile") + 1], "--b" + Math.random() + "\\r\\n" + told);
}
"""


@pytest.fixture
def scratch(tmp_path: Path, settings: Callable[..., Settings]) -> Settings:
    """Return a project with a small Worker and a stand-in for wrangler."""
    worker = tmp_path / "worker"
    worker.mkdir()
    without = {key: value for key, value in CONFIGURATION.items() if key != "assets"}
    (worker / "wrangler.json").write_text(json.dumps(without))
    (worker / "index.js").write_text("export default {}")
    program = tmp_path / "node_modules/wrangler/wrangler-dist/cli.js"
    program.parent.mkdir(parents=True)
    program.write_text(WRANGLER)
    (program.parents[1] / "package.json").write_text('{"version": "4.164.0"}')
    return settings({"worker": {"config": "worker/wrangler.json", "name": "chosen"}})


def called(made: bundle.Bundle) -> dict[str, object]:
    found: dict[str, object] = json.loads(made.body.split(b"\r\n", 1)[1])
    return found


def with_assets(scratch: Settings) -> Path:
    (scratch.root / "worker/wrangler.json").write_text(json.dumps(CONFIGURATION))
    folder = scratch.root / "worker/public"
    folder.mkdir()
    (folder / "index.html").write_text("<h1>one</h1>")
    return folder


def test_wrangler_is_asked_offline_and_told_nothing_secret(
    scratch: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "canary-token-0123456789")
    made = called(bundle.bundle(scratch))
    argv = made["argv"]
    assert isinstance(argv, list)
    assert argv[:3] == ["versions", "upload", "--dry-run"]
    assert argv[argv.index("--name") + 1] == "chosen"
    assert made["cwd"] == str(scratch.root / "worker")
    assert "canary" not in json.dumps(made)


def test_build_command_gets_the_variables_that_it_is_written_for(
    scratch: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VITE_API", "https://api.example.com")
    monkeypatch.setenv("NODE_ENV", "staging")
    monkeypatch.setenv("WRANGLER_OUTPUT_FILE_PATH", str(tmp_path / "read-by-the-pipeline"))
    given = called(bundle.bundle(scratch))["env"]
    assert isinstance(given, dict)
    assert (given["VITE_API"], given["NODE_ENV"]) == ("https://api.example.com", "staging")
    assert given["WRANGLER_OUTPUT_FILE_PATH"] != str(tmp_path / "read-by-the-pipeline")


@pytest.mark.parametrize(
    ("build", "named", "kept"),
    [
        pytest.param({}, "", ".deployments/cache/compiled", id="in the project"),
        pytest.param({}, "/a/persons/own", "/a/persons/own", id="where a person says"),
        pytest.param({"command": "true"}, "", "", id="nowhere: a build of its own runs, too"),
    ],
)
def test_wranglers_compiled_code_is_kept(
    scratch: Settings,
    monkeypatch: pytest.MonkeyPatch,
    build: dict[str, str],
    named: str,
    kept: str,
) -> None:
    monkeypatch.setenv("NODE_COMPILE_CACHE", named)
    if not named:
        monkeypatch.delenv("NODE_COMPILE_CACHE")
    with_assets(scratch)
    written = {**CONFIGURATION, **({"build": build} if build else {})}
    (scratch.root / "worker/wrangler.json").write_text(json.dumps(written))
    given = called(bundle.bundle(scratch))["env"]
    assert isinstance(given, dict)
    found = given.get("NODE_COMPILE_CACHE", "")
    assert found == (str(scratch.root / kept) if kept and not named else kept)


def test_the_digest_does_not_depend_on_the_boundary() -> None:
    assert bundle.digest(b"--one\r\nx\r\n--one--") == bundle.digest(b"--two\r\nx\r\n--two--")
    assert bundle.digest(b"--one\r\nx\r\n--one--") != bundle.digest(b"--one\r\ny\r\n--one--")


def test_a_missing_configuration_is_named(settings: Callable[..., Settings]) -> None:
    with pytest.raises(Refused, match=r"no wrangler configuration worker/none\.toml"):
        bundle.bundle(settings({"worker": {"config": "worker/none.toml"}}))


def test_without_wrangler_it_says_how_to_get_it(
    scratch: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_own", lambda: ())
    shutil.rmtree(scratch.root / "node_modules")
    with pytest.raises(Unavailable, match="wrangler is not installed") as caught:
        bundle.bundle(scratch)
    assert "tools.install" in caught.value.remedy


def test_without_node_it_says_so(scratch: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda _name: None)
    monkeypatch.setattr(sys, "executable", str(scratch.root / "bin/python"))
    monkeypatch.setenv("PATH", str(scratch.root))
    with pytest.raises(Unavailable, match="no Node"):
        bundle.bundle(scratch)


def test_wranglers_own_words_are_given_without_their_colours(scratch: Settings) -> None:
    (scratch.root / "worker/fail").touch()
    with pytest.raises(Refused, match="does not accept the Worker") as caught:
        bundle.bundle(scratch)
    assert caught.value.why == "X [ERROR] it is broken"
    assert caught.value.remedy.endswith("versions upload --dry-run --config wrangler.json")


def test_the_remedy_looks_at_the_environment_that_failed(
    scratch: Settings, settings: Callable[..., Settings]
) -> None:
    """Without --env wrangler judges the top level, which may be good."""
    (scratch.root / "worker/fail").touch()
    (scratch.root / "worker/wrangler.json").write_text(
        json.dumps({"name": "shop", "main": "index.js", "env": {"production": {}}})
    )
    worker = {"config": "worker/wrangler.json", "name": "chosen", "environment": "production"}
    with pytest.raises(Refused) as caught:
        bundle.bundle(settings({"worker": worker}))
    assert caught.value.remedy.endswith("--config wrangler.json --env production")


def test_a_traceback_of_pip_is_told_by_what_it_says() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "def f():\n  raise OSError(28, 'No space left')\nf()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert bundle.last_lines(f"WARNING: first\n{ran.stderr}") == "OSError: [Errno 28] No space left"


def test_a_program_that_does_not_end_is_told_with_what_it_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "SECONDS", 1.0)
    warned = "print('(node:1) [DEP0190] Warning: x', file=sys.stderr, flush=True)"
    asked = "print('[custom build] Proceed? (Y/n)', flush=True)"
    said = f"import sys, time; {warned}; {asked}; time.sleep(30)"
    with pytest.raises(Unavailable) as caught:
        bundle.run([sys.executable, "-c", said], cwd=tmp_path)
    assert caught.value.why == "after 1 s; it said last: Proceed? (Y/n)"


def test_what_a_program_began_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the package manager of a build.command: wrangler's own child, and not ours."""
    monkeypatch.setattr(bundle, "SECONDS", 1.0)
    (tmp_path / "child.py").write_text("import time; time.sleep(60)")
    child = str(tmp_path / "child.py")
    begun = f"import subprocess, sys; subprocess.run([sys.executable, {child!r}])"
    with pytest.raises(Unavailable):
        bundle.run([sys.executable, "-c", begun], cwd=tmp_path)
    running = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if str(tmp_path / "child.py") in line]


def test_an_error_of_node_is_told_by_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "build.mjs").write_text('import { nothing } from "node:fs";\n')
    (tmp_path / "deep.cjs").write_text(
        "const f = (n) => (n ? f(n - 1) : JSON.parse('no'));\nf(9);\n"
    )
    for name, told in (("build.mjs", "SyntaxError: The requested"), ("deep.cjs", "SyntaxError")):
        ended = bundle.run([str(programs.node()), name], cwd=tmp_path)
        last = bundle.last_lines(ended.stderr)
        assert told in last
        assert " at " not in last


@pytest.mark.slow
def test_of_wranglers_errors_the_first_is_told_and_not_the_example_at_its_end(
    tmp_path: Path,
) -> None:
    """As the real one ends where nothing is to be deployed: with two pages of a way on."""
    (tmp_path / "wrangler.toml").write_text('name = "a"\ncompatibility_date = "2026-11-01"\n')
    wrangler = [str(programs.node()), str(programs.wrangler(tmp_path))]
    asked = [*wrangler, "versions", "upload", "--dry-run"]
    ended = bundle.run(asked, cwd=tmp_path, env=bundle.environment(tmp_path))
    told = bundle.last_lines(ended.stderr)
    assert told.startswith("✘ [ERROR] Missing entry-point to Worker script or to assets directory")
    assert "```" not in told


def test_success_without_an_upload_is_none(scratch: Settings) -> None:
    (scratch.root / "worker/silent").touch()
    with pytest.raises(Refused, match="does not accept the Worker"):
        bundle.bundle(scratch)


def test_a_wrangler_that_does_not_end_is_ended(
    scratch: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch.root / "worker/idle").touch()
    monkeypatch.setattr(bundle, "SECONDS", 0.3)
    with pytest.raises(Unavailable, match="wrangler did not end"):
        bundle.bundle(scratch)
    running = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if str(scratch.root) in " ".join(line)]


def test_nothing_temporary_is_left(scratch: Settings) -> None:
    bundle.bundle(scratch)
    assert list((scratch.root / bundle.CACHE).iterdir()) == []


# A Python Worker


@pytest.fixture
def python(scratch: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Make it a Python Worker that vendors nothing but the monitoring library."""
    folder = scratch.root / "xswarm_monitoring"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "health.py").write_text("# health\n")
    (folder / "__pycache__/health.pyc").touch()
    monkeypatch.setattr(library, "FOLDER", folder)
    (scratch.root / "worker/requirements.txt").write_text("# nothing\n\nxswarm-monitoring\n")
    config = scratch.root / "worker/wrangler.json"
    config.write_text(config.read_text().replace("index.js", "index.py"))
    (scratch.root / "worker/index.js").rename(scratch.root / "worker/index.py")
    return scratch


def test_a_javascript_worker_vendors_nothing_whatever_lies_beside_it(python: Settings) -> None:
    assert bundle.requirements(python) is not None
    config = python.root / "worker/wrangler.json"
    config.write_text(config.read_text().replace("index.py", "index.js"))
    assert bundle.requirements(python) is None


def _gathered(python: Settings, folder: Path) -> Path:
    named = python.root / "worker/requirements.txt"
    return bundle._gathered(named, bundle._vendored(named, python.root), python, folder)


def test_a_python_worker_is_bundled_from_a_copy_with_its_parts(
    python: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (python.root / bundle.CACHE).mkdir(parents=True)
    prepared = _gathered(python, folder)
    found = {path.relative_to(prepared.parent).as_posix() for path in prepared.parent.rglob("*.*")}
    assert found == {
        "index.py",
        "requirements.txt",
        "wrangler.json",
        "python_modules/xswarm_monitoring/health.py",
    }


def test_a_worker_that_does_not_name_the_library_does_not_get_it(
    python: Settings, tmp_path: Path
) -> None:
    (python.root / "worker/requirements.txt").write_text("# nothing\n")
    (python.root / bundle.CACHE).mkdir(parents=True)
    folder = tmp_path / "scratch"
    folder.mkdir()
    prepared = _gathered(python, folder)
    assert list((prepared.parent / "python_modules").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("xswarm-monitoring", True),
        ("XSwarm-Monitoring>=1  # ours", True),
        ("xswarm-monitoring[x]==1 ; python_version > '3'", True),
        ("xswarm-monitoring-extra", False),
        ("# xswarm-monitoring", False),
    ],
)
def test_the_library_is_named_as_pip_reads_it(tmp_path: Path, line: str, named: bool) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"six==1\n{line}\n")
    assert library.is_named(file) is named
    assert (line in library.others(file)) is not named


def test_an_unchanged_python_worker_is_bundled_once(python: Settings) -> None:
    first = bundle.bundle(python)
    assert bundle.bundle(python).body == first.body
    (python.root / "xswarm_monitoring/health.py").write_text("# changed\n")
    second = bundle.bundle(python).body
    assert second != first.body
    (python.root / "worker/index.py").write_text("# changed, too\n")
    assert bundle.bundle(python).body != second


def test_only_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text("1")
    first = digests.of_file(file)
    assert digests.of_file(file) == first
    file.write_text("2")  # as long, and written later
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert digests.of_file(file) != first
    assert first == hashlib.sha256(b"1").hexdigest()


def test_packages_are_installed_once_for_each_content_of_the_file(python: Settings) -> None:
    named = python.root / "worker/requirements.txt"
    (python.root / bundle.CACHE).mkdir(parents=True)
    first = bundle._vendored(named, python.root)
    assert bundle._vendored(named, python.root) == first
    named.write_text("# another\n")
    assert bundle._vendored(named, python.root) != first


def test_what_is_kept_is_on_the_disk_before_it_has_its_name(
    python: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a name is there, and what was not synced is empty (rename(2), ext4)."""
    synced: list[str] = []
    monkeypatch.setattr(bundle, "sync_file", lambda path: synced.append(path.name))
    monkeypatch.setattr(bundle, "_install", lambda _named, target: (target / "six.py").touch())
    (python.root / "worker/requirements.txt").write_text("six==1.17.0\nxswarm-monitoring\n")
    bundle.bundle(python)
    assert synced == ["six.py", "bundle"]


@pytest.mark.skipif(sys.platform == "win32", reason="it syncs what may be written alone")
def test_what_nobody_may_write_is_synced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel may hold such files; root, who tests here, may write them all the same."""
    synced: list[int] = []

    def fsync(file: int) -> None:
        synced.append(file)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(file, b"x")

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "data.txt").touch(0o444)
    private.sync_file(tmp_path / "data.txt")
    assert len(synced) == 1


@pytest.mark.slow
def test_packages_that_cannot_be_had_leave_nothing_behind(
    python: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (python.root / "worker/requirements.txt").write_text("no-such-package==1.0\n")
    with pytest.raises(Unavailable, match="could not be installed") as caught:
        bundle.bundle(python)
    assert "no-such-package" in caught.value.why
    assert list((python.root / bundle.CACHE).iterdir()) == []


# Static files


def test_static_files_are_listed_with_their_rules(scratch: Settings) -> None:
    folder = with_assets(scratch)
    (folder / "_headers").write_text("/*\n  X-A: b\n")
    (folder / ".assetsignore").write_text("*.map\n")
    (folder / "code.js.map").write_text("{}")
    found = static.described(scratch)
    assert found is not None
    assert [file.path for file in found.files] == ["/index.html"]
    assert found.config == {"run_worker_first": ["/api/*"], "_headers": "/*\n  X-A: b\n"}


def test_other_static_files_are_another_bundle(scratch: Settings) -> None:
    folder = with_assets(scratch)
    first = bundle.bundle(scratch)
    assert first.files is not None
    (folder / "index.html").write_text("<h1>two</h1>")
    second = bundle.bundle(scratch)
    assert second.files is not None
    assert second.files.digest != first.files.digest
    assert second.digest != first.digest


def test_a_worker_without_them_has_none(scratch: Settings) -> None:
    assert static.described(scratch) is None


@pytest.mark.parametrize(("limit", "said"), [("LARGEST_FILE", "large"), ("MOST_ASSETS", "1 files")])
def test_too_much_is_refused_before_anything_is_sent(
    scratch: Settings, monkeypatch: pytest.MonkeyPatch, limit: str, said: str
) -> None:
    with_assets(scratch)
    monkeypatch.setattr(files, limit, 0)
    with pytest.raises(Refused, match=said):
        bundle.bundle(scratch)


# By the real wrangler


@pytest.fixture
def real(scratch: Settings, settings: Callable[..., Settings]) -> Callable[[str, str], Settings]:
    """Return a fixture's Worker in a scratch project, with the wrangler that is installed."""

    def make(name: str, config: str) -> Settings:
        shutil.rmtree(scratch.root / "node_modules")
        shutil.rmtree(scratch.root / "worker")
        (scratch.root / "node_modules").symlink_to(PROJECT / "node_modules")
        shutil.copytree(PROJECT / "tests/fixtures" / name, scratch.root / "worker")
        return settings({"worker": {"config": config}})

    return make


@pytest.mark.slow
def test_a_syntax_error_is_told_with_its_place(real: Callable[[str, str], Settings]) -> None:
    settings = real("javascript", "worker/wrangler.jsonc")
    (settings.root / "worker/src/answers.js").write_text("export const = 1;")
    with pytest.raises(Refused) as caught:
        bundle.bundle(settings)
    assert "answers.js:1:13" in caught.value.why
    assert "\x1b" not in caught.value.why


@pytest.mark.slow
def test_typescript_becomes_javascript(real: Callable[[str, str], Settings]) -> None:
    made = bundle.bundle(real("typescript", "worker/wrangler.toml"))
    upload = multipart.read(made.body)
    assert upload.metadata["main_module"] == "index.js"
    code = upload.modules[0].content.decode()
    assert "interface" not in code
    assert made.files is not None
    assert [file.path for file in made.files.files] == ["/404.html", "/index.html", "/style.css"]


@pytest.mark.slow
def test_a_build_command_finds_the_workers_packages_and_its_failure_is_told(
    real: Callable[[str, str], Settings],
) -> None:
    settings = real("javascript", "worker/wrangler.jsonc")
    file = settings.root / "worker/wrangler.jsonc"
    config = jsonc.loads(file.read_text())
    file.write_text(json.dumps(config | {"build": {"command": "esbuild --version > built"}}))
    bundle.bundle(settings)
    assert (settings.root / "worker/built").is_file()
    file.write_text(json.dumps(config | {"build": {"command": "no-such-program here"}}))
    with pytest.raises(Refused) as caught:
        bundle.bundle(settings)
    assert "no-such-program: not found" in caught.value.why


@pytest.mark.slow
def test_of_a_packages_wheels_the_one_without_compiled_code_is_vendored(
    python: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of pydantic 1: pip would take the one that is compiled for this machine."""
    compiled = f"cp{sys.version_info.major}{sys.version_info.minor}-abi3-linux_x86_64"
    for tag in (compiled, "py3-none-any"):
        with zipfile.ZipFile(tmp_path / f"shopkit-1-{tag}.whl", "w") as wheel:
            wheel.writestr("shopkit/__init__.py", "")
            if tag == compiled:
                wheel.writestr("shopkit/fast.so", "")
            about = "Metadata-Version: 2.1\nName: shopkit\nVersion: 1\n"
            wheel.writestr("shopkit-1.dist-info/METADATA", about)
            wheel.writestr("shopkit-1.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            wheel.writestr("shopkit-1.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    named = python.root / "worker/requirements.txt"
    named.write_text("shopkit\n")
    (python.root / bundle.CACHE).mkdir(parents=True)
    assert [path.name for path in bundle._vendored(named, python.root).glob("shopkit/*")] == [
        "__init__.py"
    ]
    (tmp_path / "shopkit-1-py3-none-any.whl").unlink()
    named.write_text("shopkit==1\n")
    with pytest.raises(Refused, match="shopkit cannot run in a Worker"):
        bundle._vendored(named, python.root)
