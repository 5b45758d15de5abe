"""The stand-in and its edge as their own process, with a wrangler of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import boto3
import requests

from tests.twin.cloudflare.stand_in import ACCOUNT
from xswarm_twin import files, programs, state
from xswarm_twin.folder import Folder
from xswarm_twin.state import State

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
export default {
  async fetch(request, env) {
    console.log("word", env.WORD);
    return Response.json({ word: env.WORD, key: env.KEY ?? null, version: env.VERSION.id });
  },
};
"""


class Twin:
    """The process, and wrangler with a home and a project of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        (self.project / "public").mkdir(parents=True)
        (self.project / "public/page.html").write_text("<h1>hello</h1>")
        (self.project / "index.js").write_text(SCRIPT)
        self.configure("one")
        self.ports = {name: free_port() for name in ("api", "objects", "worker", "pages")}
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.process = spawn(self.folder, self.ports)
        _wait_for(self.ports["api"])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def configure(self, word: str) -> None:
        """Write wrangler's configuration, with a word that the Worker answers."""
        configuration = {
            "name": "shop",
            "main": "index.js",
            "compatibility_date": "2026-01-01",
            "vars": {"WORD": word},
            "version_metadata": {"binding": "VERSION"},
            "r2_buckets": [{"binding": "FILES", "bucket_name": "files"}],
            "assets": {"directory": "public"},
            "preview_urls": True,
            "triggers": {"crons": ["0 2 * * *"]},
        }
        (self.project / "wrangler.json").write_text(json.dumps(configuration))

    def wrangler(self, *arguments: str, feed: str = "", where: Path | None = None) -> str:
        """Run a wrangler command that succeeds, and return what it printed."""
        ended = self.attempt(*arguments, feed=feed, where=where)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def attempt(
        self, *arguments: str, feed: str = "", where: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a wrangler command."""
        return subprocess.run(
            self.line(*arguments),
            cwd=where or self.project,
            env=self.environment(),
            input=feed,
            capture_output=True,
            text=True,
            timeout=240,  # it takes two seconds; beside others on a busy machine a minute
        )

    def line(self, *arguments: str) -> list[str]:
        """Return the command line of a wrangler command, without the programs that only start it.

        ``.bin/wrangler`` is a script for Node, which here is a script of Python that starts Node;
        and all it does is to start a second Node with wrangler itself. This runs dozens of times.
        """
        program = ROOT / "node_modules/wrangler/wrangler-dist/cli.js"
        return [str(programs.node()), "--no-warnings", str(program), *arguments]

    def environment(self) -> dict[str, str]:
        """Return wrangler's environment: a home of its own, and the stand-in as its API."""
        logs = self.folder / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        return os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "CI": "1",
            "CLOUDFLARE_API_BASE_URL": f"http://127.0.0.1:{self.ports['api']}/client/v4",
            "CLOUDFLARE_API_TOKEN": ACCOUNT.token,
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT.id,
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_LOG_SANITIZE": "true",
            "WRANGLER_LOG_PATH": str(logs),
            "WRANGLER_HIDE_BANNER": "true",
        }

    @contextmanager
    def following(self, *arguments: str) -> Iterator[IO[str]]:
        """Run a wrangler command that goes on until Ctrl-C, and read what it prints."""
        process = subprocess.Popen(
            self.line(*arguments),
            cwd=self.project,
            env=self.environment(),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            with process.stdout as printed:
                yield printed
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)

    def s3(self) -> Any:
        """Return a client of the buckets' S3 face."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.ports['objects']}",
            aws_access_key_id="key-of-tests",
            aws_secret_access_key="hidden-text-of-tests",
            region_name="auto",
        )

    def answer(self, **headers: str) -> Any:
        """Ask the Worker."""
        url = f"http://127.0.0.1:{self.ports['worker']}/api"
        response = requests.get(url, headers=headers, timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def page(self, kind: str, path: str, host: str = "") -> requests.Response:
        """Ask for a static file of the Worker or of the site."""
        url = f"http://127.0.0.1:{self.ports[kind]}{path}"
        headers = {"Host": host} if host else {}
        return requests.get(url, headers=headers, timeout=60, allow_redirects=False)


def spawn(folder: Path, ports: Mapping[str, int]) -> subprocess.Popen[bytes]:
    home = Folder(folder / "sandbox")
    home.path.mkdir(exist_ok=True)
    named = {**ports, "worker:shop": ports["worker"], "pages:site": ports["pages"]}
    state.write(home, State(workers=("shop",), pages=("site",), ports=named))
    keys = {
        "CLOUDFLARE_API_TOKEN": ACCOUNT.token,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT.id,
        "S3_ACCESS_KEY_ID": "key-of-tests",
        "S3_SECRET_ACCESS_KEY": "hidden-text-of-tests",
    }
    files.write(home.credentials, json.dumps(keys))
    command = (sys.executable, "-m", "xswarm_twin.cloudflare", str(home.path))
    with (folder / "twin.log").open("a") as log:
        return subprocess.Popen(command, cwd=ROOT, stderr=log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.05)
        else:
            return
