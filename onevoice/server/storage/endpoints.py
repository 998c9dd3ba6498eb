"""The addresses of a local storage: clients PUT parts and GET objects here, as they would at S3.

Not part of the described API: clients follow addresses that they were given.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from onevoice.server.errors import ApiError, Conflict, Forbidden, NotFound, TooLarge
from onevoice.server.storage.base import ObjectMissing, UploadInvalid
from onevoice.server.storage.disposition import attachment
from onevoice.server.storage.local import LocalStorage
from onevoice.server.storage.parts import PartIncomplete, PartTooLarge, PartWriter
from onevoice.server.storage.signed import Grant, TokenInvalid

router = APIRouter(prefix="/storage", include_in_schema=False)

_BUFFER = 1 << 20
"""Bytes that are gathered before a thread writes them."""


def _storage(request: Request) -> LocalStorage:
    return cast(LocalStorage, request.app.state.resources.storage)


Storage = Annotated[LocalStorage, Depends(_storage)]


@router.put("/parts/{token}")
async def put_part(token: str, request: Request, storage: Storage) -> Response:
    """Take one part of an upload; the answer's ETag is its MD5, as S3's is."""
    grant = _open(storage, token, "PUT")
    announced = request.headers.get("content-length", "")
    length = int(announced) if announced.isascii() and announced.isdigit() else None
    if length is not None and length > grant.max_bytes:
        raise TooLarge(
            f"a part may have {grant.max_bytes} bytes at most, this one has {length}",
            hint="split the file into smaller parts",
        )
    try:
        writer = await asyncio.to_thread(storage.part_writer, grant)
    except UploadInvalid as exc:
        raise Conflict(exc.message, hint=exc.hint, code=exc.code) from exc
    with writer:
        etag = await _receive(request, writer, length)
    return Response(headers={"ETag": f'"{etag}"', "X-Content-Type-Options": "nosniff"})


@router.api_route("/objects/{token}", methods=["GET", "HEAD"])
async def get_object(token: str, storage: Storage) -> Response:
    """Send an object, or the ranges of it that are asked for."""
    grant = _open(storage, token, "GET")
    try:
        path = await asyncio.to_thread(storage.file, grant.key)
        stat = await asyncio.to_thread(path.stat)
    except (ObjectMissing, FileNotFoundError) as exc:
        raise NotFound("this file is no longer there", hint="it was deleted") from exc
    version = f"{stat.st_mtime_ns}-{stat.st_size}-{grant.key}".encode()
    headers = {
        "ETag": f'"{hashlib.sha256(version).hexdigest()[:32]}"',
        "Content-Disposition": attachment(grant.filename),
        "X-Content-Type-Options": "nosniff",
        # Were it shown in spite of all: without scripts, and as nobody's page.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-transform",
        # Compression on the way would alter what ranges count.
        "Content-Encoding": "identity",
    }
    return FileResponse(path, headers=headers, media_type=grant.media_type, stat_result=stat)


def _open(storage: LocalStorage, token: str, method: str) -> Grant:
    try:
        grant = storage.open_token(token)
    except TokenInvalid as exc:
        raise Forbidden(exc.message, hint=exc.hint, code=exc.code) from exc
    if grant.method != method:
        raise Forbidden("this address is for something else", code=TokenInvalid.code)
    return grant


async def _receive(request: Request, writer: PartWriter, length: int | None) -> str:
    """Write a body as it comes; a thread does it, so that other requests go on."""
    gathered = bytearray()
    try:
        async for chunk in request.stream():
            gathered += chunk
            if len(gathered) >= _BUFFER:
                await asyncio.to_thread(writer.write, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(writer.write, bytes(gathered))
        return await asyncio.to_thread(writer.finish, announced=length)
    except PartTooLarge as exc:
        raise TooLarge(exc.message, hint=exc.hint) from exc
    except PartIncomplete as exc:
        raise ApiError(exc.message, hint=exc.hint, code=exc.code) from exc
    except ClientDisconnect as exc:
        raise ApiError(
            "the connection ended before the part was whole",
            hint="send the part again",
            code=PartIncomplete.code,
        ) from exc
