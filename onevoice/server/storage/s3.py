"""Objects in a bucket of S3, or of a service that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from onevoice.server.settings import ServerSettings
from onevoice.server.storage.base import (
    ANY_TYPE,
    ObjectMissing,
    Part,
    StorageUnavailable,
    StoredObject,
    UploadInvalid,
    check_key,
    check_number,
    check_parts,
    disk_errors,
    folder_prefix,
    whole_file,
)
from onevoice.server.storage.disposition import attachment
from onevoice.server.storage.s3_errors import code_of, reason, translated

_AT_ONCE = 16 << 20
"""Files up to this size travel in one request."""
_ATTEMPTS = 5
_MAX_URL_SECONDS = 7 * 86400
_CUT = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class S3Storage:
    """The bucket ``s3_bucket``; below ``s3_prefix`` if there is one.

    Encryption is the bucket's default. Content is checked on its way: uploads carry a CRC-32 that
    S3 verifies, downloads are compared with theirs.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._bucket = settings.s3_bucket
        self._prefix = (
            folder_prefix(settings.s3_prefix.strip("/")) if settings.s3_prefix.strip("/") else ""
        )
        self._region = settings.aws_region
        self._endpoint = settings.aws_endpoint_url
        self._client = self._connect()
        self._transfer = TransferConfig(
            multipart_threshold=_AT_ONCE, multipart_chunksize=_AT_ONCE, max_concurrency=4
        )

    def _connect(self, **options: Any) -> Any:
        given: dict[str, Any] = {
            "connect_timeout": 5,
            "read_timeout": 60,
            "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
        }
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if self._endpoint else "virtual"},
            max_pool_connections=32,
            # Parts that clients PUT themselves carry no checksum: an upload that was begun with
            # one could not be completed. Our own uploads ask for theirs.
            request_checksum_calculation="when_required",
            **(given | options),
        )
        session = boto3.session.Session(region_name=self._region)
        return session.client("s3", endpoint_url=self._endpoint or None, config=config)

    # -- whole objects -----------------------------------------------------------------------

    def put_file(self, key: str, path: Path, *, media_type: str = ANY_TYPE) -> StoredObject:
        with disk_errors(key):
            if path.stat().st_size <= _AT_ONCE:
                return self.put_bytes(key, path.read_bytes(), media_type=media_type)
        extra = {"ContentType": media_type, "ChecksumAlgorithm": "CRC32", **_tagged(key)}
        with disk_errors(key), translated(key):
            self._client.upload_file(
                str(path), self._bucket, self._at(key), ExtraArgs=extra, Config=self._transfer
            )
        return self._known(key)

    def put_bytes(self, key: str, data: bytes, *, media_type: str = ANY_TYPE) -> StoredObject:
        with translated(key):
            answer = self._client.put_object(
                **self._named(key),
                Body=data,
                ContentType=media_type,
                ChecksumAlgorithm="CRC32",
                **_tagged(key),
            )
        return StoredObject(key=key, size=len(data), etag=_bare(answer["ETag"]))

    def get_file(self, key: str, path: Path) -> None:
        with whole_file(path) as temporary:
            data = self._read(key, most=_AT_ONCE)
            if data is not None:
                temporary.write_bytes(data)
                return
            with translated(key):
                self._client.download_file(
                    self._bucket, self._at(key), str(temporary), Config=self._transfer
                )

    def get_bytes(self, key: str) -> bytes:
        data = self._read(key)
        assert data is not None  # noqa: S101 - without a limit there is always an answer
        return data

    def head(self, key: str) -> StoredObject | None:
        try:
            with translated(key):
                answer = self._client.head_object(**self._named(key))
        except ObjectMissing:
            return None
        return StoredObject(key=key, size=answer["ContentLength"], etag=_bare(answer["ETag"]))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        where = {"Bucket": self._bucket, "Prefix": self._prefix + folder_prefix(prefix)}
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(**where))
        while True:
            with translated(prefix):
                page = next(pages, None)
            if page is None:
                return
            for row in page.get("Contents", ()):
                key = row["Key"].removeprefix(self._prefix)
                yield StoredObject(key=key, size=row["Size"], etag=_bare(row["ETag"]))

    def delete(self, key: str) -> None:
        with translated(key):
            self._client.delete_object(**self._named(key))

    def delete_prefix(self, prefix: str) -> int:
        keys = [found.key for found in self.list(prefix)]
        for first in range(0, len(keys), 1000):
            rows = [{"Key": self._at(key)} for key in keys[first : first + 1000]]
            with translated(prefix):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": rows, "Quiet": True}
                )
            if failed := answer.get("Errors"):
                raise StorageUnavailable(
                    f"{len(failed)} objects in {prefix!r} could not be deleted "
                    f"({failed[0].get('Code', 'no reason given')})",
                    hint="try again: what is deleted stays deleted",
                )
        return len(keys)

    # -- uploads and downloads of clients ----------------------------------------------------

    def start_upload(self, key: str, *, media_type: str = ANY_TYPE) -> str:
        with translated(key):
            answer = self._client.create_multipart_upload(
                **self._named(key), ContentType=media_type
            )
        return str(answer["UploadId"])

    def part_url(
        self, key: str, upload_id: str, number: int, *, seconds: int, size: int | None = None
    ) -> str:
        what: dict[str, Any] = {"UploadId": upload_id, "PartNumber": check_number(number)}
        if size is not None:
            what["ContentLength"] = size  # signed as a header: S3 refuses any other
        return self._sign("upload_part", self._named(key) | what, seconds)

    def complete_upload(self, key: str, upload_id: str, parts: Sequence[Part]) -> StoredObject:
        ordered = check_parts(key, parts)
        rows = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in ordered]
        try:
            with translated(key):
                self._client.complete_multipart_upload(
                    **self._named(key), UploadId=upload_id, MultipartUpload={"Parts": rows}
                )
        except UploadInvalid as exc:
            # The answer to a first try may have been lost: then the upload is no more, and the
            # object is there. How many parts it has is all that its ETag says when encrypted.
            done = self.head(key) if code_of(exc.__cause__) == "NoSuchUpload" else None
            if done is None or not done.etag.endswith(f"-{len(ordered)}"):
                raise
            return done
        return self._known(key)

    def abort_upload(self, key: str, upload_id: str) -> None:
        try:
            with translated(key):
                self._client.abort_multipart_upload(**self._named(key), UploadId=upload_id)
        except UploadInvalid:
            return

    def download_url(
        self, key: str, *, seconds: int, filename: str, media_type: str = ANY_TYPE
    ) -> str:
        what = {
            "ResponseContentDisposition": attachment(filename),
            "ResponseContentType": media_type,
        }
        return self._sign("get_object", self._named(key) | what, seconds)

    # -- upkeep ------------------------------------------------------------------------------

    def check(self) -> None:
        try:
            self._prober.head_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as exc:
            raise StorageUnavailable(
                f"the bucket {self._bucket} does not answer: {reason(exc)}",
                hint="see that it exists and that the server's role may list it",
            ) from exc

    @cached_property
    def _prober(self) -> Any:
        """For ``check``, which must not wait as long as work may."""
        once = {"mode": "standard", "total_max_attempts": 1}
        return self._connect(connect_timeout=2, read_timeout=3, retries=once)

    # -- inner workings ----------------------------------------------------------------------

    def _at(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _named(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._at(key)}

    def _known(self, key: str) -> StoredObject:
        found = self.head(key)
        if found is None:
            raise ObjectMissing(key)
        return found

    def _read(self, key: str, *, most: int | None = None) -> bytes | None:
        """The content; None if it is longer than ``most``. A cut answer is asked for again."""
        for attempt in range(1, _ATTEMPTS + 1):
            with translated(key):
                answer = self._client.get_object(**self._named(key))
                with closing(answer["Body"]) as body:
                    if most is not None and answer["ContentLength"] > most:
                        return None
                    try:
                        return bytes(body.read())
                    except _CUT:
                        if attempt == _ATTEMPTS:
                            raise
        raise AssertionError("the last attempt returns or raises")

    def _sign(self, operation: str, params: Mapping[str, Any], seconds: int) -> str:
        with translated(params["Key"]):
            url: str = self._client.generate_presigned_url(
                operation, Params=params, ExpiresIn=max(1, min(seconds, _MAX_URL_SECONDS))
            )
        return url


def _tagged(key: str) -> dict[str, str]:
    """Artifacts lie below each video: it takes a tag for one rule of the lifecycle to end them."""
    return {"Tagging": "onevoice=artifact"} if "/artifacts/" in key else {}


def _bare(etag: str) -> str:
    return etag.strip('"')
