"""What a person should know of a failure while the local twin runs other code than is installed.

After an update it runs on as it was, until it is started anew; what it lacks then looks like a
provider's refusal. It is imported when a command has failed: the twin may not be installed.
"""

from __future__ import annotations

from pathlib import Path

from xswarm_twin import code, folder, state


def hint(root: Path) -> str:
    """Return what to do about a twin of other code; empty where none runs, or it is as installed.

    Args:
        root: the project's folder.
    """
    recorded = state.read(folder.of(root))
    if not recorded.pid or recorded.code == code.stamp():
        return ""
    return (
        "the local twin runs other code than is installed: inv sandbox.up starts it anew, and its"
        " data stays; then repeat the command"
    )
