"""What is read from the process environment alone, beside the variables of environment files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROCESS: Final[Mapping[str, str]] = {
    "INVOKE_DEPLOY_ENV": "the environment acted on where the line names none",
    "INVOKE_DEPLOY_…": "any setting below `deploy`, by its path",
    "INVOKE_MONITOR_…": "any setting below `monitor`, likewise",
    "DEPLOY_ENV_FILE": "the environment file, in place of deployment/config/ENVIRONMENT.env",
    "NO_COLOR": "no colour, whatever its value (no-color.org)",
    "TERM": "`dumb`: no colour, and no line that replaces another",
    "PYTHONDONTWRITEBYTECODE": "Python keeps nothing that it compiled",
    "PATH": "where git, and programs that keep secrets, are found",
    "PIP_…": "pip's own settings, for a Python Worker's packages",
    "npm_config_…": "npm's own settings, for the installation of wrangler",
    "HTTPS_PROXY": "the way to the services, as requests takes it (also HTTP_PROXY, NO_PROXY)",
    "REQUESTS_CA_BUNDLE": "the certificates that are trusted (also SSL_CERT_FILE, SSL_CERT_DIR)",
    "NODE_EXTRA_CA_CERTS": "those that npm and wrangler trust besides, e.g. of a company's proxy",
    "GITHUB_ACTIONS": "`true`: lines are grouped, and failures become annotations",
    "GITHUB_STEP_SUMMARY": "the file that gets the summary of a step",
    "GITHUB_OUTPUT": "the file that gets `release`, `version` and `url` of a release",
    "GITHUB_TOKEN": "the key by which `deploy.plan --comment` writes its comment",
    "GITHUB_REPOSITORY": "whose pull request gets it",
    "GITHUB_REF": "names the pull request, as refs/pull/NUMBER/merge",
    "GITHUB_API_URL": "GitHub's API; by default https://api.github.com",
    "GITHUB_WORKSPACE": "the top of the checkout: annotations name files from there",
}
"""Name → what it does."""
