from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from xswarm_deploy import sbom
from xswarm_deploy.errors import Refused

PROJECT = Path(__file__).parents[1]


def test_every_package_stands_in_it_with_its_hash() -> None:
    found = {each["purl"]: each for each in sbom.document(PROJECT)["components"]}
    assert any(purl.startswith("pkg:npm/wrangler@") for purl in found)
    assert any(purl.startswith("pkg:pypi/ecdsa@") for purl in found)
    assert all(each["hashes"] for each in found.values())
    (invoke,) = (each for purl, each in found.items() if purl.startswith("pkg:pypi/invoke@"))
    assert "BSD" in invoke["licenses"][0]["license"]["name"]


def test_a_package_without_a_hash_is_refused(tmp_path: Path) -> None:
    for name in (*sbom.PINNED, "package-lock.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "worker/requirements.txt").write_text("six==1.17.0\n")
    with pytest.raises(Refused, match="a package has no hash"):
        sbom.document(tmp_path)
