from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray

from onevoice.audio import (
    FloatWavWriter,
    LoudnessMeter,
    TruePeakMeter,
    from_db,
    measure,
    speech_level,
    to_db,
    true_peak,
)
from onevoice.audio.truepeak import curvature_bound, interpolator, overshoot_bound
from onevoice.errors import MediaNotFound, MediaUnreadable

Audio = NDArray[np.float32]
RATE = 48_000


def tone(seconds: float, dbfs: float, *, rate: int = RATE, hz: float = 1000.0) -> Audio:
    t = np.arange(round(seconds * rate)) / rate
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def steps(*parts: tuple[float, float]) -> Audio:
    """Stereo tones of (seconds, dBFS) one after the other."""
    mono = np.concatenate([tone(seconds, dbfs) for seconds, dbfs in parts])
    return np.stack([mono, mono], axis=1)


def swelling_noise(seconds: float, rate: int) -> Audio:
    n = round(seconds * rate)
    swell = np.interp(np.arange(n), [0, n / 4, n / 2, n], [0.001, 0.2, 0.02, 0.3])
    noise = np.random.default_rng(3).standard_normal((n, 2))
    return (noise * swell[:, None]).astype(np.float32)


def metered(x: Audio, *, rate: int = RATE, block: int = 48_000) -> LoudnessMeter:
    meter = LoudnessMeter(rate, 1 if x.ndim == 1 else x.shape[1])
    for start in range(0, len(x), block):
        meter.push(x[start : start + block])
    return meter


def test_decibels_and_back() -> None:
    assert to_db(1.0) == 0.0
    assert to_db(0.5) == pytest.approx(-6.0206, abs=1e-4)
    assert to_db(0.0) == -math.inf
    assert from_db(-math.inf) == 0.0
    assert from_db(to_db(0.123)) == pytest.approx(0.123)


# EBU Tech 3341, table 1: what a meter in EBU mode must show, each within 0.1 LU.
@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        pytest.param([(20, -23)], -23.0, id="1: reference tone"),
        pytest.param([(20, -33)], -33.0, id="2: ten down"),
        pytest.param([(10, -36), (60, -23), (10, -36)], -23.0, id="3: relative gate"),
        pytest.param(
            [(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23.0, id="4: both gates"
        ),
        pytest.param([(20, -26), (20.1, -20), (20, -26)], -23.0, id="5: no gate"),
    ],
)
def test_integrated_loudness_of_the_ebu_cases(
    parts: list[tuple[float, float]], lufs: float
) -> None:
    assert metered(steps(*parts)).integrated() == pytest.approx(lufs, abs=0.1)


def test_integrated_loudness_of_five_channels() -> None:
    # Tech 3341, case 6: L, R -28, C -24, surrounds -30 dBFS. The LFE must not count.
    levels = [-28, -28, -24, 0, -30, -30]
    x = np.stack([tone(20, level) for level in levels], axis=1)
    assert metered(x).integrated() == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize(
    ("mask", "weights"),
    [
        pytest.param(0x4, [1], id="mono"),
        pytest.param(0x3, [1, 1], id="stereo"),
        pytest.param(0x33, [1, 1, 1.41, 1.41], id="quad"),
        pytest.param(0x3F, [1, 1, 1, 0, 1.41, 1.41], id="5.1, back"),
        pytest.param(0x60F, [1, 1, 1, 0, 1.41, 1.41], id="5.1, side"),
        # Between 60 and 120 degrees are the side speakers; the back pair stands behind them.
        pytest.param(0x63F, [1, 1, 1, 0, 1, 1, 1.41, 1.41], id="7.1"),
    ],
)
def test_each_channel_counts_by_its_place(mask: int, weights: list[float]) -> None:
    # BS.1770-4, tables 3 and 4. A tone of -20 dBFS in one channel of weight 1 has -23 LUFS.
    for number, weight in enumerate(weights):
        x = np.zeros((2 * RATE, len(weights)), np.float32)
        x[:, number] = tone(2, -20)
        meter = LoudnessMeter(RATE, len(weights), mask=mask)
        meter.push(x)
        expected = -23 + 10 * math.log10(weight) if weight else -math.inf
        assert meter.integrated() == pytest.approx(expected, abs=0.1)


def test_the_dialogue_gate_takes_what_is_said() -> None:
    # 0-10 s music, 10-20 s speech, 20-30 s music: the programme is as loud as its loud parts.
    x = steps((10, -20), (10, -30), (10, -20))
    meter = LoudnessMeter(RATE, 2, dialogue=[(14.0, 20.0), (10.0, 15.0)])
    for start in range(0, len(x), 10_007):
        meter.push(x[start : start + 10_007])
    assert meter.integrated() == pytest.approx(-20 + 10 * math.log10(0.7), abs=0.05)
    assert meter.integrated(gate="dialogue") == pytest.approx(-30.0, abs=0.05)
    assert meter.integrated(6.0, gate="dialogue") == pytest.approx(-24.0, abs=0.05)
    assert meter.gain_to(-27.0, gate="dialogue") == pytest.approx(3.0, abs=0.05)


def test_a_pause_within_the_dialogue_does_not_pull_it_down() -> None:
    # BS.1770-4's relative gate acts within the dialogue, too.
    x = steps((4, -30), (2, -50), (4, -30))
    meter = LoudnessMeter(RATE, 2, dialogue=[(0.0, 10.0)])
    meter.push(x)
    assert meter.integrated(gate="dialogue") == pytest.approx(-30.0, abs=0.2)


@pytest.mark.parametrize("dialogue", [[], [(1.0, 1.35)], [(50.0, 60.0)], [(3.0, 2.0)]])
def test_without_a_block_of_dialogue_it_has_no_loudness(
    dialogue: list[tuple[float, float]],
) -> None:
    meter = LoudnessMeter(RATE, 2, dialogue=dialogue)
    meter.push(steps((5, -23)))
    assert meter.integrated(gate="dialogue") == -math.inf
    assert meter.gain_to(-27.0, gate="dialogue") == 0.0


# EBU Tech 3342, table 1: loudness range, each within 1 LU.
@pytest.mark.parametrize(
    ("parts", "lra"),
    [
        ([(20, -20), (20, -30)], 10),
        ([(20, -20), (20, -15)], 5),
        ([(20, -40), (20, -20)], 20),
        ([(20, -50), (20, -35), (20, -20), (20, -35), (20, -50)], 15),
    ],
)
def test_loudness_range_of_the_ebu_cases(parts: list[tuple[float, float]], lra: float) -> None:
    assert metered(steps(*parts)).range() == pytest.approx(lra, abs=1.0)


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000, 96_000])
def test_meter_agrees_with_pyloudnorm(rate: int) -> None:
    x = swelling_noise(12, rate)
    # It shares no code with ours; its filters are the De Man forms of the same prototypes.
    expected = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(x)
    assert metered(x, rate=rate).integrated() == pytest.approx(expected, abs=0.1)


def test_meter_does_not_depend_on_the_blocks() -> None:
    x = swelling_noise(8, RATE)
    whole = metered(x, block=len(x))
    for block in (1_000, 4_801, 31_337):
        parts = metered(x, block=block)
        assert parts.integrated() == pytest.approx(whole.integrated(), abs=1e-6)
        assert parts.range() == pytest.approx(whole.range(), abs=0.011)  # one bin


def test_meter_takes_constant_memory() -> None:
    meter = LoudnessMeter(RATE, 1)
    size = meter._blocks["programme"]._count.nbytes
    for _ in range(120):
        meter.push(tone(1, -20))
    assert meter._blocks["programme"]._count.nbytes == size
    assert len(meter._hops) == 30


def test_silence_has_no_loudness() -> None:
    meter = metered(np.zeros((5 * RATE, 2), np.float32))
    assert meter.integrated() == -math.inf
    assert meter.range() == 0.0
    assert meter.gain_to(-23.0) == 0.0


def test_less_than_a_block_has_no_loudness() -> None:
    assert metered(tone(0.3, -20)).integrated() == -math.inf


def test_gain_is_metered_as_if_it_were_applied() -> None:
    # The -75 part passes the absolute gate once it is raised, and then the relative one acts.
    x = steps((10, -75), (10, -60), (10, -66))
    gain_db = 30.0
    raised = metered(x * np.float32(from_db(gain_db)))
    assert metered(x).integrated(gain_db) == pytest.approx(raised.integrated(), abs=0.01)
    assert metered(x).range(gain_db) == pytest.approx(raised.range(), abs=0.02)


def test_gain_to_reaches_the_target() -> None:
    x = steps((10, -75), (10, -60), (10, -66))
    gain_db = metered(x).gain_to(-16.0)
    reached = metered(x * np.float32(from_db(gain_db))).integrated()
    assert reached == pytest.approx(-16.0, abs=0.02)


@pytest.mark.parametrize(("seconds", "tolerance"), [(4.0, 0.1), (1.0, 0.1), (0.3, 0.3), (0.05, 1)])
def test_speech_level_of_short_tones(seconds: float, tolerance: float) -> None:
    # A mono tone of -20 dBFS has -23 LUFS; the shortest ones feel the filter settle.
    assert speech_level(tone(seconds, -20), RATE) == pytest.approx(-23.0, abs=tolerance)


def test_speech_level_leaves_pauses_out() -> None:
    spoken = tone(0.5, -20)
    pause = np.zeros(RATE, np.float32)
    broken = np.concatenate([pause, spoken, pause, spoken, pause])
    # The blocks that straddle an edge pull it down a little.
    assert speech_level(broken, RATE) == pytest.approx(speech_level(spoken, RATE), abs=0.8)


@pytest.mark.parametrize("frames", [0, 1, 100, 48_000])
def test_speech_level_of_silence(frames: int) -> None:
    assert speech_level(np.zeros(frames, np.float32), RATE) == -math.inf


def test_true_peak_between_the_samples() -> None:
    # A quarter of the rate, sampled at 45°: all samples at 0.7071 of the wave's amplitude.
    n = np.arange(4800)
    x = np.sin(np.pi / 2 * n + np.pi / 4).astype(np.float32)
    x *= np.interp(n, [0, 1000, 3800, 4800], [0, 1, 1, 0]).astype(np.float32)
    assert to_db(float(np.abs(x).max())) == pytest.approx(-3.01, abs=0.01)
    assert to_db(true_peak(x, RATE)) == pytest.approx(0.0, abs=0.05)


def faded(x: Audio, rate: int = RATE) -> Audio:
    """With 10 ms of fade at both ends: a sine that is cut off has peaks of its own."""
    n = rate // 100
    ramp = np.interp(np.arange(len(x)), [0, n, len(x) - n, len(x)], [0, 1, 1, 0])
    return (x * ramp).astype(np.float32)


def within_ebu(peak: float, expected: float) -> bool:
    return expected - 0.4 <= to_db(peak) <= expected + 0.2


# EBU Tech 3341, table 1: maximum true peak, within +0.2 and -0.4 dB.
@pytest.mark.parametrize(
    ("divisor", "amplitude", "degrees", "dbtp"),
    [
        pytest.param(4, 0.5, 0.0, -6.0, id="15"),
        pytest.param(4, 0.5, 45.0, -6.0, id="16"),
        pytest.param(6, 0.5, 60.0, -6.0, id="17"),
        pytest.param(8, 0.5, 67.5, -6.0, id="18"),
        pytest.param(4, 1.41, 45.0, 3.0, id="19"),
    ],
)
def test_true_peak_of_the_ebu_sines(
    divisor: int, amplitude: float, degrees: float, dbtp: float
) -> None:
    phase = 2 * np.pi * np.arange(2 * RATE) / divisor + math.radians(degrees)
    x = faded(amplitude * np.sin(phase))
    assert within_ebu(true_peak(np.stack([x, x], axis=1), RATE), dbtp)


@pytest.mark.parametrize("offset", [0, 1, 2, 3], ids=["20", "21", "22", "23"])
def test_true_peak_of_the_ebu_bursts(offset: int) -> None:
    # Made at 4 fs: fs/6 at half scale and in it, without a jump of phase, a period of fs/4 at
    # full scale; band-limited and brought down to fs from four different samples.
    n = 4 * RATE
    step = np.full(n, 2 * np.pi / 24)
    amplitude = np.full(n, 0.5)
    burst = slice(n // 2, n // 2 + 16)
    step[burst], amplitude[burst] = 2 * np.pi / 16, 1.0
    phase = np.concatenate([[0.0], np.cumsum(step)[:-1]])
    phase -= phase[burst.start]  # the period begins at its zero
    made = faded(amplitude * np.sin(phase), 4 * RATE).astype(np.float64)
    spectrum = np.fft.rfft(made)
    spectrum[np.fft.rfftfreq(n, 1 / (4 * RATE)) > 0.475 * RATE] = 0
    limited = np.fft.irfft(spectrum, n)
    assert within_ebu(float(np.abs(limited).max()), 0.0)  # the recipe was followed
    x = limited[offset::4].astype(np.float32)
    assert within_ebu(true_peak(np.stack([x, x], axis=1), RATE), 0.0)


@pytest.mark.parametrize("hz", [60, 997, 5_000, 11_000, 17_000])
@pytest.mark.parametrize("phase", [0.0, 0.4, 1.1])
def test_true_peak_of_sines(hz: float, phase: float) -> None:
    t = np.arange(RATE) / RATE
    fade = np.interp(t, [0, 0.1, 0.9, 1], [0, 1, 1, 0])
    x = (0.5 * fade * np.sin(2 * np.pi * hz * t + phase)).astype(np.float32)
    # Four points a sample miss the crest by at most cos(pi / 4 * hz / nyquist) (BS.1770-4).
    lowest = 0.5 * math.cos(math.pi * hz / (4 * RATE))
    assert lowest - 1e-3 <= true_peak(x, RATE) <= 0.5 + 1e-3


def test_pruning_misses_no_peak() -> None:
    random = np.random.default_rng(5)
    for scale in (1.0, 0.1):
        x = (random.standard_normal((20_000, 2)) * scale).astype(np.float32)
        x = np.cumsum(x, axis=0) * 0.01 + x * random.random((20_000, 1)) ** 8
        padded = np.pad(x, ((24, 24), (0, 0))).astype(np.float64)
        every = [np.abs(padded).max()]
        for taps in interpolator().astype(np.float64):
            every += [np.abs(np.convolve(channel, taps[::-1])).max() for channel in padded.T]
        assert true_peak(x.astype(np.float32), RATE) == pytest.approx(max(every), rel=1e-5)


def test_interpolator_reproduces_lines_and_is_bounded() -> None:
    taps = interpolator().astype(np.float64)
    place = np.arange(-11, 13)
    for row, inner in zip(taps, (0.25, 0.5, 0.75), strict=True):
        assert row.sum() == pytest.approx(1.0, abs=1e-6)
        assert row @ place == pytest.approx(inner, abs=1e-6)
    assert 1.5 < overshoot_bound() < 2.5
    assert 0.1 < curvature_bound() < 0.6


def test_true_peak_meter_sees_peaks_across_blocks() -> None:
    x = np.random.default_rng(6).standard_normal((5_000, 1)).astype(np.float32)
    meter = TruePeakMeter(RATE, 1)
    for start in range(0, len(x), 37):
        meter.push(x[start : start + 37])
    assert meter.finish() == pytest.approx(true_peak(x, RATE), rel=1e-5)


@pytest.mark.parametrize("shape", [(0,), (1,), (5, 2), (70, 1)])
def test_true_peak_of_next_to_nothing(shape: tuple[int, ...]) -> None:
    assert true_peak(np.zeros(shape, np.float32), RATE) == 0.0


def test_measure_a_file(tmp_path: Path) -> None:
    x = steps((6, -23))
    path = tmp_path / "이름 '\".wav"
    with FloatWavWriter(path, sample_rate=RATE, channels=2, frames=len(x)) as wav:
        wav.write(x)
    found = measure(path)
    assert found.integrated == pytest.approx(-23.0, abs=0.1)
    assert found.range == pytest.approx(0.0, abs=0.1)
    assert found.true_peak == pytest.approx(-23.0, abs=0.1)


def test_measure_what_is_no_audio(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound):
        measure(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("not audio")
    with pytest.raises(MediaUnreadable) as caught:
        measure(tmp_path / "text.wav")
    assert caught.value.hint
