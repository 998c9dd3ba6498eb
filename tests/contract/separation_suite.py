"""What every separator promises, as functions: each engine's contract test calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines.base import CancelToken, Separator
from onevoice.errors import Cancelled, MediaError
from tests.contract import sample

RATE = 48_000
CHANNELS = (1, 2, 6)
LENGTHS = (1, 479, 480, 96_000, 96_001, 97_441)
"""In frames: around a frame of 10 ms, and around blocks of seconds."""
NO_SOUND = (b"", b"this is no sound")


def noise(seconds: float, channels: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (0.1 * rng.standard_normal((round(seconds * RATE), channels))).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def run(engine: Any, mix: Path, folder: Path, progress: Any = sample.ignore) -> tuple[Any, Any]:
    """Separate, and read both results: shape (frames, channels)."""
    speech, bed = folder / "speech.wav", folder / "bed.wav"
    engine.separate(mix, speech=speech, bed=bed, progress=progress)
    return (
        soundfile.read(speech, dtype="float32", always_2d=True)[0],
        soundfile.read(bed, dtype="float32", always_2d=True)[0],
    )


def level(samples: np.ndarray, start: float, end: float) -> float:
    """Mean level in decibels between two times."""
    power = np.mean(samples[round(start * RATE) : round(end * RATE)] ** 2)
    return float(10 * np.log10(power + 1e-12))


def check_is_a_separator(engine: Any) -> None:
    assert isinstance(engine, Separator)
    assert isinstance(engine.separates, bool)


def check_sum_is_the_mix(engine: Any, folder: Path, channels: int) -> None:
    mix = noise(2.5, channels)
    speech, bed = run(engine, write(folder / "mix.wav", mix), folder)
    assert speech.shape == bed.shape == mix.shape
    # One rounding of float32 at an amplitude under 1.
    np.testing.assert_allclose(speech + bed, mix, atol=1e-6)


def check_length_is_kept(engine: Any, folder: Path, frames: int) -> None:
    mix = noise(frames / RATE, 1)
    speech, bed = run(engine, write(folder / "mix.wav", mix), folder)
    assert len(speech) == len(bed) == frames
    np.testing.assert_allclose(speech + bed, mix, atol=1e-6)


def check_silence_stays_silent(engine: Any, folder: Path) -> None:
    mix = np.zeros((RATE, 2), np.float32)
    speech, bed = run(engine, write(folder / "mix.wav", mix), folder)
    assert not np.any(speech)
    assert not np.any(bed)


def check_empty_file(engine: Any, folder: Path) -> None:
    mix = write(folder / "mix.wav", np.zeros((0, 2), np.float32))
    speech, bed = run(engine, mix, folder)
    assert len(speech) == len(bed) == 0


def check_progress(engine: Any, folder: Path) -> None:
    shares: list[float] = []
    run(engine, write(folder / "mix.wav", noise(5, 1)), folder, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 2


def check_cancelling(build: Callable[[CancelToken], Any], folder: Path) -> None:
    """``build`` makes the engine with a token; no result is left of a cancelled run."""
    token = CancelToken()
    mix = write(folder / "mix.wav", noise(6, 1))
    with build(token) as engine, pytest.raises(Cancelled):
        run(engine, mix, folder, lambda share: token.cancel())
    assert not (folder / "speech.wav").exists()
    assert not (folder / "bed.wav").exists()


def check_no_sound(engine: Any, folder: Path, content: bytes) -> None:
    mix = folder / "mix.wav"
    mix.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        run(engine, mix, folder)
    assert caught.value.hint


def check_identity(engine: Any, same: Any, other: Any) -> None:
    """``same`` is built alike; ``other`` with a setting that alters the sound."""
    assert json.loads(json.dumps(engine.identity())) == engine.identity()
    assert same.identity() == engine.identity()
    assert other.identity() != engine.identity()
