"""The end of the audit trail, left in git: a tag that everybody who fetches the repository has.

``audit.tag`` makes it; ``audit.verify`` looks whether the trail still holds the newest one that is
in this checkout.
"""

from __future__ import annotations

import json
from typing import Final

from xswarm_deploy import git
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.release import audit
from xswarm_deploy.release.audit import Event, event_of

_DIGITS: Final = 12  # of an event's number, so that names sort by it


def leave(environment: Environment) -> str:
    """Return the name of the tag that holds the trail's last event; it is made unless it is there.

    Raises:
        Refused: there is no trail, or git cannot make a tag here.
    """
    if not audit.exists(environment.database):
        raise Refused("there is no audit trail", "nothing was released", "inv deploy.list")
    (last,) = audit.read(environment.database, limit=1)
    name = f"{_folder(environment)}{last.number:0{_DIGITS}}"
    root = environment.settings.root
    if git.output(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}"):
        return name
    message = json.dumps(last._asdict(), ensure_ascii=False)
    if said := git.refusal(root, "tag", "--annotate", "--message", message, name):
        raise Refused("git did not make the tag", said, "git commit, in the project's checkout")
    return name


def newest(environment: Environment) -> Event | None:
    """Return the event of the newest tag of this environment in the checkout; None: there is none.

    Raises:
        Unavailable: what the tag holds is no event.
    """
    pattern = f"refs/tags/{_folder(environment)}*"
    words = ("--sort=-refname", "--count=1", "--format=%(contents)", pattern)
    held = git.output(environment.settings.root, "for-each-ref", *words)
    if not held:
        return None
    try:
        return event_of(json.loads(held))
    except (ValueError, RecursionError) as error:
        what = f"the newest tag below {_folder(environment)} holds no event of the audit trail"
        remedy = f"git tag --list '{_folder(environment)}*', and delete what is no anchor"
        raise Unavailable(what, str(error), remedy) from None


def _folder(environment: Environment) -> str:
    return f"audit/{environment.settings.environment}/"
