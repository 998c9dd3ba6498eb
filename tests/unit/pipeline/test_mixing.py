from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from onevoice.audio import FloatWavWriter, channel_mask, from_db, measure, speech_level
from onevoice.audio.levels import default_mask
from onevoice.config import MixSettings
from onevoice.config.tree import LoudnessPreset
from onevoice.engines.base import CancelToken
from onevoice.errors import Cancelled, MediaNotFound, MediaUnreadable, OutputUnwritable, StageError
from onevoice.pipeline.loudness import HEADROOM
from onevoice.pipeline.mastering import Stems
from onevoice.pipeline.mix_lines import DAMPING, DEFAULT_DIALOGUE, MixLine, line_targets
from onevoice.pipeline.mixing import MixSpec, mix

Audio = NDArray[np.float32]
RATE = 48_000
LINE_RATE = 24_000
SECONDS = 12.0


def tone(seconds: float, hz: float, dbfs: float, *, rate: int = RATE) -> Audio:
    t = np.arange(round(seconds * rate)) / rate
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def stereo(x: Audio) -> Audio:
    return np.stack([x, x], axis=1)


def save(path: Path, x: Audio, *, rate: int = RATE) -> Path:
    frames = x[:, None] if x.ndim == 1 else x
    with FloatWavWriter(
        path, sample_rate=rate, channels=frames.shape[1], frames=len(frames)
    ) as wav:
        wav.write(frames)
    return path


def load(path: Path) -> Audio:
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return x


def at(x: Audio, start: float, end: float) -> Audio:
    return x[round(start * RATE) : round(end * RATE)]


def level(x: Audio, hz: float) -> float:
    """Amplitude, in dBFS, of one sine in the first channel."""
    x = x[:, 0] * np.hanning(len(x))
    t = np.arange(len(x)) / RATE
    amplitude = 4 * abs(np.sum(x * np.exp(-2j * np.pi * hz * t))) / len(x)
    return 20 * math.log10(max(amplitude, 1e-9))


MUSIC, VOICE, DUB = 220.0, 500.0, 1500.0
"""What the bed, the source's speech and the dub sound like, in Hz."""


class Case:
    """12 s of stereo: music throughout, speech at 2–4 s and 6–8 s, a dubbed line for each."""

    def __init__(self, folder: Path, *, voice_dbfs: Sequence[float] = (-20, -20)) -> None:
        self.folder = folder
        self.windows = [(2.0, 4.0), (6.0, 8.0)]
        music = tone(SECONDS, MUSIC, -34)
        speech = np.zeros_like(music)
        for (start, end), dbfs in zip(self.windows, voice_dbfs, strict=True):
            at(speech, start, end)[:] = tone(end - start, VOICE, dbfs)
        self.mix = save(folder / "mix.wav", stereo(music + speech))
        self.bed = save(folder / "bed.wav", stereo(music))
        self.speech = save(folder / "speech.wav", stereo(speech))
        spoken = tone(2.0, DUB, -30, rate=LINE_RATE)
        self.lines = [
            MixLine(
                id=f"L{i}",
                audio=save(folder / f"line{i}.wav", spoken, rate=LINE_RATE),
                start=start,
                length=2.0,
                stretch=1.0,
                window=(start, end),
            )
            for i, (start, end) in enumerate(self.windows)
        ]
        self.out = folder / "out.wav"

    def spec(self, *, separated: bool = True, **changes: object) -> MixSpec:
        stems = {
            "bed": self.bed if separated else None,
            "speech": self.speech if separated else None,
        }
        values = {"mix": self.mix, "lines": self.lines, **stems, **changes}
        return MixSpec(**values)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_dub_replaces_the_speech_and_the_bed_ducks(case: Case) -> None:
    report = mix(case.spec(), case.out)
    out = load(case.out)
    gain = report.gain_db
    assert out.shape == (round(SECONDS * RATE), 2)
    assert (report.frames, report.channels) == out.shape
    assert level(at(out, 2.5, 3.5), VOICE) < -90
    assert level(at(out, 2.5, 3.5), MUSIC) == pytest.approx(-34 - 6 + gain, abs=0.1)
    assert level(at(out, 10, 11), MUSIC) == pytest.approx(-34 + gain, abs=0.1)
    assert level(at(out, 10, 11), DUB) < -90
    assert report.warnings == ()


def test_dub_is_as_loud_as_the_speech_it_replaces(case: Case) -> None:
    report = mix(case.spec(), case.out)
    out = load(case.out) / np.float32(from_db(report.gain_db))
    source = speech_level(at(load(case.speech), 2, 4), RATE)
    assert speech_level(at(out, 2.2, 3.8), RATE) == pytest.approx(source, abs=0.5)


def test_programme_is_as_loud_as_the_source(case: Case) -> None:
    report = mix(case.spec(), case.out)
    source, made = measure(case.mix), measure(case.out)
    assert report.source_lufs == pytest.approx(source.integrated, abs=1e-6)
    assert made.integrated == pytest.approx(source.integrated, abs=0.1)
    assert report.output_lufs == pytest.approx(made.integrated, abs=0.02)
    assert report.lra == pytest.approx(made.range, abs=0.05)
    assert report.true_peak_dbtp == pytest.approx(made.true_peak, abs=0.01)


@pytest.mark.parametrize("target", [-23.0, -16.0])
def test_programme_reaches_a_preset(case: Case, target: float) -> None:
    report = mix(case.spec(settings=MixSettings(loudness=target)), case.out)
    made = measure(case.out)
    assert made.integrated == pytest.approx(target, abs=0.3)
    assert made.true_peak <= -1.0 + 0.1
    assert report.output_lufs == pytest.approx(made.integrated, abs=0.02)


def test_limiter_holds_the_ceiling_and_says_how_often(tmp_path: Path) -> None:
    case = Case(tmp_path)
    line = tone(2.0, DUB, -30, rate=LINE_RATE)
    line[::2_000] = 0.9  # clicks far above the line's loudness
    save(case.lines[0].audio, line, rate=LINE_RATE)
    report = mix(case.spec(settings=MixSettings(loudness=-16.0)), case.out)
    made = measure(case.out)
    assert made.true_peak <= -1.0 + 0.1
    assert report.true_peak_dbtp == pytest.approx(made.true_peak, abs=0.02)
    assert 0 < report.limited_share < 0.5
    assert made.integrated == pytest.approx(-16.0, abs=0.5)


@pytest.mark.parametrize(
    ("preset", "lufs", "ceiling"),
    [
        ("ebu-r128", -23.0, -1.0),
        ("atsc-a85", -24.0, -2.0),
        ("streaming", -14.0, -1.0),
        ("podcast", -16.0, -1.0),
    ],
)
def test_a_named_preset_sets_loudness_and_ceiling(
    case: Case, preset: LoudnessPreset, lufs: float, ceiling: float
) -> None:
    line = tone(2.0, DUB, -30, rate=LINE_RATE)
    line[::3_000] = 0.9  # peaks for the limiter
    save(case.lines[0].audio, line, rate=LINE_RATE)
    report = mix(case.spec(settings=MixSettings(loudness=preset)), case.out)
    made = measure(case.out)
    assert made.integrated == pytest.approx(lufs, abs=0.3)
    assert made.true_peak <= ceiling - HEADROOM + 0.1
    assert (report.target_lufs, report.ceiling_dbtp) == (lufs, ceiling)
    assert report.warnings == ()


def test_true_peak_lowers_the_ceiling_of_a_preset_and_never_raises_it(case: Case) -> None:
    for true_peak, ceiling in [(-6.0, -6.0), (0.0, -2.0)]:
        settings = MixSettings(loudness="atsc-a85", true_peak=true_peak)
        assert mix(case.spec(settings=settings), case.out).ceiling_dbtp == ceiling


def test_dialogue_27_is_about_the_lines_alone(tmp_path: Path) -> None:
    case = Case(tmp_path)
    loud = tone(SECONDS, MUSIC, -34)
    at(loud, 9, 12)[:] = tone(3, MUSIC, -8)  # far louder than anybody speaks
    save(case.bed, stereo(loud))
    report = mix(case.spec(settings=MixSettings(loudness="dialogue-27")), case.out)
    assert report.dialogue_lufs == pytest.approx(-27, abs=0.3)
    assert report.output_lufs is not None and report.output_lufs > -20
    spoken = np.concatenate([at(load(case.out), *window) for window in case.windows])
    assert speech_level(spoken, RATE) == pytest.approx(-27, abs=0.3)
    assert measure(case.out).true_peak <= -2.0


def test_kept_stretches_are_dialogue_too(case: Case) -> None:
    settings = MixSettings(loudness="dialogue-27")
    report = mix(case.spec(lines=[], keep=[(2.0, 4.0)], settings=settings), case.out)
    assert report.dialogue_lufs == pytest.approx(-27, abs=0.3)
    kept = at(load(case.out), 2, 4)
    assert speech_level(kept, RATE) == pytest.approx(-27, abs=0.3)


def test_without_dialogue_the_programme_is_brought_there(case: Case) -> None:
    spec = case.spec(lines=[], settings=MixSettings(loudness="dialogue-27"))
    report = mix(spec, case.out)
    assert (report.dialogue_lufs, report.warnings) == (None, ())
    assert measure(case.out).integrated == pytest.approx(-27, abs=0.3)


def stems_of(case: Case) -> Stems:
    return Stems(dialogue=case.folder / "dialogue.wav", bed=case.folder / "music.wav")


def peaky(case: Case) -> Case:
    line = tone(2.0, DUB, -30, rate=LINE_RATE)
    line[::2_000] = 0.9
    save(case.lines[0].audio, line, rate=LINE_RATE)
    return case


@pytest.mark.parametrize("separated", [True, False])
@pytest.mark.parametrize("loudness", [-30.0, -12.0], ids=["gain", "limiter"])
def test_stems_add_up_to_the_mix(case: Case, separated: bool, loudness: float) -> None:
    spec = peaky(case).spec(
        separated=separated,
        lines=case.lines[:1],
        keep=[(6.0, 8.0)],
        settings=MixSettings(loudness=loudness),
    )
    mix(spec, case.out)
    alone = case.out.read_bytes()
    stems = stems_of(case)
    report = mix(spec, case.out, stems=stems)
    assert (report.limited_share > 0) == (loudness == -12.0)
    assert case.out.read_bytes() == alone  # whether they were wanted does not change the mix
    whole, dialogue, bed = load(case.out), load(stems.dialogue), load(stems.bed)
    assert dialogue.shape == bed.shape == whole.shape
    np.testing.assert_allclose(dialogue + bed, whole, atol=1e-6)
    assert channel_mask(stems.bed, 2) == channel_mask(case.out, 2)
    assert [w.code for w in report.warnings if w.code != "loudness_not_reached"] == (
        [] if separated else ["stems_not_separated"]
    )


def test_stems_hold_what_they_are_named_for(case: Case) -> None:
    stems = stems_of(case)
    report = mix(case.spec(lines=case.lines[:1], keep=[(6.0, 8.0)]), case.out, stems=stems)
    dialogue, bed = load(stems.dialogue), load(stems.bed)
    assert level(at(dialogue, 2.5, 3.5), DUB) > -40
    assert level(at(dialogue, 2.5, 3.5), MUSIC) < -90
    assert level(at(bed, 2.5, 3.5), DUB) < -90
    assert level(at(bed, 2.5, 3.5), MUSIC) == pytest.approx(-40 + report.gain_db, abs=0.1)
    # Kept speech is dialogue; the music under it is not.
    assert level(at(dialogue, 6.5, 7.5), VOICE) == pytest.approx(-20 + report.gain_db, abs=0.1)
    assert level(at(dialogue, 6.5, 7.5), MUSIC) < -90
    assert level(at(bed, 6.5, 7.5), VOICE) < -80
    assert level(at(bed, 6.5, 7.5), MUSIC) == pytest.approx(-34 + report.gain_db, abs=0.1)
    assert not at(dialogue, 9, 12).any()


def test_what_was_not_separated_is_kept_as_dialogue(case: Case) -> None:
    stems = stems_of(case)
    spec = case.spec(separated=False, lines=[], keep=[(6.0, 8.0)])
    report = mix(spec, case.out, stems=stems)
    gain = np.float32(from_db(report.gain_db))
    np.testing.assert_array_equal(at(load(stems.dialogue), 6, 8), at(load(case.mix), 6, 8) * gain)
    assert not at(load(stems.bed), 6, 8).any()


def test_a_target_out_of_reach_is_reported(case: Case) -> None:
    report = mix(case.spec(settings=MixSettings(loudness=0.0)), case.out)
    assert [w.code for w in report.warnings] == ["loudness_not_reached"]
    assert measure(case.out).true_peak <= -1.0 + 0.1


def test_a_shout_stays_louder(tmp_path: Path) -> None:
    case = Case(tmp_path, voice_dbfs=(-26, -18))
    report = mix(case.spec(), case.out)
    assert report.line_gains[1] - report.line_gains[0] == pytest.approx(8 * DAMPING, abs=0.3)


def test_without_separation_the_original_ducks_under_the_dub(case: Case) -> None:
    report = mix(case.spec(separated=False), case.out)
    out = load(case.out)
    assert level(at(out, 2.5, 3.5), VOICE) == pytest.approx(-20 - 18 + report.gain_db, abs=0.2)
    assert level(at(out, 10, 11), MUSIC) == pytest.approx(-34 + report.gain_db, abs=0.1)
    assert level(at(out, 2.5, 3.5), DUB) > level(at(out, 2.5, 3.5), VOICE) + 12


def test_without_separation_the_original_voice_ducks_where_no_dub_sounds(case: Case) -> None:
    short = [MixLine(id="s", audio=save(case.folder / "s.wav", tone(0.5, DUB, -30)), start=2.0,
                     length=0.5, stretch=1.0, window=(2.0, 4.0))]  # fmt: skip
    report = mix(case.spec(separated=False, lines=short), case.out)
    out = load(case.out)
    assert level(at(out, 3, 4), VOICE) == pytest.approx(-38 + report.gain_db, abs=0.2)


def test_kept_stretches_are_the_original(case: Case) -> None:
    report = mix(case.spec(lines=case.lines[:1], keep=[(6.0, 8.0)]), case.out)
    out, original = load(case.out), load(case.mix)
    gain = np.float32(from_db(report.gain_db))
    np.testing.assert_array_equal(at(out, 6, 8), at(original, 6, 8) * gain)
    # The crossfades lie outside: a quarter of a second on there is only the bed.
    assert level(at(out, 8.25, 9), VOICE) < -60
    seam = np.abs(np.diff(at(out, 5.9, 8.1)[:, 0])).max()
    assert seam <= 1.05 * np.abs(np.diff(at(original, 6.5, 7.5)[:, 0])).max() * gain


def test_lines_are_stretched_and_placed(case: Case) -> None:
    pulse = tone(1.5, DUB, -20, rate=LINE_RATE)
    lines = [
        MixLine(
            id="a",
            audio=save(case.folder / "a.wav", pulse, rate=LINE_RATE),
            start=3.25,
            length=1.2,
            stretch=1.25,
            window=(3.0, 4.5),
        )
    ]
    mix(case.spec(lines=lines), case.out)
    sounding = np.abs(load(case.out)[:, 0])
    mean = np.convolve(sounding, np.ones(480) / 480, "same")
    loud = np.flatnonzero(mean > 0.5 * mean.max()) / RATE
    assert loud[0] == pytest.approx(3.25, abs=0.01)
    assert loud[-1] == pytest.approx(3.25 + 1.2, abs=0.01)
    assert level(at(load(case.out), 3.5, 4.2), DUB) > level(at(load(case.out), 3.5, 4.2), 1875) + 20


def test_a_line_across_many_blocks_is_whole(tmp_path: Path) -> None:
    case = Case(tmp_path)
    long = save(tmp_path / "long.wav", tone(8.0, DUB, -20, rate=44_100), rate=44_100)
    line = MixLine(id="x", audio=long, start=0.7, length=8.0, stretch=1.0, window=(2, 4))
    mix(case.spec(lines=[line]), case.out)
    out = load(case.out)
    levels = [level(at(out, t, t + 0.5), DUB) for t in np.arange(0.8, 8.1, 0.5)]
    assert max(levels) - min(levels) < 0.1


def test_what_does_not_fit_is_reported(case: Case) -> None:
    late = MixLine(
        id="late", audio=case.lines[0].audio, start=11, length=1.0, stretch=1.0, window=(2, 4)
    )
    never = replace(late, id="never", start=SECONDS + 1)
    report = mix(case.spec(lines=[never, late]), case.out)
    assert {(w.code, w.line) for w in report.warnings} == {
        ("line_too_long", "late"),
        ("line_after_end", "late"),
        ("line_after_end", "never"),
    }
    assert len(load(case.out)) == round(SECONDS * RATE)


def in_surround(case: Case, channels: int, mask: int, centre: int) -> Audio:
    """Put the case into one channel and noise into the others; returns that noise."""
    frames = round(SECONDS * RATE)
    random = np.random.default_rng(4)
    around = (0.01 * random.standard_normal((frames, channels))).astype(np.float32)
    for path in (case.mix, case.bed, case.speech):
        x = np.zeros_like(around) if path == case.speech else around.copy()
        x[:, centre] = load(path)[:, 0]
        with FloatWavWriter(
            path, sample_rate=RATE, channels=channels, frames=frames, mask=mask
        ) as wav:
            wav.write(x)
    return np.delete(around, centre, axis=1)


@pytest.mark.parametrize(
    ("channels", "mask", "centre", "separated"),
    [
        pytest.param(3, 0x7, 2, True, id="3.0"),
        pytest.param(5, 0x37, 2, True, id="5.0"),
        pytest.param(6, 0x3F, 2, True, id="5.1"),
        pytest.param(6, 0x3F, 2, False, id="5.1, not separated"),
        pytest.param(6, 0x60F, 2, True, id="5.1, side"),
        pytest.param(8, 0x63F, 2, True, id="7.1"),
        pytest.param(3, 0x10C, 0, True, id="the centre first"),
    ],
)
def test_in_surround_only_the_centre_is_touched(
    tmp_path: Path, channels: int, mask: int, centre: int, separated: bool
) -> None:
    case = Case(tmp_path)
    around = in_surround(case, channels, mask, centre)
    report = mix(case.spec(separated=separated), case.out)
    out = load(case.out)
    gain = np.float32(from_db(report.gain_db))
    np.testing.assert_array_equal(np.delete(out, centre, axis=1), around * gain)
    assert level(at(out, 2.5, 3.5)[:, centre:], DUB) > -40


def test_without_gain_the_other_channels_are_the_very_samples(tmp_path: Path) -> None:
    case = Case(tmp_path)
    around = in_surround(case, 6, 0x3F, 2)
    # Kept from end to end it is the source, which already has the loudness that match asks for.
    report = mix(case.spec(lines=[], keep=[(0.0, SECONDS)]), case.out)
    assert report.gain_db == 0.0
    np.testing.assert_array_equal(np.delete(load(case.out), 2, axis=1), around)
    np.testing.assert_array_equal(load(case.out), load(case.mix))


@pytest.mark.parametrize(
    ("channels", "mask"),
    [
        pytest.param(4, 0x33, id="quad"),
        pytest.param(3, 0x103, id="front pair and a back centre"),
        pytest.param(5, 0, id="no mask"),
        pytest.param(7, 0x3, id="a mask of another size"),
    ],
)
def test_without_a_centre_the_dub_goes_to_the_front_pair(
    tmp_path: Path, channels: int, mask: int
) -> None:
    case = Case(tmp_path)
    for path in (case.mix, case.bed, case.speech):
        x = np.zeros((round(SECONDS * RATE), channels), np.float32)
        x[:, :2] = load(path)
        if path != case.speech:
            x[:, 2:] = tone(SECONDS, 330, -40)[:, None]
        with FloatWavWriter(
            path, sample_rate=RATE, channels=channels, frames=len(x), mask=mask
        ) as wav:
            wav.write(x)
    mix(case.spec(), case.out)
    out = at(load(case.out), 2.5, 3.5)
    speaking = [c for c in range(channels) if level(out[:, c:], DUB) > -40]
    centre = default_mask(channels) & 0x4 and mask.bit_count() != channels
    assert speaking == ([2] if centre else [0, 1])


@pytest.mark.parametrize("channels", [1, 6, 8])
def test_other_layouts_keep_their_channels(tmp_path: Path, channels: int) -> None:
    case = Case(tmp_path)
    names = ("mix", "bed", "speech")
    for number, name in enumerate(names):
        path = getattr(case, name)
        mono = load(path)[:, :1]
        wide = np.repeat(mono, channels, axis=1)
        if channels > 1 and name != "mix":
            wide[:, 5:] = load(case.mix)[:, :1] if number == 1 else 0  # speech only in front
        save(path, wide)
    report = mix(case.spec(), case.out)
    out, bed = load(case.out), load(case.bed)
    assert out.shape == (round(SECONDS * RATE), channels)
    assert channel_mask(case.out, channels) == channel_mask(case.mix, channels)
    centre = 0 if channels == 1 else 2
    assert level(at(out, 2.5, 3.5)[:, centre:], DUB) > -40
    gain = np.float32(from_db(report.gain_db))
    others = [c for c in range(channels) if c != centre]
    np.testing.assert_allclose(out[:, others], bed[:, others] * gain, atol=1e-6)
    assert level(at(out, 2.5, 3.5)[:, centre:], MUSIC) == pytest.approx(
        level(at(out, 10, 11)[:, centre:], MUSIC) - 6, abs=0.1
    )


def test_silent_source_gives_no_nan(tmp_path: Path) -> None:
    case = Case(tmp_path)
    for path in (case.mix, case.bed, case.speech):
        save(path, np.zeros((round(SECONDS * RATE), 2), np.float32))
    report = mix(case.spec(), case.out)
    out = load(case.out)
    assert np.isfinite(out).all()
    assert report.source_lufs is None
    assert [w.code for w in report.warnings] == ["source_silent"]
    assert speech_level(at(out, 2.2, 3.8), RATE) == pytest.approx(DEFAULT_DIALOGUE, abs=0.5)


def test_nothing_at_all_stays_silent(tmp_path: Path) -> None:
    case = Case(tmp_path)
    for path in (case.mix, case.bed, case.speech):
        save(path, np.zeros((round(SECONDS * RATE), 2), np.float32))
    report = mix(case.spec(lines=[]), case.out)
    assert not load(case.out).any()
    assert (report.output_lufs, report.true_peak_dbtp, report.gain_db) == (None, None, 0.0)


def test_an_empty_programme_is_an_empty_file(tmp_path: Path) -> None:
    case = Case(tmp_path)
    for path in (case.mix, case.bed, case.speech):
        save(path, np.zeros((0, 2), np.float32))
    report = mix(case.spec(lines=[]), case.out)
    assert (report.frames, report.output_lufs) == (0, None)
    assert load(case.out).shape == (0, 2)


def test_a_silent_line_is_left_alone(case: Case) -> None:
    save(case.lines[0].audio, np.zeros(LINE_RATE, np.float32), rate=LINE_RATE)
    report = mix(case.spec(), case.out)
    assert report.line_gains[0] == 0.0
    assert np.isfinite(load(case.out)).all()


def test_same_input_gives_the_same_bytes(case: Case) -> None:
    mix(case.spec(), case.out)
    again = case.folder / "again.wav"
    mix(case.spec(lines=list(reversed(case.lines))), again)
    assert case.out.read_bytes() == again.read_bytes()


def test_progress_rises_to_one(case: Case) -> None:
    seen: list[float] = []
    mix(case.spec(), case.out, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0 and len(seen) > 10


@pytest.mark.parametrize("after", [0, 5, 14])
def test_cancelling_leaves_nothing_behind(case: Case, after: int) -> None:
    cancel = CancelToken()
    before = set(case.folder.iterdir())
    calls = 0

    def progress(share: float) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            cancel.cancel()

    if after == 0:
        cancel.cancel()
    with pytest.raises(Cancelled):
        mix(case.spec(), case.out, progress=progress, cancel=cancel)
    assert set(case.folder.iterdir()) == before


def test_unusable_inputs_are_named(case: Case, tmp_path: Path) -> None:
    missing = MixLine(
        id="m", audio=tmp_path / "none.wav", start=1, length=1, stretch=1.0, window=(1, 2)
    )
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF, they said")
    narrow = save(tmp_path / "narrow.wav", tone(SECONDS, MUSIC, -20))
    for spec, error, name in [
        (case.spec(lines=[missing]), MediaNotFound, "none.wav"),
        (case.spec(mix=tmp_path / "no.wav"), MediaNotFound, "no.wav"),
        (case.spec(bed=broken), MediaUnreadable, "broken.wav"),
        (case.spec(bed=narrow), StageError, "narrow.wav"),
        (case.spec(speech=narrow), StageError, "narrow.wav"),
    ]:
        with pytest.raises(error, match=name) as caught:
            mix(spec, case.out)
        assert caught.value.hint
        assert not case.out.exists()


def test_a_line_must_be_mono(case: Case) -> None:
    save(case.lines[0].audio, stereo(tone(1, DUB, -20)))
    with pytest.raises(StageError, match="line0"):
        mix(case.spec(), case.out)


def test_a_folder_that_is_not_there(case: Case) -> None:
    with pytest.raises(OutputUnwritable):
        mix(case.spec(), case.folder / "no" / "out.wav")


@pytest.mark.parametrize(
    ("levels", "targets"),
    [
        pytest.param([], [], id="no lines"),
        pytest.param([-20.0], [-20.0], id="one line"),
        pytest.param([-24.0, -20.0, -16.0], [-22.8, -20.0, -17.2], id="damped"),
        pytest.param([-40.0, -20.0, 0.0], [-26.0, -20.0, -14.0], id="limited"),
        pytest.param([-20.0, -20.0, -60.0], [-20.0, -20.0, -20.0], id="a missed line"),
        pytest.param([-20.0, -20.0, -math.inf], [-20.0, -20.0, -20.0], id="a silent window"),
        pytest.param([-math.inf], [DEFAULT_DIALOGUE], id="no dialogue"),
    ],
)
def test_line_targets(levels: list[float], targets: list[float]) -> None:
    assert line_targets(levels, 6.0) == pytest.approx(targets)


def test_memory_does_not_grow_with_duration_or_lines(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for copies in (1, 8):
        folder = tmp_path / str(copies)
        folder.mkdir()
        case = Case(folder)
        for path in (case.mix, case.bed, case.speech):
            save(path, np.tile(load(path), (copies, 1)))
        shifted = [
            MixLine(
                audio=line.audio,
                start=line.start + i * SECONDS,
                length=line.length,
                stretch=1.1,
                window=line.window,
            )
            for i in range(copies)
            for line in case.lines
        ]
        spec = case.spec(lines=shifted)
        mix(spec, case.out)  # what is loaded and cached once does not count
        tracemalloc.start()
        mix(spec, case.out)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Holding what is longer even once would take 32 MB; how the two threads' blocks fall together
    # moves the peak by a few.
    longer = 7 * SECONDS * RATE * 2 * 4
    assert peaks[1] - peaks[0] < 0.2 * longer
