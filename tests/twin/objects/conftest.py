"""What the object store's tests share: a store, and its S3 face with a real boto3 client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.twin.objects.whole import Objects
from xswarm_twin.objects.s3 import S3
from xswarm_twin.objects.signature import Keys

KEYS = Keys("AKLOCAL", "a/secret+key")


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    store = Objects(tmp_path / "objects")
    store.create_bucket("files")
    yield store
    store.close()


@pytest.fixture
def endpoint(objects: Objects) -> Iterator[str]:
    """Serve the store by S3's API in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    face = S3(objects, KEYS)
    port = asyncio.run_coroutine_threadsafe(face.listen(0), loop).result(60)
    yield f"http://127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(face.close(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def connect(endpoint: str) -> Iterator[Callable[..., Any]]:
    """Return what makes a boto3 client, with the right keys unless told otherwise."""
    import boto3
    from botocore.config import Config

    clients: list[Any] = []

    def connect(keys: Keys = KEYS, **config: Any) -> Any:
        config.setdefault("s3", {"addressing_style": "path"})
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="auto",
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            config=Config(retries={"max_attempts": 1}, signature_version="s3v4", **config),
        )
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def s3(connect: Callable[..., Any]) -> Any:
    return connect()
