from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.engines.recognition.listening import (
    FRAME_S,
    LEVEL_DB,
    Span,
    clips,
    decibels,
    level,
    sounding,
    stretches,
)
from onevoice.engines.speech import MODEL_RATE


def burst(seconds: float, db: float) -> np.ndarray:
    """Noise of a given RMS level."""
    samples = np.random.default_rng(3).standard_normal(round(seconds * MODEL_RATE))
    return (samples * 10 ** (db / 20)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * MODEL_RATE), np.float32)


def rms_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples.astype(float) ** 2) + 1e-12))


def test_decibels_of_known_levels() -> None:
    samples = np.concatenate([np.full(160, 0.1), np.zeros(160), np.ones(160), np.ones(7)])
    loud = decibels(samples.astype(np.float32), 160)
    np.testing.assert_allclose(loud, [-20, -120, 0], atol=1e-4)


@pytest.mark.parametrize("quiet", [-20.0, -30.0, -40.0])
def test_quiet_and_loud_lines_come_to_one_level(quiet: float) -> None:
    samples = np.concatenate([silence(1), burst(6, -16), silence(4), burst(6, quiet), silence(1)])
    out = level(samples)
    seconds = MODEL_RATE
    assert rms_db(out[3 * seconds : 6 * seconds]) == pytest.approx(LEVEL_DB, abs=1)
    assert rms_db(out[13 * seconds : 16 * seconds]) == pytest.approx(LEVEL_DB, abs=1)
    assert np.abs(out).max() <= 1


def test_silence_stays_silence() -> None:
    samples = np.concatenate([burst(2, -35), silence(5), burst(2, -35)])
    assert not np.any(level(samples)[3 * MODEL_RATE : 6 * MODEL_RATE])
    assert not np.any(level(silence(3)))
    assert len(level(silence(0))) == 0


def test_steady_music_is_not_taken_for_a_quiet_speaker() -> None:
    speech = np.concatenate([burst(4, -22), silence(8), burst(4, -22)])
    out = level((speech + burst(16, -42)).astype(np.float32))
    assert rms_db(out[6 * MODEL_RATE : 10 * MODEL_RATE]) == pytest.approx(-43, abs=1.5)


def test_sounding_bridges_closures_and_keeps_pauses() -> None:
    samples = np.concatenate(
        [silence(0.5), burst(0.3, -23), silence(0.08), burst(0.3, -23), silence(0.4)]
    )
    active = sounding(samples)
    expected = np.zeros(len(active), bool)
    expected[round(0.5 / FRAME_S) : round(1.18 / FRAME_S)] = True
    np.testing.assert_array_equal(active, expected)
    assert len(sounding(silence(0))) == 0


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        ([], []),
        ([(1, 4)], [(1, 4)]),
        ([(1, 4), (5, 9), (10, 20)], [(1, 20)]),
        # Over 28 s: cut at the longest pause of the second half, not where it is full.
        ([(0, 15), (15.5, 20), (22, 27), (27.2, 40)], [(0, 20), (22, 40)]),
        ([(0, 28), (28, 56)], [(0, 28), (28, 56)]),
        ([(0, 10), (30, 40)], [(0, 10), (30, 40)]),
    ],
)
def test_clips_are_full_and_cut_at_pauses(speech: list[Span], expected: list[Span]) -> None:
    assert clips(speech) == expected


def find_bursts(samples: np.ndarray) -> list[Span]:
    """Voice activity detection that is right about bursts of noise."""
    active = sounding(samples).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active, [0]])))
    return [(a * FRAME_S, b * FRAME_S) for a, b in edges.reshape(-1, 2)]


@pytest.mark.parametrize("seconds", [40.0, 65.0, 300.0])
def test_stretches_cut_no_phrase(tmp_path: Path, seconds: float) -> None:
    rng = np.random.default_rng(5)
    parts, phrases, clock = [silence(0.5)], [], 0.5
    while clock < 150:
        length, pause = round(rng.uniform(1, 6), 2), round(rng.uniform(0.5, 3), 2)
        phrases.append((clock, clock + length))
        parts += [burst(length, -25), silence(pause)]
        clock += length + pause
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate(parts), MODEL_RATE, subtype="FLOAT")

    found: list[Span] = []
    for stretch in stretches(path, find_bursts, seconds=seconds):
        assert len(stretch.samples) <= seconds * MODEL_RATE
        for start, end in stretch.clips:
            assert 0 < end - start <= 28.01
        found += [(a + stretch.offset, b + stretch.offset) for a, b in stretch.speech]
    assert len(found) == len(phrases)
    np.testing.assert_allclose(found, phrases, atol=0.03)
