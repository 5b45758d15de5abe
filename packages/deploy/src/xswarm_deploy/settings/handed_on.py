"""What a command that a person configured gets as its environment: all but what is ours to read."""

from __future__ import annotations

import os
from typing import Final

from xswarm_deploy.settings.variables import ENVIRONMENTS, VARIABLES

_OURS: Final = ("INVOKE_", "DEPLOY_", "GITHUB_TOKEN", "CLOUDFLARE_ENV")
"""How the names begin of what this tool reads, or says itself: which environment is built."""


def environment() -> dict[str, str]:
    """Return this process's environment without what this tool reads of it: keys, above all.

    A build or a secret manager needs variables that only who configured it knows.
    """
    ours = {variable.file_name(name) for variable in VARIABLES for name in ENVIRONMENTS}
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith(_OURS)
    }
