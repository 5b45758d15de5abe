"""The static assets of a Worker: a session says which files are missing; they are uploaded."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, cast
from urllib.parse import quote

from xswarm_deploy.secret import Secret
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import Invalid, NotFound, ServiceUnavailable
from xswarm_deploy.services.files import StaticFile
from xswarm_deploy.services.http import Files, Http, bearer
from xswarm_deploy.services.progress import Progress, Uploads, silent
from xswarm_deploy.services.shape import Wire
from xswarm_deploy.services.uploading import Round, send_all, until_complete


class _Opened(Wire):
    jwt: str
    buckets: tuple[tuple[str, ...], ...] | None = None


class _Uploaded(Wire):
    jwt: str | None = None


_MAYBE_UPLOADED = cast("type[_Uploaded | None]", _Uploaded | None)


class _Session(NamedTuple):
    token: Secret
    buckets: tuple[tuple[str, ...], ...]


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

        A session names its buckets. When one is lost, a new session names what is missing then.

        Args:
            worker: the Worker's name.
            files: all files of the version; each travels once, by its hash.
            progress: told how many bytes of how many are there.
        """
        by_hash = {file.hash: file for file in files}
        ended_by: list[Secret] = []

        def one_round() -> Round:
            session = self._session(worker, files)
            if not session.buckets:
                ended_by.append(session.token)
            return self._sent(session, by_hash, progress, ended_by)

        until_complete(one_round)
        if not ended_by:
            call = f"POST {self._account}/workers/assets/upload"
            raise ServiceUnavailable("Cloudflare", call, message="no token ended the upload")
        return ended_by[-1]

    def require_permission(self, worker: str) -> None:
        """Raise where the token may not change Workers: ask for a session of no file.

        It changes nothing. Who may do it is looked at before what is asked for, so that any
        other refusal tells that the token may.

        Raises:
            Forbidden: the token may read alone.
        """
        with suppress(Invalid, NotFound):
            self._session(worker, ())

    def _session(self, worker: str, files: Sequence[StaticFile]) -> _Session:
        manifest = {file.path: {"hash": file.hash, "size": file.size} for file in files}
        path = f"{self._account}/workers/scripts/{quote(worker, safe='')}/assets-upload-session"
        reply = self._http.post(path, json={"manifest": manifest}, safe=True)
        opened = unwrap(reply, _Opened)
        known = {file.hash for file in files}
        buckets = opened.buckets or ()
        if not all(digest in known for bucket in buckets for digest in bucket):
            raise reply.unexpected("it asks for files that are not in the manifest")
        return _Session(Secret(opened.jwt, "assets upload token"), buckets)

    def _sent(
        self,
        session: _Session,
        by_hash: Mapping[str, StaticFile],
        progress: Progress,
        ended_by: list[Secret],
    ) -> Round:
        """Send the buckets of a session; the last one's answer holds the token that ends it."""
        missing = {digest for bucket in session.buckets for digest in bucket}
        total = sum(file.size for file in by_hash.values())
        done = total - sum(by_hash[digest].size for digest in missing)
        progress(done, total)
        uploads = Uploads(total, progress, done, self._http.clock.monotonic)
        left = deque([by_hash[digest] for digest in bucket] for bucket in session.buckets)

        def take() -> Sequence[StaticFile] | None:
            try:
                return left.popleft()
            except IndexError:
                return None

        def send(bucket: Sequence[StaticFile]) -> None:
            token = self._send(bucket, session.token, uploads)
            if token:
                ended_by.append(token)

        return send_all(take, send)

    def _send(
        self, bucket: Sequence[StaticFile], session: Secret, uploads: Uploads
    ) -> Secret | None:
        parts: Files = [
            (
                file.hash,
                (file.hash, base64.b64encode(file.file.read_bytes()), _served_type(file)),
            )
            for file in bucket
        ]
        body = sum(len(content) for _, (_, content, _) in parts)
        sent = uploads.part(sum(file.size for file in bucket), body)
        reply = self._http.post(
            f"{self._account}/workers/assets/upload",
            query={"base64": "true"},
            files=parts,
            headers={"Authorization": bearer(session)},
            safe=True,  # files are named by their content
            budget=180,
            sent=sent,
        )
        sent(body)
        token = (unwrap(reply, _MAYBE_UPLOADED) or _Uploaded()).jwt
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
