"""What every separator keeps: length, channels, and speech + bed = mix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from onevoice.engines import registry
from onevoice.engines.base import CancelToken, Separator
from onevoice.errors import Cancelled, MediaError
from tests.contract import sample

RATE = 48_000
ENGINES = [
    pytest.param("none", id="none"),
    pytest.param("deepfilter", id="deepfilter", marks=pytest.mark.models),
]


def create(name: str, cancel: CancelToken | None = None) -> Any:
    return registry.create("separation", name, {}, sample.runtime(cancel))


@pytest.fixture(params=ENGINES)
def separator(request: pytest.FixtureRequest) -> Iterator[Any]:
    with create(request.param) as engine:
        yield engine


def noise(seconds: float, channels: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (0.1 * rng.standard_normal((round(seconds * RATE), channels))).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def run(engine: Any, mix: Path, folder: Path, progress: Any = sample.ignore) -> tuple[Any, Any]:
    speech, bed = folder / "speech.wav", folder / "bed.wav"
    engine.separate(mix, speech=speech, bed=bed, progress=progress)
    return (
        soundfile.read(speech, dtype="float32", always_2d=True)[0],
        soundfile.read(bed, dtype="float32", always_2d=True)[0],
    )


def test_is_a_separator(separator: Any) -> None:
    assert isinstance(separator, Separator)
    assert isinstance(separator.separates, bool)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_speech_and_bed_are_the_mix(separator: Any, tmp_path: Path, channels: int) -> None:
    mix = noise(2.5, channels)
    speech, bed = run(separator, write(tmp_path / "mix.wav", mix), tmp_path)
    assert speech.shape == bed.shape == mix.shape
    # One rounding of float32 at an amplitude under 1.
    np.testing.assert_allclose(speech + bed, mix, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 479, 480, 96_000, 96_001, 97_441])
def test_any_length_is_kept(separator: Any, tmp_path: Path, frames: int) -> None:
    mix = noise(frames / RATE, 1)
    speech, bed = run(separator, write(tmp_path / "mix.wav", mix), tmp_path)
    assert len(speech) == len(bed) == frames
    np.testing.assert_allclose(speech + bed, mix, atol=1e-6)


def test_silence_stays_silent(separator: Any, tmp_path: Path) -> None:
    mix = np.zeros((RATE, 2), np.float32)
    speech, bed = run(separator, write(tmp_path / "mix.wav", mix), tmp_path)
    assert not np.any(speech)
    assert not np.any(bed)


def test_an_empty_file_gives_empty_files(separator: Any, tmp_path: Path) -> None:
    mix = write(tmp_path / "mix.wav", np.zeros((0, 2), np.float32))
    speech, bed = run(separator, mix, tmp_path)
    assert len(speech) == len(bed) == 0


def test_progress_rises_to_one(separator: Any, tmp_path: Path) -> None:
    shares: list[float] = []
    run(separator, write(tmp_path / "mix.wav", noise(5, 1)), tmp_path, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 2


@pytest.mark.parametrize("name", ENGINES)
def test_cancelling_leaves_no_results(name: str, tmp_path: Path) -> None:
    token = CancelToken()
    mix = write(tmp_path / "mix.wav", noise(6, 1))
    with create(name, token) as engine, pytest.raises(Cancelled):
        run(engine, mix, tmp_path, lambda share: token.cancel())
    assert not (tmp_path / "speech.wav").exists()
    assert not (tmp_path / "bed.wav").exists()


@pytest.mark.parametrize("content", [b"", b"this is no sound"])
def test_what_is_no_sound_is_refused(separator: Any, tmp_path: Path, content: bytes) -> None:
    mix = tmp_path / "mix.wav"
    mix.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        run(separator, mix, tmp_path)
    assert caught.value.hint


@pytest.mark.models
def test_music_goes_to_the_bed_and_speech_does_not(tmp_path: Path) -> None:
    mix = sample.decode(tmp_path)
    with create("deepfilter") as engine:
        speech, bed = run(engine, mix, tmp_path)
    original = soundfile.read(mix, dtype="float32")[0]

    def level(x: np.ndarray, start: float, end: float) -> float:
        power = np.mean(x[round(start * RATE) : round(end * RATE)] ** 2)
        return float(10 * np.log10(power + 1e-12))

    # The music stands alone from 26.5 to 29.2 s: it must be gone from the speech, whole in the bed.
    assert level(speech, 26.9, 28.9) < level(original, 26.9, 28.9) - 20
    assert level(bed, 26.9, 28.9) == pytest.approx(level(original, 26.9, 28.9), abs=0.5)
    # The man speaks from 11 to 17 s, 19 dB over the music.
    assert level(speech, 11, 17) == pytest.approx(level(original, 11, 17), abs=1.0)
    assert level(bed, 11, 17) < level(original, 11, 17) - 12
