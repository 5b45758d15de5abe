"""Let wrangler itself act on the account; the token travels in its environment alone."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

from xswarm_deploy import child, fence, running
from xswarm_deploy.bundling import bundle, programs
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import StepFailed

SECONDS: Final = 600.0


def wrangler(environment: Environment, folder: Path, *words: str, failed: str) -> None:
    """Run wrangler to its end.

    Args:
        environment: whose account it acts on.
        folder: where it runs; it is the one that Node finds from there.
        words: the command and its flags.
        failed: what is told where it fails.

    Raises:
        StepFailed: wrangler's last words say why, or it took too long.
    """
    fence.require_held()  # what wrangler sends cannot be held back piece by piece
    command = [str(programs.node()), str(programs.wrangler(folder)), *words]
    with tempfile.TemporaryDirectory(prefix="wrangler-") as scratch:
        try:
            ended = running.run(
                command,
                cwd=folder,
                env=bundle.environment(Path(scratch)) | child.network() | _credentials(environment),
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise StepFailed(failed, f"wrangler did not end within {SECONDS:g} s") from None
    if ended.returncode:
        raise StepFailed(failed, bundle.last_lines(ended.stderr or ended.stdout))


def _credentials(environment: Environment) -> dict[str, str]:
    settings = environment.settings
    return {
        "CLOUDFLARE_API_TOKEN": settings.secret("CLOUDFLARE_API_TOKEN").reveal(),
        "CLOUDFLARE_ACCOUNT_ID": settings.text("CLOUDFLARE_ACCOUNT_ID"),
        "CLOUDFLARE_API_BASE_URL": settings.text("CLOUDFLARE_API_BASE_URL"),
    }
