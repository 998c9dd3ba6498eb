"""Speech-like sound for simulated synthesizers: deterministic, of a known length, and encoded."""

from __future__ import annotations

import base64
import hashlib
import io

import numpy as np
from numpy.typing import NDArray

SECONDS_PER_CHARACTER = 0.065
EDGE_S = 0.1
"""Near-silence at both ends, as services answer it."""


def spoken(text: str, *, rate: int, voice: str = "", speed: float = 1.0) -> NDArray[np.float32]:
    """A harmonic tone with syllables, mono, shape (n,); the pitch follows from the voice's name."""
    length = max(1, round(len(text) * SECONDS_PER_CHARACTER / speed * rate))
    pitch = 90 + hashlib.sha256(voice.encode()).digest()[0] * 0.6
    t = np.arange(length) / rate
    tone = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 8))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4.0 * t)
    edge = np.random.default_rng(7).normal(0, 1e-4, round(EDGE_S * rate))
    sound = np.concatenate([edge, 0.15 * tone * syllables, edge])
    return np.asarray(sound, np.float32)


def encode(samples: NDArray[np.float32], rate: int, kind: str) -> bytes:
    """``wav``, ``flac``, ``mp3``, ``opus`` (in Ogg), or ``pcm``: bare 16-bit little-endian."""
    if kind == "pcm":
        return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    import soundfile

    container, subtype = {
        "wav": ("WAV", "PCM_16"),
        "flac": ("FLAC", "PCM_16"),
        "mp3": ("MP3", "MPEG_LAYER_III"),
        "opus": ("OGG", "OPUS"),
    }[kind]
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=container, subtype=subtype)
    return target.getvalue()


def decode(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Mono samples, shape (n,), and their rate, of anything soundfile reads."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(samples.mean(axis=1), np.float32), int(rate)


def from_data_url(url: str) -> bytes:
    """The bytes of a base64 data URL; ValueError when it is none."""
    head, _, data = url.partition(",")
    if not head.startswith("data:audio/") or not head.endswith(";base64"):
        raise ValueError("no data URL of audio")
    return base64.b64decode(data, validate=True)
