"""Find ffmpeg and run it: from an argument list, never through a shell, cancellable."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Protocol

from onevoice.errors import Cancelled, EngineUnavailable

ENCODERS = ("aac", "flac", "libmp3lame", "libopus", "mov_text", "srt", "webvtt")
"""What an ffmpeg must be able to write to be of use."""

DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,gif,image2,jpeg_pipe,matroska,mov,mp3,"
    "mpeg,mpegts,mpegvideo,mxf,ogg,png_pipe,rm,tta,voc,w64,wav,webp_pipe,wv"
)
GUARD = {"protocol_whitelist": "file,pipe", "format_whitelist": DEMUXERS}
"""Only plain media files are opened: a playlist in disguise must not reach other files or hosts."""

_NOISE = re.compile(
    r"^(Conversion failed|Error opening (input|output) files?\b|Error (sending|submitting|while)"
    r"|Nothing was written|Terminating thread|Task finished|Error writing trailer"
    r"|Exiting|Output file is empty|Last message repeated)"
)
_CONTEXT = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\] ?)+")


class Cancellable(Protocol):
    """Anything that knows whether the work is still wanted."""

    @property
    def cancelled(self) -> bool: ...


class FFmpegFailed(Exception):
    """ffmpeg ended with an error; ``line`` is the last thing it said that tells why."""

    def __init__(self, line: str, *, disk_full: bool) -> None:
        super().__init__(line)
        self.line = line
        self.disk_full = disk_full


@cache
def ffmpeg_path() -> str:
    """The system's ffmpeg if it can write every format needed, else the carried one.

    Raises
    ------
    EngineUnavailable
        When there is neither.
    """
    system = shutil.which("ffmpeg")
    if system and _usable(system):
        return system
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as exc:
        raise EngineUnavailable(
            "there is no usable ffmpeg on this machine",
            hint="install it (apt install ffmpeg, brew install ffmpeg), or reinstall "
            "imageio-ffmpeg with pip on a platform that it carries one for",
        ) from exc


@cache
def ffmpeg_version() -> str:
    """The version of the ffmpeg in use, as it names itself, e.g. ``7.1.1``."""
    told = subprocess.run([ffmpeg_path(), "-version"], capture_output=True, check=False).stdout
    found = re.match(rb"ffmpeg version (\S+)", told)
    return found[1].decode(errors="replace") if found else "unknown"


def _usable(program: str) -> bool:
    try:
        told = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    known = {row.split()[1] for row in told.decode(errors="replace").splitlines() if " " in row[1:]}
    return known.issuperset(ENCODERS)


def url(path: Path) -> str:
    """How to name a file to ffmpeg so that no character in it means anything."""
    return f"file:{path.absolute()}"


def give_back_memory() -> None:
    """Hand freed memory back to the system, before a long process of another program.

    glibc keeps what a finished stage freed, tens of MB, as its own; elsewhere nothing happens.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def run(
    arguments: Sequence[str],
    *,
    consume: Callable[[IO[bytes]], None],
    cancel: Cancellable | None = None,
    folder: Path | None = None,
) -> None:
    """Run ffmpeg, in ``folder``; ``consume`` reads its standard output to the end.

    Raises
    ------
    Cancelled
        Within a fifth of a second of ``cancel`` being set; the process is dead by then.
    FFmpegFailed
        When ffmpeg ends with an error.
    """
    command = [ffmpeg_path(), "-hide_banner", "-nostdin", "-loglevel", "error", *arguments]
    told: deque[bytes] = deque(maxlen=60)
    done = threading.Event()
    with subprocess.Popen(
        command,
        cwd=folder,
        # The index of a long film, as it grows, is then moved by the kernel instead of copied by
        # glibc into a heap that never shrinks: 7 MB less for two hours, and not slower.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "262144"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Ctrl-C is for us to handle: ffmpeg would answer it with a short file that looks whole.
        process_group=0 if os.name == "posix" else None,
    ) as process:

        def watch() -> None:
            while cancel is not None and not done.wait(0.1):
                if cancel.cancelled:
                    process.kill()
                    return

        assert process.stdout is not None and process.stderr is not None  # noqa: S101 (both piped)
        helpers = [
            threading.Thread(target=told.extend, args=(process.stderr,), daemon=True),
            threading.Thread(target=watch, daemon=True),
        ]
        for helper in helpers:
            helper.start()
        try:
            consume(process.stdout)
            status = process.wait()
        finally:
            done.set()
            process.kill()
            for helper in helpers:
                helper.join()
    if cancel is not None and cancel.cancelled:
        raise Cancelled("stopped on request", hint="run the same command again to go on")
    if status != 0:
        text = b"".join(told).decode(errors="replace")
        raise FFmpegFailed(
            last_error_line(text) or f"ffmpeg ended with status {status}",
            disk_full="No space left on device" in text or "Disk quota exceeded" in text,
        )


def last_error_line(stderr: str) -> str:
    """The last line that tells a cause, without ffmpeg's addresses and closing remarks."""
    lines = [_CONTEXT.sub("", line.strip()) for line in stderr.splitlines()]
    telling = [line for line in lines if line and not _NOISE.match(line)]
    return (telling or [line for line in lines if line] or [""])[-1]
