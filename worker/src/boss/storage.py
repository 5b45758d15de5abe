"""Files in R2, through the Worker's bucket binding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Stored:
    """A file read back: its bytes and its media type."""

    body: bytes
    media_type: str


class Storage:
    """Read and write the bucket.

    Args:
        environment: the Worker's environment; its binding is looked up when first needed.
    """

    def __init__(self, environment: Any) -> None:
        self._environment = environment

    @property
    def _bucket(self) -> Any:
        return self._environment.R2_BUCKET

    async def put(self, key: str, body: bytes, media_type: str) -> None:
        """Store a file under a key, over what was there.

        Args:
            key: the name in the bucket, its folders by ``/``.
            body: the bytes.
            media_type: given back with them.
        """
        await self._bucket.put(key, body, httpMetadata={"contentType": media_type})

    async def get(self, key: str) -> Stored | None:
        """Return a file, or None when there is none."""
        found = await self._bucket.get(key)
        if found is None:
            return None
        media_type = getattr(found.httpMetadata, "contentType", None)
        body = bytes(await found.arrayBuffer())
        return Stored(body, str(media_type or "application/octet-stream"))

    async def delete(self, key: str) -> None:
        """Remove a file; one that is not there is no error."""
        await self._bucket.delete(key)

    async def check(self) -> None:
        """Ask the bucket anything, to see that it answers."""
        await self._bucket.head("health")
