"""Downloads of models: over http(s), tried again, gone on with where they stopped."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from onevoice.engines import boundary
from onevoice.engines.assets.released import NAMES
from onevoice.engines.base import Runtime
from onevoice.errors import AssetMissing, EngineError

T = TypeVar("T")

_SERVICE = boundary.Service(
    name="the model server",
    broken=(urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError),
)
_CHUNK = 1 << 18


def read_json(runtime: Runtime, url: str, name: str) -> dict[str, Any]:
    """A JSON object that is asked for because of the model ``name``. Raises AssetMissing."""

    def send() -> Any:
        with _open(url, {}, runtime) as answer:
            return json.loads(answer.read())

    found = _call(runtime, send, name)
    if not isinstance(found, dict):
        raise unreachable(name, f"{url} holds no catalogue")
    return found


def download(runtime: Runtime, url: str, size: int, partial: Path, name: str) -> None:
    """Read a file of ``size`` bytes into ``partial``, or the rest of it where it is begun.

    Raises
    ------
    AssetMissing
        It is not to be had; what came of it stays in ``partial``.
    OSError
        It cannot be written.
    """
    _call(runtime, lambda: _append(runtime, url, size, partial), name)


def _append(runtime: Runtime, url: str, size: int, partial: Path) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if have == size:
        return
    headers = {"Range": f"bytes={have}-"} if 0 < have < size else {}
    with _open(url, headers, runtime) as answer:
        going_on = answer.status == 206
        have = have if going_on else 0
        with partial.open("ab" if going_on else "wb") as out:
            while have <= size and (chunk := answer.read(_CHUNK)):
                runtime.cancel.check()
                have += out.write(chunk)
    if have < size:
        raise ConnectionError(f"it ended after {have} of {size} bytes")


def _open(url: str, headers: dict[str, str], runtime: Runtime) -> Any:
    if not url.startswith(("https://", "http://")):
        raise AssetMissing(
            f"{url!r} is no address of a model server",
            hint="set translation.firefox.base_url to one that begins with https://",
        )
    asked = urllib.request.Request(url, headers={"User-Agent": "onevoice", **headers})  # noqa: S310 - http(s), see above
    try:
        return urllib.request.urlopen(asked, timeout=runtime.timeout)  # noqa: S310 - the same
    except urllib.error.HTTPError as exc:
        exc.close()
        raise


def _call(runtime: Runtime, send: Callable[[], T], name: str) -> T:
    try:
        return boundary.request(_SERVICE, send, runtime=runtime, what=f"a request for {name}")
    except AssetMissing:
        raise
    except EngineError as exc:
        raise unreachable(name, exc.message) from exc


def unreachable(name: str, why: str) -> AssetMissing:
    """The error for a model that is not here, with each way to get it."""
    return AssetMissing(
        f"the translation model {name} is not here, and cannot be downloaded: {why}",
        hint="go online, and run again: what was downloaded is kept — or: put "
        f"{NAMES['model']}, {NAMES['lex']} and {NAMES['vocab']} into a folder {name}/ and "
        "point ONEVOICE_ASSETS_DIR above it — or: --set translation.engine=llama",
    )
