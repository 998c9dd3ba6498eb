"""Both storages as tests use them: with a client that follows their addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient

from onevoice.server.problems import install
from onevoice.server.settings import load_settings
from onevoice.server.storage import LocalStorage, Storage
from onevoice.server.storage.endpoints import router
from onevoice.server.storage.s3 import S3Storage
from tests.cloud import Aws

SECRET = b"a secret of the tests, 32 bytes.."
KINDS = ("local", "s3")


@dataclass(frozen=True)
class Place:
    """A storage, and ``request(method, url, **options)`` of a client without any keys."""

    storage: Storage
    request: Callable[..., httpx.Response]


def local_app(storage: LocalStorage) -> FastAPI:
    app = FastAPI()
    install(app)
    app.include_router(router, prefix="/v1")
    app.state.resources = SimpleNamespace(storage=storage)
    return app


@contextmanager
def local_place(folder: Path, **options: Any) -> Iterator[Place]:
    storage = LocalStorage(folder / "storage", SECRET, "http://testserver", **options)
    with TestClient(local_app(storage)) as client:
        yield Place(storage, client.request)


@contextmanager
def s3_place(cloud: Aws, *, endpoint: str = "", **options: Any) -> Iterator[Place]:
    settings = load_settings(**cloud.settings(endpoint), **options)
    with httpx.Client() as client:
        yield Place(S3Storage(settings), client.request)
