"""The object store with bytes that are all there: what only tests want of it."""

from __future__ import annotations

from typing import Any

from xswarm_twin.objects import store
from xswarm_twin.objects.incoming import Incoming
from xswarm_twin.objects.records import Part, StoredObject


class Objects(store.Objects):
    """Take and give bytes whole."""

    def put(self, bucket: str, key: str, body: bytes | Incoming, **told: Any) -> StoredObject:
        if isinstance(body, Incoming):
            return super().put(bucket, key, body, **told)
        with self.incoming() as gathered:
            gathered.write(body)
            return super().put(bucket, key, gathered, **told)

    def put_part(
        self, bucket: str, key: str, upload: str, number: int, body: bytes | Incoming
    ) -> Part:
        if isinstance(body, Incoming):
            return super().put_part(bucket, key, upload, number, body)
        with self.incoming() as gathered:
            gathered.write(body)
            return super().put_part(bucket, key, upload, number, gathered)

    def read(self, bucket: str, key: str) -> bytes | None:
        opened = self.open(bucket, key)
        if opened is None:
            return None
        with opened[1] as body:
            return body.read()
