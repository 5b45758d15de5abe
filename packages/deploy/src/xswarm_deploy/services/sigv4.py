"""AWS Signature Version 4, as far as R2's S3 API needs it.

botocore signs as well, but costs 14 MB and 0.2 s of import for these lines; the tests
judge them by it. Source: AWS General Reference, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from xswarm_deploy.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Signer:
    """Sign requests to one service.

    Args:
        access_key: the key's id.
        secret_key: the key.
        region: ``auto`` for R2.
        service: ``s3``.
    """

    access_key: Secret
    secret_key: Secret
    region: str = "auto"
    service: str = "s3"

    def headers(
        self, method: str, host: str, path: str, query: Mapping[str, str], body: bytes, now: float
    ) -> dict[str, str]:
        """Return the headers that make a request a signed one.

        Args:
            method: the HTTP method.
            host: host and port as in the URL.
            path: the path, quoted by :func:`quoted_path`.
            query: parameters, not quoted; sent as :func:`quoted_query` gives them.
            body: the content.
            now: seconds since 1970.
        """
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        names = ";".join(signed)
        canonical = "\n".join((method, path, quoted_query(query), lines, names, digest))
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        signature = _hmac(self._key(scope), f"{ALGORITHM}\n{moment}\n{scope}\n{hashed}").hex()
        credential = f"{self.access_key.reveal()}/{scope}"
        return {
            "X-Amz-Content-SHA256": digest,
            "X-Amz-Date": moment,
            "Authorization": f"{ALGORITHM} Credential={credential}, "
            f"SignedHeaders={names}, Signature={signature}",
        }

    def _key(self, scope: str) -> bytes:
        key = f"AWS4{self.secret_key.reveal()}".encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        return key


def quoted_path(path: str) -> str:
    """Quote a path as S3 signs it: everything but letters, digits, ``-._~`` and ``/``."""
    return quote(path, safe="/~")


def quoted_query(query: Mapping[str, str]) -> str:
    """Return a query string as it is signed: quoted, sorted."""
    pairs = sorted((quote(key, safe="~"), quote(value, safe="~")) for key, value in query.items())
    return "&".join(f"{key}={value}" for key, value in pairs)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
