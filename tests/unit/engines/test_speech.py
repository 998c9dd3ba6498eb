from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.engines.speech import MODEL_RATE, duration, read_mono
from onevoice.errors import MediaError


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """4 s at 48 kHz: 200 Hz in the left channel, nothing in the right."""
    t = np.arange(4 * 48_000) / 48_000
    left = 0.5 * np.sin(2 * np.pi * 200 * t)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.column_stack([left, 0 * left]), 48_000, subtype="FLOAT")
    return path


def test_a_section_is_the_same_as_the_whole_cut(tone: Path) -> None:
    t = np.arange(4 * MODEL_RATE) / MODEL_RATE
    expected = 0.25 * np.sin(2 * np.pi * 200 * t)
    whole, section = read_mono(tone), read_mono(tone, 1.0, 2.5)
    assert whole.dtype == np.float32
    # Away from the file's own ends, where the filter has nothing to look at, it is exact.
    np.testing.assert_allclose(whole[800:-800], expected[800:-800], atol=1e-3)
    np.testing.assert_allclose(section, expected[MODEL_RATE : 5 * MODEL_RATE // 2], atol=1e-3)


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [(0, None, 4), (3, 9, 1), (5, 6, 0), (2, 1, 0), (-1, 0.5, 0.5), (1, 1, 0)],
)
def test_what_lies_outside_is_left_out(
    tone: Path, start: float, end: float | None, seconds: float
) -> None:
    assert len(read_mono(tone, start, end)) == round(seconds * MODEL_RATE)


def test_duration(tone: Path) -> None:
    assert duration(tone) == 4.0


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError):
        read_mono(path)
