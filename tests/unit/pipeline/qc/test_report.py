"""From sounds whose measures are known to the report, and the report to JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from onevoice import media
from onevoice.config import Settings
from onevoice.engines import registry
from onevoice.engines.base import CancelToken, EngineBase, EngineInfo, Progress
from onevoice.errors import EngineFailed, MediaNotFound, MediaUnreadable
from onevoice.pipeline import report as reports
from onevoice.pipeline.events import Event, StageFinished, StageProgress, StageStarted
from onevoice.pipeline.qc import activity, assess, pair, scripted
from onevoice.pipeline.qc.material import Material, Side
from onevoice.pipeline.qc.measures import ScriptLine
from onevoice.pipeline.qc.model import Report, SettingsReport, WarningReport
from onevoice.pipeline.qc.sound import Sound, dub_track, same_language
from onevoice.pipeline.qc.spans import Span
from onevoice.pipeline.qc.thresholds import load_thresholds
from onevoice.pipeline.store import LocalStore
from onevoice.types import Recognition, Segment, Word

RATE = 48_000
SECONDS = 12.0
EDGES = 10 * math.log10((20 + 15) / (23 + 18))
"""In LU: of bursts of 2 and 1.5 s, 17 and 12 blocks of 0.4 s are full, and at either end there
are three more, filled to 75, 50 and 25 %, that pass the gate."""
VOICE: tuple[Span, ...] = ((1.0, 3.0), (5.0, 7.0), (9.0, 11.0))


def tone(path: Path, spans: Sequence[Span], db: float = -23.0) -> Path:
    """1 kHz in both channels where the spans are: a stereo sine of x dBFS (peak) is x LUFS."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    on = np.zeros_like(time, dtype=bool)
    for start, end in spans:
        on |= (time >= start) & (time < end)
    wave = np.where(on, 10 ** (db / 20) * np.sin(2 * np.pi * 1000 * time), 0.0)
    sf.write(path, np.stack([wave, wave], 1).astype(np.float32), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def side(path: Path, store: LocalStore, folder: Path) -> Side:
    sound = Sound.track(path, 0, store, folder)
    return Side(info=media.probe(path), track=0, sound=sound)


class KnownVoice(Sound):
    """A sound of which somebody else has said when there is speech in it."""

    def voice(self) -> list[Span]:
        return list(VOICE)


@pytest.fixture
def material(tmp_path: Path, store: LocalStore) -> Material:
    work = tmp_path / "work"
    work.mkdir()
    before = side(tone(tmp_path / "talk.wav", VOICE, -20), store, work)
    after = side(tone(tmp_path / "talk.es.wav", [(1, 3), (5.5, 7)], -26), store, work)
    lines = (
        ScriptLine(id="s1", window=(1, 3), placements=((1, 3),), text="uno dos", rate=1.0,
                   stretch=1.0, trimmed=0.0, speaker="S1", source_text="one two"),
        ScriptLine(id="s2", window=(5, 7), placements=((5.5, 7),), text="tres 4", rate=1.3,
                   stretch=1.3, trimmed=0.0, marks=("shortened",)),
        ScriptLine(id="s3", window=(9, 11), kept=True),
    )  # fmt: skip
    return Material(
        language="es",
        source_language="en",
        original=before,
        dub=after,
        speech=KnownVoice("voice", store, lambda: before.info.path),
        lines=lines,
        settings=SettingsReport(profile="embedded"),
        target_lufs=-23.0,
        warnings=(WarningReport(code="line_too_fast", message="1.30x", line="s2"),),
    )


def heard(*words: tuple[str, float, float]) -> Recognition:
    return Recognition(
        language="es",
        language_probability=1.0,
        words=tuple(Word(text=text, start=start, end=end) for text, start, end in words),
        duration=SECONDS,
    )


def test_a_report_of_known_sounds(material: Material) -> None:
    words = heard(("uno", 1, 2), ("dos", 2, 3), ("tres", 5.5, 6), ("cuadro", 6, 7))
    report = assess.assess(material, load_thresholds(), heard=words)
    value = {name: measure.value for name, measure in report.programme.items()}
    assert value["lufs"] == pytest.approx(-26 + EDGES, abs=0.02)
    assert value["lufs_deviation"] == pytest.approx(-3 + EDGES, abs=0.02)
    assert value["true_peak"] == pytest.approx(-26, abs=0.1)
    assert value["coverage"] == pytest.approx(3.5 / 4)
    assert value["overlap"] == pytest.approx((1 + 0.75) / 2)
    assert (value["holes"], value["longest_hole"]) == (1, 0.5)
    assert (value["duration_delta"], value["overlapped_seconds"]) == (0, 0)
    assert value["cer"] == pytest.approx(1 / 16, abs=1e-3)  # unodos tres cuatro: t is heard as d
    assert value["wer"] == pytest.approx(1 / 4)
    assert value["untagged_tracks"] is None  # a WAV has no tags
    assert report.verdict == "fail"
    assert [name for name, m in report.programme.items() if m.verdict == "fail"] == [
        "too_fast_share",
        "lufs_deviation",
    ]
    first, second, third = report.lines
    assert (first.heard, first.cer, first.flags) == ("uno dos", 0, ())
    assert first.source_loudness == pytest.approx(-20, abs=0.2)
    assert first.dub_loudness == pytest.approx(-26, abs=0.2)
    assert (second.start_offset, second.overlap) == (0.5, 0.75)
    assert second.flags == ("rate", "stretch", "line_too_fast", "shortened")
    assert (third.kept, third.overlap, third.dub_loudness, third.flags) == (True, None, None, ())
    assert [(hole.start, hole.end) for hole in report.holes] == [(5.0, 5.5)]


def test_without_a_round_trip_there_are_no_error_rates(material: Material) -> None:
    report = assess.assess(material, load_thresholds())
    assert report.programme["cer"].value is None
    assert report.programme["cer"].verdict == "none"
    assert report.lines[0].heard is None


def test_figures_are_measured_once(material: Material) -> None:
    first = assess.assess(material, load_thresholds())
    again = Sound(material.dub.sound.key, material.dub.sound._store, lambda: Path("nowhere"))
    dub = replace(material.dub, sound=again, info=replace(material.dub.info, path=Path("x.wav")))
    second = assess.assess(replace(material, dub=dub), load_thresholds())
    assert second.programme == first.programme
    assert second.lines == first.lines


def test_the_report_survives_its_json_whose_keys_are_pinned(material: Material) -> None:
    report = assess.assess(material, load_thresholds())
    tree: dict[str, Any] = json.loads(report.to_json())
    assert Report.model_validate_json(report.to_json()) == report
    assert tree["schema"] == "onevoice.report/2"
    assert list(tree) == [
        "schema", "version", "verdict", "source_language", "language", "original", "dub",
        "settings", "programme", "line_limits", "lines", "holes", "changes", "streams", "costs",
        "warnings",
    ]  # fmt: skip
    assert list(tree["lines"][0]) == [
        "id", "speaker", "source_text", "text", "said", "heard", "kept", "window", "placements",
        "start_offset", "end_offset", "overlap", "rate", "stretch", "gap", "cer", "wer",
        "source_loudness", "dub_loudness", "on_screen", "flags",
    ]  # fmt: skip
    assert list(tree["programme"]["cer"]) == ["value", "unit", "threshold", "verdict"]
    assert tree["original"] == {"name": "talk.wav", "duration": 12.0, "track": 0}


# --- voice activity -------------------------------------------------------------------------


def test_activity_is_drawn_in_to_the_sound_and_parted_at_pauses() -> None:
    active = np.zeros(1000, dtype=bool)
    for start, end in ((100, 200), (215, 300), (340, 400), (900, 903)):
        active[start:end] = True
    found = activity.drawn_in(((0.8, 5.0), (8.0, 9.9)), active)
    # 0.15 s is no pause, 0.4 s is one; a click of 30 ms is no speech.
    assert [time for span in found for time in span] == pytest.approx([1.0, 3.0, 3.4, 4.0])


# --- tracks ---------------------------------------------------------------------------------


def test_the_dub_is_found_among_the_tracks_by_its_tag(tmp_path: Path) -> None:
    info = media.probe(tone(tmp_path / "a.wav", VOICE))
    stream = info.audio[0]

    def tagged(*tags: str, default: int = 0) -> media.MediaInfo:
        tracks = (replace(stream, language=t, default=i == default) for i, t in enumerate(tags))
        return replace(info, container="mkv", audio=tuple(tracks))

    assert dub_track(tagged("eng", "spa", "kor"), "ko") == 2
    assert dub_track(tagged("eng", "spa", default=1), "pt") == 1
    assert dub_track(tagged(""), "pt") == 0
    assert same_language("por", "pt-BR")
    assert not same_language("por", "es")
    both = Side(info=tagged("eng", ""), track=0, sound=None)  # type: ignore[arg-type]
    assert assess.untagged(both, "es") == 2  # the dub says it is English; the other says nothing


# --- pairs ----------------------------------------------------------------------------------


def sentence(name: str, start: float, end: float) -> Segment:
    return Segment(id=name, start=start, end=end, speaker="S1", text=name)


def test_phrases_are_matched_in_order_and_far_ones_not_at_all() -> None:
    sentences = [sentence("a", 1, 3), sentence("b", 4, 6), sentence("c", 7, 8)]
    words = heard(
        ("uno.", 1.2, 2.9), ("dos", 4.1, 4.9), ("tres", 5.5, 6.4), ("lejos", 11.5, 11.9)
    )  # fmt: skip
    spoken = pair.phrases(words)
    assert [[w.text for w in phrase] for phrase in spoken] == [
        ["uno."], ["dos"], ["tres"], ["lejos"],
    ]  # fmt: skip
    a, b, c = pair.matched(sentences, spoken, [(1.3, 2.9), (4.1, 6.3)])
    assert a.placements == ((1.3, 2.9),)
    assert b.placements == ((4.1, 4.9), (5.5, 6.3))
    assert (b.heard, c.placements, c.heard) == ("dos tres", (), None)
    assert (a.text, a.rate, a.trimmed) == (None, None, None)


class Listener(EngineBase):
    """Hears English in talk.wav, Spanish elsewhere; counts how often it is asked."""

    info = EngineInfo(kind="recognition", name="listener", summary="x", licence="test")
    asked = 0
    broken = False

    def transcribe(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        Listener.asked += 1
        if self.broken:
            raise EngineFailed("it broke")
        progress(1.0)
        late = (
            sf.info(audio).frames and float(np.abs(sf.read(audio)[0][int(5.2 * RATE)]).max()) == 0
        )
        start = 5.5 if late else 5.0
        words = (("Hello", 1.0, 2.0), ("there.", 2.0, 3.0), ("Goodbye.", start, 7.0))
        made = tuple(Word(text=text, start=a, end=b) for text, a, b in words)
        return Recognition(
            language=language or ("es" if late else "en"),
            language_probability=1.0,
            words=made,
            duration=SECONDS,
        )


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(Listener, "asked", 0)
    monkeypatch.setattr(Listener, "broken", False)
    create = registry.create

    def made(kind: Any, name: str, options: Any, runtime: Any) -> Any:
        return (
            Listener(None, runtime) if name == "listener" else create(kind, name, options, runtime)
        )

    monkeypatch.setattr(registry, "create", made)
    monkeypatch.setattr(Listener, "identity", lambda self: {"engine": "listener"})
    tree = {"recognition": {"engine": "listener"}, "quality": {"page": False}}
    return Settings.model_validate(tree)


def test_any_pair_is_measured_and_what_is_not_known_is_null(
    tmp_path: Path, store: LocalStore, settings: Settings
) -> None:
    original = tone(tmp_path / "talk.wav", [(1, 3), (5, 7)])
    dub = tone(tmp_path / "other.wav", [(1, 3), (5.5, 7)])
    for _ in range(2):
        with reports.measuring(settings, original, CancelToken(), store) as job:
            report, path = reports.report_pair(job, original, dub, tmp_path / "new" / "folder")
    assert Listener.asked == 2  # one pass over each file, and none for the second look
    assert path == tmp_path / "new" / "folder" / "other.report.es.json"
    assert Report.model_validate_json(path.read_text(encoding="utf-8")) == report
    assert (report.source_language, report.language) == ("en", "es")
    assert [line.source_text for line in report.lines] == ["Hello there.", "Goodbye."]
    assert [line.start_offset for line in report.lines] == [0, 0.5]
    for name in ("cer", "rate", "overlapped_seconds", "trimmed_words", "lufs_deviation"):
        assert report.programme[name].value is None
    assert report.programme["lufs"].value == pytest.approx(-23 + EDGES, abs=0.02)
    assert report.settings.round_trip == "listener"


def test_the_text_of_a_foreign_dub_makes_its_errors_known(
    tmp_path: Path, store: LocalStore, settings: Settings
) -> None:
    original = tone(tmp_path / "talk.wav", [(1, 3), (5, 7)])
    dub = tone(tmp_path / "other.wav", [(1, 3), (5.5, 7)])
    # Cut and timed otherwise than what is heard: only the words count.
    text = tmp_path / "other.srt"
    text.write_text(
        "1\n00:00:04,000 --> 00:00:05,000\nHello their good-\n\n"
        "2\n00:00:09,000 --> 00:00:10,000\nbye, friend.\n"
    )
    with reports.measuring(settings, original, CancelToken(), store) as job:
        report, _ = reports.report_pair(job, original, dub, tmp_path, text=text)
    assert [(line.text, line.heard) for line in report.lines] == [
        ("Hello their", "Hello there."),
        ("good- bye, friend.", "Goodbye."),
    ]
    # "their" for "there" are two letters, "friend" six, of 23 that were to be said.
    assert report.programme["cer"].value == pytest.approx(8 / 23, abs=1e-3)
    assert report.lines[0].cer == pytest.approx(2 / 10)


@pytest.mark.parametrize(
    ("language", "heard_in", "text", "parts"),
    [
        ("es", ("uno dos", None, "tres"), "Uno, dos. Tres.", ["Uno, dos.", None, "Tres."]),
        ("es", ("uno", "x y z"), "uno dos", ["uno", "dos"]),
        ("ko", ("오늘날씨가", "좋아요"), "오늘 날씨가 좋아요!", ["오늘 날씨가", "좋아요!"]),
        ("ko", ("이십일 번", "버스"), "21번 버스", ["21번", "버스"]),
        ("ja", ("今日は", "晴れ"), "今日はいい。晴れ。", ["今日はいい。", "晴れ。"]),
        ("es", ("uno", "dos"), "Uno. ¡Ay! Dos.", ["Uno.", "¡Ay! Dos."]),
        ("es", ("uno", "dos"), "Uno, ay. Dos. Fin.", ["Uno, ay.", "Dos. Fin."]),
        ("es", (None, None), "nada se oye", ["nada se oye", None]),
        ("es", ("algo",), "otra", ["otra"]),
    ],
)
def test_a_text_goes_where_its_words_are_heard(
    language: str, heard_in: tuple[str | None, ...], text: str, parts: list[str | None]
) -> None:
    lines = [
        ScriptLine(id=f"s{i}", window=(i, i + 1), heard=said) for i, said in enumerate(heard_in)
    ]
    found = scripted.scripted(lines, text, language)
    assert [line.text for line in found] == parts


def test_what_was_to_be_said_and_is_not_counts_as_errors(
    tmp_path: Path, store: LocalStore, material: Material
) -> None:
    silent = ScriptLine(id="s9", window=(9.0, 11.0), text="abcde")
    kept = ScriptLine(id="k1", window=(9.0, 11.0), text="la la", kept=True)
    more = replace(material, lines=(*material.lines, silent, kept))
    nothing = Recognition(language="es", language_probability=1.0, words=(), duration=SECONDS)
    report = assess.assess(more, load_thresholds(), heard=nothing)
    assert {line.id: line.cer for line in report.lines if line.id in ("s9", "k1")} == {
        "s9": 1.0,
        "k1": None,
    }


def test_texts_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    plain = tmp_path / "said.txt"
    plain.write_text("  Hola\n\nmundo ")
    assert scripted.read_text(plain) == "Hola mundo"
    (tmp_path / "empty.txt").touch()
    with pytest.raises(MediaUnreadable, match="no text in"):
        scripted.read_text(tmp_path / "empty.txt")
    for name in ("none.txt", "none.srt"):
        with pytest.raises(MediaNotFound, match=name):
            scripted.read_text(tmp_path / name)


def test_a_report_tells_how_far_it_is(
    tmp_path: Path, store: LocalStore, settings: Settings
) -> None:
    original = tone(tmp_path / "talk.wav", [(1, 3), (5, 7)])
    told: list[Event] = []

    class Observer:
        def on_event(self, event: Event) -> None:
            told.append(event)

    with reports.measuring(settings, original, CancelToken(), store, Observer()) as job:
        reports.report_pair(job, original, original, tmp_path, language="en")
    assert told[0] == StageStarted(stage="report", language="en")
    assert isinstance(told[-1], StageFinished)
    shares = [event.done for event in told if isinstance(event, StageProgress)]
    assert shares == [0.5, 1.0]


def test_a_round_trip_that_cannot_be_made_is_a_warning_unless_it_is_demanded(
    material: Material, store: LocalStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "broken", True)
    with reports.measuring(settings, Path("talk.wav"), CancelToken(), store) as job:
        quiet = reports._listened(job, material, load_thresholds(), thorough=False)
        asked = reports._listened(job, material, load_thresholds(), thorough=True)
        assert "round_trip_missing" not in {w.code for w in quiet.warnings}
        assert "round_trip_missing" in {w.code for w in asked.warnings}
        quality = settings.quality.model_copy(update={"round_trip": True})
        job.settings = settings.model_copy(update={"quality": quality})
        with pytest.raises(EngineFailed):
            reports._listened(job, material, load_thresholds(), thorough=False)


def test_the_round_trip_is_made_where_the_gate_needs_it(
    material: Material, store: LocalStore, settings: Settings
) -> None:
    quality = settings.quality.model_copy(update={"fail_on": ("cer",)})
    gated = settings.model_copy(update={"quality": quality})
    with reports.measuring(gated, Path("talk.wav"), CancelToken(), store) as job:
        report = reports._listened(job, material, load_thresholds(), thorough=False)
    assert report.programme["cer"].value is not None
    assert report.settings.round_trip == "listener"
