"""Float WAV files: read by libsndfile, written here.

libsndfile stamps the time of writing into every float WAV (its PEAK chunk), so that equal audio
gives unequal files. Content-addressed results need equal bytes, hence the writer below.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np

from onevoice.audio.levels import Audio, as_frames, default_mask
from onevoice.errors import MediaNotFound, MediaUnreadable, OutputError

if TYPE_CHECKING:
    from soundfile import SoundFile
else:
    SoundFile = Any

_EXTENSIBLE = 0xFFFE
_FLOAT_GUID = bytes.fromhex("0300000000001000800000aa00389b71")
_WAV_LIMIT = 0xFFFFFFFF - 4096
BLOCK_SECONDS = 1.0


def open_wav(path: Path) -> SoundFile:
    """Open an audio file for reading. Raises MediaNotFound, MediaUnreadable."""
    import soundfile

    if not path.is_file():
        raise MediaNotFound(f"no such audio file: {path}", hint="run the stage that makes it again")
    try:
        return soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, OSError) as exc:
        raise MediaUnreadable(
            f"cannot read the audio in {path}: {exc}", hint="run the stage that makes it again"
        ) from exc


def wav_blocks(wav: SoundFile, frames: int | None = None) -> Iterator[Audio]:
    """Read on in blocks of about a second, shape (n, channels); each block is overwritten."""
    size = round(wav.samplerate * BLOCK_SECONDS) if frames is None else frames
    buffer = np.empty((size, wav.channels), np.float32)
    while len(block := wav.read(out=buffer)):
        yield block


def channel_mask(path: Path, channels: int) -> int:
    """Speaker mask in the header of a WAV file, or the usual one for its number of channels."""
    try:
        with path.open("rb") as file:
            if file.read(12)[8:] == b"WAVE":
                while len(head := file.read(8)) == 8 and head[:4] != b"data":
                    size = struct.unpack("<I", head[4:])[0]
                    body = file.read(size + size % 2)
                    if head[:4] == b"fmt " and len(body) >= 24 and body[:2] == b"\xfe\xff":
                        mask = int(struct.unpack("<I", body[20:24])[0])
                        return mask if mask.bit_count() == channels else default_mask(channels)
    except OSError as exc:
        raise MediaUnreadable(
            f"cannot read {path}: {exc}", hint="run the stage that makes it again"
        ) from exc
    return default_mask(channels)


def _header(rate: int, channels: int, frames: int, mask: int, limit: int) -> bytes:
    align = 4 * channels
    size = frames * align
    fmt = struct.pack(
        "<4sIHHIIHHHHI16s",
        *(b"fmt ", 40, _EXTENSIBLE, channels, rate, rate * align, align, 32),
        *(22, 32, mask, _FLOAT_GUID),
    )
    fact = struct.pack("<4sII", b"fact", 4, min(frames, 0xFFFFFFFF))
    riff = 4 + len(fmt) + len(fact) + 8 + size
    if size <= limit:
        riff_chunk = struct.pack("<4sI4s", b"RIFF", riff, b"WAVE")
        return riff_chunk + fmt + fact + struct.pack("<4sI", b"data", size)
    # EBU Tech 3306: the sizes that do not fit 32 bits stand in a ds64 chunk.
    riff_chunk = struct.pack("<4sI4s", b"RF64", 0xFFFFFFFF, b"WAVE")
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, riff + 36, size, frames, 0)
    return riff_chunk + ds64 + fmt + fact + struct.pack("<4sI", b"data", 0xFFFFFFFF)


def _refusal(path: Path, exc: OSError) -> OutputError:
    # media reads and writes WAVs with this module, so it cannot be imported before it.
    from onevoice.media.files import output_error

    return output_error(path, exc)


class FloatWavWriter:
    """Writes a float32 WAV of a known length; RF64 where it passes 4 GB.

    The file appears under its name only when it is complete. Raises DiskFull, OutputUnwritable.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        channels: int,
        frames: int,
        mask: int | None = None,
        limit: int = _WAV_LIMIT,
    ) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._left = frames
        mask = default_mask(channels) if mask is None else mask
        try:
            self._file: BinaryIO = self._part.open("wb")
            self._file.write(_header(sample_rate, channels, frames, mask, limit))
        except OSError as exc:
            raise _refusal(path, exc) from exc

    def write(self, x: Audio) -> None:
        """Append a block, shape (frames,) or (frames, channels)."""
        block = np.ascontiguousarray(as_frames(x), "<f4")
        self._left -= len(block)
        try:
            self._file.write(block.data)
        except OSError as exc:
            raise _refusal(self._path, exc) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
            if kind is None:
                if self._left:
                    raise ValueError(
                        f"{self._path}: {self._left} frames short of what was promised"
                    )
                self._part.replace(self._path)
        except OSError as error:
            raise _refusal(self._path, error) from error
        finally:
            self._part.unlink(missing_ok=True)
