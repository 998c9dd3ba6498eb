"""Looking at an untrusted file from a safe distance.

The file is opened by a child process of its own that has little memory, little time, no files to
write, none of our secrets in its environment, and that only opens plain media formats
(:mod:`onevoice.media`). Whatever happens to the child — a crash in a decoder, memory running out,
a loop without end — the file is rejected and nothing else happens.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onevoice.errors import (
    EngineUnavailable,
    MediaError,
    MediaTruncated,
    MediaUnreadable,
    NoAudio,
)
from onevoice.server.videos.inspector import CANNOT_START, HINT, MediaUnusual
from onevoice.server.videos.schemas import Details

MOST_OUTPUT = 1 << 18
_INSPECTOR = "onevoice.server.videos.inspector"
_SAFE_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT")


class MediaTooLong(MediaError):
    """It is longer than may be dubbed."""

    code = "media_too_long"


_KINDS: dict[str, type[MediaError]] = {
    kind.code: kind for kind in (MediaTruncated, MediaUnreadable, MediaUnusual, NoAudio)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confines:
    """What the child may use: bytes of memory, seconds of processor and of wall clock."""

    memory: int = 2 << 30
    processor: int = 120
    wall: float = 300.0
    files: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in a file: its duration in milliseconds, and the rest as JSON."""

    duration_ms: int
    details: dict[str, Any]


async def inspect(
    path: Path, *, max_seconds: float, confines: Confines | None = None
) -> Inspection:
    """Look at ``path`` in a child process.

    Raises
    ------
    MediaError
        It cannot be dubbed; one of its kinds says why, in words for its owner.
    EngineUnavailable
        The child cannot be started: the file was not looked at.
    """
    confines = confines or Confines()
    status, output = await _run(path, confines)
    if status == CANNOT_START:
        raise EngineUnavailable(
            "the inspection of media cannot be started here",
            hint=f"run: {Path(sys.executable).name} -m {_INSPECTOR}",
        )
    found = _read(status, output)
    if found.duration_ms > max_seconds * 1000:
        raise MediaTooLong(
            f"the video is {_minutes(found.duration_ms / 1000)} long, and "
            f"{_minutes(max_seconds)} are allowed",
            hint="cut it into parts, or choose a plan that allows longer videos",
        )
    return found


def _read(status: int | None, output: bytes) -> Inspection:
    """What the child told. It has read a hostile file: nothing it says is taken for granted."""
    try:
        if b"\\u0000" in output:  # the database takes none
            raise ValueError("a NUL character")
        told = json.loads(output)
        if "error" in told:
            code, message, hint = (str(told["error"][key]) for key in ("code", "message", "hint"))
            raise _KINDS.get(code, MediaUnreadable)(message, hint=hint)
        details = Details.model_validate(told["details"], strict=True).model_dump()
        return Inspection(duration_ms=max(1, int(told["duration_ms"])), details=details)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        raise MediaUnreadable(_reason(status), hint=HINT) from None


async def _run(path: Path, confines: Confines) -> tuple[int | None, bytes]:
    """The child's exit status (None when its time was up) and what it printed."""
    child = await asyncio.create_subprocess_exec(
        # -P: nothing beside the file is imported, whatever it is called.
        *(sys.executable, "-P", "-B", "-m", _INSPECTOR),
        *map(str, (path.absolute(), confines.memory, confines.processor, confines.files)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _SAFE_ENVIRONMENT if name in os.environ}
        | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert child.stdout is not None  # noqa: S101 (piped)
    try:
        async with asyncio.timeout(confines.wall):
            output = await child.stdout.read(MOST_OUTPUT)
            while len(output) < MOST_OUTPUT and (more := await child.stdout.read(MOST_OUTPUT)):
                output += more
            if len(output) >= MOST_OUTPUT:
                return None, b""
            return await child.wait(), output
    except TimeoutError:
        return None, b""
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


def _reason(status: int | None) -> str:
    if status is None or status == -signal.SIGXCPU:
        return "the file takes too long to look at"
    return "the file makes the decoder fail"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} s"
