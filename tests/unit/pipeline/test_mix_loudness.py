from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from onevoice.audio import FloatWavWriter, from_db
from onevoice.config import MixSettings, Settings
from onevoice.config.tree import LoudnessPreset
from onevoice.engines.base import CancelToken
from onevoice.errors import Cancelled, MediaError, MediaNotFound, MediaUnreadable, NoAudio
from onevoice.media import ffmpeg_path
from onevoice.pipeline.loudness import PRESETS, Measured, Target, measure_programme, target_of
from onevoice.pipeline.mixing import MixSpec, mix
from onevoice.pipeline.stages import mix as mix_stage

Audio = NDArray[np.float32]
RATE = 48_000


def tone(seconds: float, dbfs: float, *, hz: float = 997.0) -> Audio:
    t = np.arange(round(seconds * RATE)) / RATE
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def speechlike(seconds: float) -> Audio:
    """A buzz in syllables, every eighth one shouted: work for the limiter."""
    random = np.random.default_rng(7)
    t = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 30))
    swell = np.clip(np.sin(2 * np.pi * 2.3 * t), 0, 1) ** 3
    swell *= np.where((2.3 * t).astype(int) % 8 == 3, 2.2, 1.0)
    return (0.2 * buzz * swell + 0.003 * random.standard_normal(len(t))).astype(np.float32)


def save(path: Path, x: Audio, *, mask: int | None = None) -> Path:
    frames = x[:, None] if x.ndim == 1 else x
    with FloatWavWriter(
        path, sample_rate=RATE, channels=frames.shape[1], frames=len(frames), mask=mask
    ) as wav:
        wav.write(frames)
    return path


def ffmpeg(*arguments: str | Path) -> None:
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True)


def encoded(path: Path, source: Path, *how: str) -> Path:
    ffmpeg("-i", source, *how, path)
    return path


CODECS = {
    "aac": ("m4a", ("-c:a", "aac", "-b:a", "192k")),
    "opus": ("mka", ("-c:a", "libopus", "-b:a", "192k")),
    "flac": ("flac", ("-c:a", "flac")),
}


def test_every_preset_of_the_settings_is_known() -> None:
    assert set(PRESETS) == set(get_args(LoudnessPreset)) - {"match"}


@pytest.mark.parametrize("loudness", ["loud", "-80", "6", "ebu"])
def test_a_loudness_that_means_nothing_is_refused(loudness: str) -> None:
    with pytest.raises(ValidationError):
        MixSettings.model_validate({"loudness": loudness})


def test_stems_are_in_the_key_only_where_they_are_wanted() -> None:
    without = Settings()
    wanted = Settings.model_validate({"output": {"deliver": ["per-language", "stems"]}})
    plain, more = mix_stage.stage(without), mix_stage.stage(wanted)
    assert plain.params(without) == without.mix.model_dump(mode="json")
    assert more.params(wanted) == {**plain.params(without), "stems": True}
    assert set(more.outputs) == {*plain.outputs, "dialogue", "bed"}


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        (MixSettings(), Target(lufs=-19.5, ceiling=-1.0)),
        (MixSettings(true_peak=-3), Target(lufs=-19.5, ceiling=-3.0)),
        (MixSettings(loudness=-18), Target(lufs=-18.0, ceiling=-1.0)),
        (MixSettings(loudness="ebu-r128"), Target(lufs=-23.0, ceiling=-1.0)),
        (MixSettings(loudness="atsc-a85"), Target(lufs=-24.0, ceiling=-2.0, tolerance=2.0)),
        (
            MixSettings(loudness="atsc-a85", true_peak=0),
            Target(lufs=-24.0, ceiling=-2.0, tolerance=2.0),
        ),
        (
            MixSettings(loudness="podcast", true_peak=-4),
            Target(lufs=-16.0, ceiling=-4.0, tolerance=1.0),
        ),
        (
            MixSettings(loudness="dialogue-27"),
            Target(lufs=-27.0, ceiling=-2.0, tolerance=2.0, gate="dialogue"),
        ),
    ],
)
def test_target_of_the_settings(settings: MixSettings, target: Target) -> None:
    assert target_of(settings, -19.5) == target


@pytest.mark.parametrize(
    ("measured", "ok"),
    [
        pytest.param(Measured(integrated=-23.4, true_peak=-1.0), True, id="within"),
        pytest.param(Measured(integrated=-23.6, true_peak=-5.0), False, id="too quiet"),
        pytest.param(Measured(integrated=-22.4, true_peak=-5.0), False, id="too loud"),
        pytest.param(Measured(integrated=-23.0, true_peak=-0.9), False, id="peaks"),
        pytest.param(Measured(integrated=-math.inf), False, id="silence"),
    ],
)
def test_what_meets_a_target(measured: Measured, ok: bool) -> None:
    assert measured.meets(PRESETS["ebu-r128"]) is ok


def test_a_dialogue_target_is_about_the_dialogue_where_there_is_any() -> None:
    netflix = PRESETS["dialogue-27"]
    assert Measured(integrated=-20.0, true_peak=-3.0, dialogue=-27.5).meets(netflix)
    assert not Measured(integrated=-27.0, true_peak=-3.0, dialogue=-22.0).meets(netflix)
    assert Measured(integrated=-26.0, true_peak=-3.0).meets(netflix)


@pytest.mark.parametrize("codec", ["aac", "opus", "flac"])
def test_a_finished_file_is_measured_as_it_sounds(tmp_path: Path, codec: str) -> None:
    x = np.concatenate([tone(6, -23), tone(6, -33)])
    source = save(tmp_path / "x.wav", np.stack([x, x], axis=1))
    suffix, how = CODECS[codec]
    found = measure_programme(
        encoded(tmp_path / f"이름 '{codec}.{suffix}", source, *how), dialogue=[(7.0, 11.0)]
    )
    assert found.dialogue == pytest.approx(-33.0, abs=0.1)
    assert found.integrated == pytest.approx(-25.6, abs=0.15)
    # A lossy encoder rings where the level jumps.
    assert found.true_peak == pytest.approx(-23.0, abs=0.05 if codec == "flac" else 1.5)
    assert found.range == pytest.approx(10, abs=1)


def test_the_track_asked_for_is_measured(tmp_path: Path) -> None:
    loud = save(tmp_path / "loud.wav", tone(3, -10))
    quiet = save(tmp_path / "quiet.wav", tone(3, -30))
    both = tmp_path / "both.mka"
    ffmpeg("-i", loud, "-i", quiet, "-map", "0", "-map", "1", "-c:a", "flac", both)
    first, second = (measure_programme(both, track).integrated for track in (0, 1))
    assert (first, second) == (pytest.approx(-13, abs=0.1), pytest.approx(-33, abs=0.1))
    with pytest.raises(MediaError, match="no audio track 2"):
        measure_programme(both, 2)


def test_surround_keeps_its_weights_through_the_encoder(tmp_path: Path) -> None:
    # EBU Tech 3341, case 6, with a low-frequency channel that must not count.
    levels = [-28, -28, -24, -20, -30, -30]
    x = np.stack([tone(5, level) for level in levels], axis=1)
    x[:, 3] = tone(5, -20, hz=60)
    source = save(tmp_path / "x.wav", x, mask=0x3F)
    flac = encoded(tmp_path / "x.flac", source, "-c:a", "flac")
    assert measure_programme(flac).integrated == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("preset", ["ebu-r128", "streaming", "podcast", "dialogue-27"])
@pytest.mark.parametrize("codec", ["aac", "opus"])
def test_the_encoded_file_keeps_its_preset(
    tmp_path: Path, preset: LoudnessPreset, codec: str
) -> None:
    x = speechlike(12)
    source = save(tmp_path / "x.wav", np.stack([x, x], axis=1))
    spec = MixSpec(
        mix=source,
        bed=None,
        speech=None,
        lines=[],
        keep=[(0.0, 12.0)],
        settings=MixSettings(loudness=preset),
    )
    mixed = tmp_path / "mixed.wav"
    report = mix(spec, mixed)
    suffix, how = CODECS[codec]
    made = encoded(tmp_path / f"made.{suffix}", mixed, *how)
    assert (report.limited_share > 0) == (preset in ("streaming", "podcast"))
    assert measure_programme(made, dialogue=spec.keep).meets(PRESETS[preset])


def test_without_headroom_the_encoder_would_break_the_ceiling(tmp_path: Path) -> None:
    # Why the mix stays under its ceiling: at the ceiling itself the encoded file is over it.
    x = speechlike(12) * np.float32(from_db(20))
    source = save(tmp_path / "x.wav", np.stack([x, x], axis=1))
    settings = MixSettings(loudness="streaming", true_peak=-1.0)
    mixed = tmp_path / "mixed.wav"
    mix(MixSpec(mix=source, bed=None, speech=None, lines=[], settings=settings), mixed)
    at_ceiling = tmp_path / "ceiling.wav"
    ffmpeg("-i", mixed, "-af", "volume=0.5dB", "-c:a", "pcm_f32le", at_ceiling)
    made = encoded(tmp_path / "made.mka", at_ceiling, *CODECS["opus"][1])
    assert measure_programme(made).true_peak > -1.0


def test_what_cannot_be_measured_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound):
        measure_programme(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a film")
    with pytest.raises(MediaUnreadable):
        measure_programme(tmp_path / "text.mp4")
    mute = tmp_path / "mute.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=s=32x32:d=1", "-c:v", "libx264", mute)
    with pytest.raises(NoAudio):
        measure_programme(mute)


def test_measuring_can_be_cancelled_and_tells_how_far_it_is(tmp_path: Path) -> None:
    source = save(tmp_path / "x.wav", tone(20, -20))
    seen: list[float] = []
    measure_programme(source, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1.0, abs=0.01)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        measure_programme(source, cancel=cancel)
