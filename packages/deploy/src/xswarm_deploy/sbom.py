"""The packages this project is made of, as a CycloneDX 1.5 document."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.errors import Refused

PINNED: Final = (
    "requirements.txt",
    "requirements-sandbox.txt",
    "requirements-test.txt",
    "worker/requirements.txt",
)
_PACKAGE: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def document(root: Path) -> dict[str, Any]:
    """Return all packages that are pinned, with their hashes and licences.

    Args:
        root: the project's folder.

    Raises:
        Refused: a package is pinned without a hash.
    """
    found = [*_python(root), *_npm(root / "package-lock.json")]
    bare = sorted(each["purl"] for each in found if not each["hashes"])
    if bare:
        raise Refused("a package has no hash", ", ".join(bare[:5]), "inv tools.lock")
    unique = {each["purl"]: each for each in found}
    components = [unique[purl] for purl in sorted(unique)]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}


def _python(root: Path) -> Iterator[dict[str, Any]]:
    for name in PINNED:
        text = (root / name).read_text(encoding="utf-8")
        starts = [*_PACKAGE.finditer(text)]
        ends = [found.start() for found in starts[1:]] + [len(text)]
        for found, end in zip(starts, ends, strict=True):
            hashes = [("SHA-256", value) for value in _HASH.findall(text[found.end() : end])]
            package, version = found[1].lower(), found[2]
            purl = f"pkg:pypi/{package}@{version}"
            yield _component(purl, package, version, hashes, _licence(package))


def _npm(lock: Path) -> Iterator[dict[str, Any]]:
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    for place, told in packages.items():
        if not place:
            continue  # the project itself
        name = place.rpartition("node_modules/")[2]
        algorithm, _, value = str(told.get("integrity", "")).partition("-")
        hashes = [(algorithm.upper().replace("SHA", "SHA-"), base64.b64decode(value).hex())]
        purl = f"pkg:npm/{name.replace('@', '%40')}@{told['version']}"
        licence = str(told.get("license", ""))
        yield _component(purl, name, told["version"], hashes if value else [], licence)


def _component(
    purl: str, name: str, version: str, hashes: list[tuple[str, str]], licence: str
) -> dict[str, Any]:
    told = [{"license": {"name": licence}}] if licence else []
    listed = [{"alg": algorithm, "content": value} for algorithm, value in hashes]
    made = {"type": "library", "name": name, "version": version, "purl": purl, "hashes": listed}
    return made | ({"licenses": told} if told else {})


def _licence(package: str) -> str:
    """Return what an installed package says of its licence; empty where it is not installed."""
    try:
        said = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return ""
    classifiers = [c for c in said.get_all("Classifier") or () if c.startswith("License ::")]
    told = [*(said.get_all("License-Expression") or ()), *classifiers, ""][0]
    return str(told).rpartition(" :: ")[2]
