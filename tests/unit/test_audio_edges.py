from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from onevoice.audio import (
    BlockReader,
    Envelope,
    FloatWavWriter,
    Layout,
    channel_mask,
    fade_edges,
    merge_intervals,
    resample,
    trim_silence,
)
from onevoice.audio.wav import _header
from onevoice.errors import MediaNotFound, OutputUnwritable

Audio = NDArray[np.float32]
RATE = 24_000


def spoken(seconds: float, level: float = 0.3) -> Audio:
    t = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 200 * t)).astype(np.float32)


def quiet(seconds: float, level: float = 1e-4) -> Audio:
    hiss = np.random.default_rng(1).standard_normal(round(seconds * RATE))
    return (level * hiss).astype(np.float32)


@pytest.mark.parametrize(("lead", "tail"), [(0.0, 0.0), (0.5, 0.2), (0.013, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("level", [0.01, 0.3, 1.5])
def test_silence_is_cut_off_both_ends(lead: float, tail: float, level: float) -> None:
    x = np.concatenate([quiet(lead, level / 3e3), spoken(1.0, level), quiet(tail, level / 3e3)])
    out = trim_silence(x, RATE, keep=0.02)
    # pydub looks at stretches of 10 ms, and 20 ms are kept on purpose.
    extra = min(lead, 0.02) + min(tail, 0.02)
    assert len(out) / RATE == pytest.approx(1.0 + extra, abs=0.021)
    assert np.shares_memory(out, x)


def test_inner_pauses_are_kept() -> None:
    x = np.concatenate([spoken(0.3), quiet(1.0), spoken(0.3)])
    assert len(trim_silence(x, RATE)) == len(x)


@pytest.mark.parametrize("x", [np.zeros(0, np.float32), np.zeros(RATE, np.float32)])
def test_nothing_but_silence_leaves_nothing(x: Audio) -> None:
    assert len(trim_silence(x, RATE)) == 0


@pytest.mark.parametrize("shape", [(2_000,), (2_000, 2)])
def test_fades_touch_only_the_edges(shape: tuple[int, ...]) -> None:
    x = np.ones(shape, np.float32)
    out = fade_edges(x, RATE, seconds=0.005)
    assert np.all(out[0] == 0.0) and np.all(out[-1] == 0.0)
    np.testing.assert_array_equal(out[120:-120], x[120:-120])
    assert np.all(np.diff(out[:121].reshape(121, -1), axis=0) >= 0)
    assert np.all(x == 1.0)


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_fades_of_next_to_nothing(frames: int) -> None:
    assert len(fade_edges(np.ones(frames, np.float32), RATE)) == frames


def test_resampling_keeps_tone_and_length() -> None:
    x = spoken(1.0)
    out = resample(x, RATE, 48_000)
    assert len(out) == 48_000
    np.testing.assert_allclose(out[500:-500:2], x[250:-250], atol=2e-3)
    assert resample(x, RATE, RATE) is x


@pytest.mark.parametrize(
    ("gap", "merged"),
    [
        (0.0, [(0, 2), (3, 4), (6, 7)]),
        (1.0, [(0, 4), (6, 7)]),
        (5.0, [(0, 7)]),
    ],
)
def test_intervals_merge(gap: float, merged: list[tuple[float, float]]) -> None:
    assert merge_intervals([(6, 7), (0, 1), (0.5, 2), (3, 4), (5, 5), (9, 8)], gap) == merged


def curve(envelope: Envelope, frames: int, block: int) -> Audio:
    out = np.ones(frames, np.float32)
    for start in range(0, frames, block):
        envelope.apply(out[start : start + block], start)
    return out


@pytest.mark.parametrize("block", [1, 7, 100, 1_000])
def test_envelope_ramps_outside_its_intervals(block: int) -> None:
    envelope = Envelope(
        [(0.3, 0.5)], sample_rate=1_000, inside=0.5, outside=1.0, attack=0.1, release=0.2
    )
    expected = np.interp(np.arange(1_000), [200, 300, 500, 700], [1, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve(envelope, 1_000, block), expected, atol=1e-6)


def test_envelope_does_not_pump_in_short_gaps() -> None:
    options = {"sample_rate": 1_000, "inside": 0.5, "outside": 1.0, "attack": 0.1, "release": 0.1}
    short = Envelope([(0.2, 0.4), (0.65, 0.8)], hold=0.1, **options)
    assert np.all(curve(short, 1_000, 100)[200:800] == 0.5)
    long = Envelope([(0.2, 0.4), (0.65, 0.8)], hold=0.01, **options)
    assert curve(long, 1_000, 100)[525] == 1.0


def test_envelope_may_begin_before_the_programme() -> None:
    envelope = Envelope(
        [(-1.0, 0.1)], sample_rate=1_000, inside=0.5, outside=1.0, attack=0.1, release=0.1
    )
    got = curve(envelope, 300, 50)
    assert got[0] == 0.5 and got[150] == pytest.approx(0.75) and got[250] == 1.0


def test_envelope_without_intervals_changes_nothing() -> None:
    envelope = Envelope([], sample_rate=1_000, inside=0, outside=1.0, attack=1, release=1)
    assert np.all(curve(envelope, 100, 30) == 1.0)


def test_wav_round_trip_is_exact_and_reproducible(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((1_001, 6)).astype(np.float32)
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for file in files:
        with FloatWavWriter(file, sample_rate=48_000, channels=6, frames=1_001) as wav:
            wav.write(x[:500])
            wav.write(x[500:])
    read, rate = soundfile.read(files[0], dtype="float32")
    np.testing.assert_array_equal(read, x)
    assert rate == 48_000
    assert files[0].read_bytes() == files[1].read_bytes()
    assert channel_mask(files[0], 6) == 0x3F
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("mask", "channels", "dialogue", "ducked"),
    [
        (None, 1, [0], [0]),
        (None, 2, [0, 1], [0, 1]),
        (0x33, 4, [0, 1], [0, 1, 2, 3]),  # quad has no centre
        (0x60F, 6, [2], [2]),
        (None, 8, [2], [2]),
    ],
)
def test_where_the_dialogue_goes(
    tmp_path: Path, mask: int | None, channels: int, dialogue: list[int], ducked: list[int]
) -> None:
    path = tmp_path / "x.wav"
    x = np.zeros((10, channels), np.float32)
    with FloatWavWriter(path, sample_rate=RATE, channels=channels, frames=10, mask=mask) as wav:
        wav.write(x)
    layout = Layout.of(path, 48_000)
    assert (layout.dialogue, layout.ducked, layout.frames) == (dialogue, ducked, 20)
    assert mask is None or layout.mask == mask


def test_files_over_four_gigabytes_become_rf64(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((100, 2)).astype(np.float32)
    path = tmp_path / "big.wav"
    with FloatWavWriter(path, sample_rate=RATE, channels=2, frames=100, limit=799) as wav:
        wav.write(x)
    assert path.read_bytes()[:4] == b"RF64"
    assert soundfile.info(path).format == "RF64"
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], x)
    hours = 5 * 3600 * 48_000
    assert _header(48_000, 2, hours, 3, 0xFFFFF000)[:4] == b"RF64"
    assert _header(48_000, 2, hours // 5, 3, 0xFFFFF000)[:4] == b"RIFF"


def test_an_unfinished_file_never_takes_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with (
        pytest.raises(RuntimeError, match="stop"),
        FloatWavWriter(path, sample_rate=RATE, channels=1, frames=10) as wav,
    ):
        wav.write(np.zeros(5, np.float32))
        raise RuntimeError("stop")
    with (
        pytest.raises(ValueError, match="short"),
        FloatWavWriter(path, sample_rate=RATE, channels=1, frames=10) as wav,
    ):
        wav.write(np.zeros(5, np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable) as caught:
        FloatWavWriter(tmp_path / "no" / "x.wav", sample_rate=RATE, channels=1, frames=1)
    assert caught.value.hint


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000])
def test_block_reader_gives_full_blocks_at_the_rate_wanted(tmp_path: Path, rate: int) -> None:
    t = np.arange(2 * rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    path = tmp_path / "x.wav"
    with FloatWavWriter(path, sample_rate=rate, channels=1, frames=len(tone)) as wav:
        wav.write(tone)
    with BlockReader(path, 48_000) as reader:
        assert (reader.frames, reader.channels) == (96_000, 1)
        blocks = [reader.read(10_007) for _ in range(12)]
    assert {block.shape for block in blocks} == {(10_007, 1)}
    got = np.concatenate(blocks)[:, 0]
    expected = 0.5 * np.sin(2 * np.pi * 300 * np.arange(96_000) / 48_000)
    np.testing.assert_allclose(got[1_000:95_000], expected[1_000:95_000], atol=2e-3)
    assert not got[97_000:].any()


def test_block_reader_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match="none"):
        BlockReader(tmp_path / "none.wav", 48_000)
