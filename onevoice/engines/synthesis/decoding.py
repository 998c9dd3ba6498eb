"""Audio as services send it, and as they take it: bytes in, mono samples out, and a WAV back."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np

from onevoice.audio import open_wav
from onevoice.engines.base import Audio
from onevoice.engines.boundary import Garbled

_SHOWN = 80
"""Characters of an answer that is no audio to show: it is often a message in words."""
_SHORTEST_HEAD = 16
_UNKNOWN_LENGTH = 0x7FFF_0000
"""Servers that stream a WAV write something from here up where its length belongs, or 0."""
_BLOCK = 1 << 16


def decode(data: bytes, *, pcm_rate: int | None = None, channels: int = 1) -> tuple[Audio, int]:
    """The samples in the bytes of a WAV, MP3, FLAC or Ogg file, or of bare PCM.

    Parameters
    ----------
    data
        A whole file. A WAV whose header holds no true length, as streaming servers write it, is
        read to its end.
    pcm_rate
        Samples per second of bare 16-bit little-endian PCM; None for a file that says it itself.
    channels
        Channels of bare PCM, interleaved.

    Returns
    -------
    samples : shape (frames,), float32 in -1…1; channels are averaged.
    sample_rate : Hz.

    Raises
    ------
    Garbled
        It is no such file, it is cut short, or there is not one sample in it: worth asking for
        again.
    """
    if pcm_rate is not None:
        return _from_pcm(data, channels), pcm_rate
    if len(data) < _SHORTEST_HEAD:
        raise Garbled(f"no audio but {_shown(data)}")
    samples, rate = _from_file(_with_length(data))
    if not len(samples):
        raise Garbled("audio without a single sample")
    return samples, rate


def pcm_wav(path: Path) -> bytes:
    """An audio file as a 16-bit mono WAV, the form that every service takes.

    Equal audio gives equal bytes. Raises MediaNotFound, MediaUnreadable.
    """
    import soundfile

    with open_wav(path) as file:
        samples = file.read(dtype="float32", always_2d=True).mean(axis=1)
        rate = file.samplerate
    out = io.BytesIO()
    soundfile.write(out, np.clip(samples, -1.0, 1.0), rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


def _from_file(data: bytes) -> tuple[Audio, int]:
    """Mono samples and rate."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format == "MP3":
                return _from_mp3(data)
            blocks: list[Audio] = []
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1, dtype=np.float32))
            rate, promised = int(file.samplerate), int(file.frames)
    except (soundfile.LibsndfileError, EOFError) as exc:
        raise Garbled(f"no audio but {_shown(data)}") from exc
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if len(samples) < promised < _UNKNOWN_LENGTH:
        raise Garbled(f"audio cut short: {len(samples)} of {promised} samples")
    return samples, rate


def _from_mp3(data: bytes) -> tuple[Audio, int]:
    """Mono samples and rate, frame after frame to the end of the data.

    libsndfile believes in a length that it guesses where no header says it, as in every MP3 that
    was streamed: it stops too early or promises too much.
    """
    import av

    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            stream = container.streams.audio[0]
            frames = [frame.to_ndarray().mean(axis=0) for frame in container.decode(stream)]
            rate = int(stream.rate)
    except (av.FFmpegError, IndexError) as exc:
        raise Garbled(f"no audio but {_shown(data)}") from exc
    samples = np.concatenate(frames) if frames else np.zeros(0, np.float32)
    return samples.astype(np.float32, copy=False), rate


def _from_pcm(data: bytes, channels: int) -> Audio:
    if len(data) < 2 * channels or len(data) % (2 * channels):
        raise Garbled(f"{len(data)} bytes, which is no whole number of 16-bit samples")
    if data[:4] == b"RIFF":
        raise Garbled("a WAV file where bare PCM was asked for")
    frames = np.frombuffer(data, "<i2").reshape(-1, channels)
    samples: Audio = frames.mean(axis=1, dtype=np.float32) / np.float32(32768)
    return samples


def _with_length(data: bytes) -> bytes:
    """A WAV whose data chunk says 0 bytes gets the true length (libsndfile would read nothing).

    libsndfile reads a WAV that is cut short as if it were whole: such a one is garbled here.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return data
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"data":
            rest = len(data) - at - 8
            if rest < size < _UNKNOWN_LENGTH:
                raise Garbled(f"audio cut short: {rest} of {size} bytes")
            if size or not rest:
                return data
            return data[: at + 4] + struct.pack("<I", rest) + data[at + 8 :]
        at += 8 + size + size % 2
    return data


def _shown(data: bytes) -> str:
    """What came instead, for the error: its text where it is one, else how many bytes."""
    if not data:
        return "nothing"
    try:
        text = " ".join(data[: 4 * _SHOWN].decode().split())
    except UnicodeDecodeError:
        return f"{len(data)} bytes of something else"
    return repr(text[:_SHOWN]) if text.isprintable() else f"{len(data)} bytes of something else"
