"""The static assets of a Worker: a session says which files are missing; they are uploaded."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import ServiceUnavailable
from xswarm_deploy.services.files import StaticFile
from xswarm_deploy.services.http import Files, Http, bearer
from xswarm_deploy.services.progress import Progress, silent

UPLOADS_AT_ONCE = 3


class Assets:
    """Upload what a Worker's version serves as files.

    Args:
        http: the way to the API.
        account: the account's path, ``/accounts/{id}``.
    """

    def __init__(self, http: Http, account: str) -> None:
        self._http = http
        self._account = account

    def upload(
        self,
        worker: str,
        files: Sequence[StaticFile],
        progress: Progress = silent,
    ) -> Secret:
        """Upload the missing files; return the token that a version names them by.

        Args:
            worker: the Worker's name.
            files: all files of the version; each travels once, by its hash.
            progress: told how many files of how many are there.
        """
        opened, buckets = self._session(worker, files)
        by_hash = {file.hash: file for file in files}
        total = len(by_hash)
        done = total - sum(map(len, buckets))
        progress(done, total)
        completed = None if buckets else opened
        with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            chosen = [[by_hash[digest] for digest in bucket] for bucket in buckets]
            for bucket, token in zip(
                chosen, pool.map(lambda part: self._send(part, opened), chosen), strict=True
            ):
                completed = token or completed
                done += len(bucket)
                progress(done, total)
        if completed is None:
            call = f"POST {self._account}/workers/assets/upload"
            raise ServiceUnavailable("Cloudflare", call, message="no token ended the upload")
        return completed

    def _session(self, worker: str, files: Sequence[StaticFile]) -> tuple[Secret, list[list[str]]]:
        manifest = {file.path: {"hash": file.hash, "size": file.size} for file in files}
        path = f"{self._account}/workers/scripts/{quote(worker, safe='')}/assets-upload-session"
        opened = unwrap(self._http.post(path, json={"manifest": manifest}, safe=True))
        return Secret(opened["jwt"], "assets upload token"), opened.get("buckets") or []

    def _send(self, bucket: Sequence[StaticFile], session: Secret) -> Secret | None:
        parts: Files = [
            (
                file.hash,
                (file.hash, base64.b64encode(file.file.read_bytes()), _served_type(file)),
            )
            for file in bucket
        ]
        reply = self._http.post(
            f"{self._account}/workers/assets/upload",
            query={"base64": "true"},
            files=parts,
            headers={"Authorization": bearer(session)},
            safe=True,  # files are named by their content
            budget=180,
        )
        token = (unwrap(reply) or {}).get("jwt")
        return Secret(token, "assets upload token") if token else None


def _served_type(file: StaticFile) -> str:
    """Return the Content-Type of the answers; ``application/null`` means none."""
    if file.media_type == "application/octet-stream":
        return "application/null"
    return (
        f"{file.media_type}; charset=utf-8"
        if file.media_type.startswith("text/")
        else file.media_type
    )
