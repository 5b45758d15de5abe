"""One comment on a pull request, written again in its place by each later run.

Source: GitHub REST API, issue comments.
"""

from __future__ import annotations

import os
import re
from typing import Final

from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.secret import Secret, redact
from xswarm_deploy.services.errors import RateLimited, ServiceError, ServiceUnavailable
from xswarm_deploy.services.http import Headers, Http, bearer
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.shape import Wire

_REF: Final = re.compile(r"refs/pull/(\d+)/")
_SECONDS: Final = 20.0
_A_PAGE: Final = 100
_PAGES: Final = 30
_OF_THE_HOUSE: Final = ("OWNER", "MEMBER", "COLLABORATOR")
_API: Final = "https://api.github.com"


class _Author(Wire):
    type: str | None = None


class _Comment(Wire):
    id: int
    body: str | None = None
    user: _Author | None = None
    author_association: str | None = None


class _Written(Wire):
    html_url: str = ""


def comment(text: str, key: str) -> str:
    """Write a comment, or write it anew where it is there already; return its address.

    Args:
        text: Markdown.
        key: tells it from other comments of this tool, e.g. the environment and the Worker.

    Raises:
        Refused: this is no run for a pull request, or the token may not write.
        Unavailable: GitHub did not answer.
    """
    number, repository = _pull_request(), os.environ.get("GITHUB_REPOSITORY", "")
    token = Secret(os.environ.get("GITHUB_TOKEN", ""), "GITHUB_TOKEN")
    if not (number and repository and token):
        raise Refused(
            "there is no pull request to comment on",
            "GITHUB_REF names none, or GITHUB_REPOSITORY or GITHUB_TOKEN is empty",
            "run it for pull_request, with env: GITHUB_TOKEN: ${{ github.token }}",
        )
    mark = f"<!-- xswarm: {key} -->"
    body = f"{mark}\n{redact(text)}"  # by the mark it is found again
    issue = f"/repos/{repository}/issues"
    there = _find(f"{issue}/{number}/comments", mark, token)
    if there:
        made = _ask("PATCH", f"{issue}/comments/{there}", token, {"body": body})
    else:
        made = _ask("POST", f"{issue}/{number}/comments", token, {"body": body})
    return made.read(_Written).html_url


def _pull_request() -> str:
    found = _REF.match(os.environ.get("GITHUB_REF", ""))
    return found[1] if found else ""


def _find(path: str, mark: str, token: Secret) -> int | None:
    """Return the comment that begins with the mark; None: there is none yet."""
    for page in range(1, _PAGES + 1):
        listed = _ask("GET", f"{path}?per_page={_A_PAGE}&page={page}", token).read(list[_Comment])
        for each in listed:
            if (each.body or "").startswith(mark) and _is_trusted(each):
                return each.id
        if len(listed) < _A_PAGE:
            return None
    return None


def _is_trusted(comment: _Comment) -> bool:
    """Return whether a comment is a job's, or of somebody who may write to the repository.

    Anybody may begin one with our mark, and would keep the right to change what we wrote there.
    """
    by_a_job = comment.user is not None and comment.user.type == "Bot"
    return by_a_job or comment.author_association in _OF_THE_HOUSE


def _ask(method: str, path: str, token: Secret, body: dict[str, str] | None = None) -> Reply:
    base = os.environ.get("GITHUB_API_URL") or _API
    headers: Headers = {"Authorization": bearer(token), "Accept": "application/vnd.github+json"}
    github = Http("GitHub", base, headers, timeout=(5.0, _SECONDS), fenced=False)
    try:
        return github.call(method, path, json=body)
    except (ServiceUnavailable, RateLimited) as error:
        raise Unavailable("GitHub did not answer", error.why, "run the job again") from None
    except ServiceError as error:
        raise Refused(
            "GitHub did not take the comment",
            error.why,
            "give the job: permissions: {pull-requests: write}",
        ) from None
