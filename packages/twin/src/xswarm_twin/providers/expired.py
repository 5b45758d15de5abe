"""An address whose certificate has expired, for a game day: nobody who checks it gets in."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from xswarm_twin.address import HOST


class Expired:
    """Listen on a port of its own, from the first time that somebody asks for it."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None

    async def url(self) -> str:
        """Return the address; a handshake with it ends in the client's refusal."""
        if self._server is None:
            self._server = await asyncio.start_server(_hang_up, HOST, 0, ssl=context())
        port = self._server.sockets[0].getsockname()[1]
        return f"https://{HOST}:{port}"

    def close(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def context() -> ssl.SSLContext:
    """Return a server's TLS settings with a certificate that ended yesterday."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="certificate-") as folder:
        file = Path(folder) / "expired.pem"
        file.touch(mode=0o600)
        file.write_bytes(_certificate(datetime.now(UTC)))
        made.load_cert_chain(file)
    return made


def _certificate(now: datetime) -> bytes:
    """Make key and certificate, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
