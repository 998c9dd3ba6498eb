"""Where media and artifacts lie: a bucket of S3 when hosted, else a folder."""

from __future__ import annotations

from onevoice.server.settings import ServerSettings
from onevoice.server.storage.base import (
    ObjectMissing,
    Part,
    Storage,
    StorageError,
    StorageUnavailable,
    StoredObject,
    UploadInvalid,
)
from onevoice.server.storage.local import LocalStorage

__all__ = [
    "LocalStorage",
    "ObjectMissing",
    "Part",
    "Storage",
    "StorageError",
    "StorageUnavailable",
    "StoredObject",
    "UploadInvalid",
    "make_storage",
]


def make_storage(settings: ServerSettings, secret: bytes) -> Storage:
    """The storage that the settings name; ``secret`` signs the addresses of a local one."""
    if settings.s3_bucket:
        from onevoice.server.storage.s3 import S3Storage  # boto3 takes a while to import

        return S3Storage(settings)
    return LocalStorage(
        settings.data_dir / "storage", secret, settings.public_url, part_bytes=settings.part_size
    )
