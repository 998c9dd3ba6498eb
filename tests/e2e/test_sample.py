"""The sample, dubbed with the embedded models: what a person gets, measured."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
import yaml

from onevoice import audio, media
from onevoice.config import cache_dir
from onevoice.engines.base import Runtime
from onevoice.engines.recognition.whisper import Whisper
from onevoice.pipeline.store import LocalStore
from onevoice.speakable import speakable
from tests.conftest import SAMPLE
from tests.contract.sample import ignore
from tests.e2e.conftest import Finished

pytestmark = pytest.mark.models

LANGUAGES = ("pt", "es", "ko")
ISO = {"pt": "por", "es": "spa", "ko": "kor"}
MUSIC_ALONE = [(0.2, 1.3), (26.7, 28.9), (52.0, 53.5)]
"""Seconds of the sample in which nobody speaks; see samples/README.md."""


def lines(out: Path, language: str) -> list[dict[str, object]]:
    path = out / "talk.onevoice" / f"lines.{language}.yaml"
    found: list[dict[str, object]] = yaml.safe_load(path.read_text(encoding="utf-8"))["lines"]
    return found


def letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def error_rate(wanted: str, heard: str) -> float:
    """Character error rate: edit distance over the length of what was wanted."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1] / max(1, len(wanted))


@pytest.fixture(scope="module")
def sound(
    dubbed: tuple[Path, Finished], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The sound of the source and of each dub, decoded."""
    folder = tmp_path_factory.mktemp("sound")
    paths = {"source": SAMPLE} | {x: dubbed[0] / f"talk.{x}.mp4" for x in LANGUAGES}
    for name, path in paths.items():
        media.extract_audio(path, folder / f"{name}.wav")
    return {name: folder / f"{name}.wav" for name in paths}


def test_the_command_ends_well_and_says_what_it_made(dubbed: tuple[Path, Finished]) -> None:
    out, done = dubbed
    assert done.status == 0, done.stderr
    assert done.json["schema"] == "onevoice.dub/1"
    assert done.json["errors"] == []
    results = done.json["results"]
    assert [r["language"] for r in results] == list(LANGUAGES)
    for result in results:
        assert Path(result["output"]) == out / f"talk.{result['language']}.mp4"
        assert result["lines"] >= 8
        assert result["duration_s"] == pytest.approx(54.0, abs=0.05)


@pytest.mark.parametrize("language", LANGUAGES)
def test_streams_tags_and_duration(dubbed: tuple[Path, Finished], language: str) -> None:
    source, made = media.probe(SAMPLE), media.probe(dubbed[0] / f"talk.{language}.mp4")
    assert [a.language for a in made.audio] == [ISO[language]]
    assert [s.language for s in made.subtitles] == [ISO[language]]
    assert (made.audio[0].sample_rate, made.audio[0].channels) == (48_000, 2)
    assert abs(made.duration - source.duration) <= 1 / 25
    assert made.metadata["title"] == source.metadata["title"]
    assert len(made.chapters) == len(source.chapters) == 2
    assert made.synthetic_voice
    assert picture(dubbed[0] / f"talk.{language}.mp4") == picture(SAMPLE)
    for kind in ("srt", "vtt"):
        assert (dubbed[0] / f"talk.{language}.{kind}").stat().st_size > 100


def picture(path: Path) -> list[bytes]:
    """The packets of the video stream, which must be the source's own."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(("language", "most"), [("pt", 0.10), ("es", 0.10), ("ko", 0.25)])
def test_the_dub_says_its_lines(
    dubbed: tuple[Path, Finished],
    sound: dict[str, Path],
    cache: Path,
    language: str,
    most: float,
) -> None:
    engine = Whisper(Whisper.Params(), Runtime(models_dir=cache / "models"))
    heard = engine.transcribe(sound[language], language=language, hints=(), progress=ignore)
    said = " ".join(speakable(str(line["text"]), language) for line in lines(dubbed[0], language))
    text = speakable(" ".join(word.text for word in heard.words), language)
    assert error_rate(letters(said), letters(text)) <= most, f"{said}\n{text}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_are_in_the_language(dubbed: tuple[Path, Finished], language: str) -> None:
    for line in lines(dubbed[0], language):
        text = str(line["text"])
        assert text, line["id"]
        if language == "ko":
            assert re.search(r"[가-힣]", text), text
            assert not re.search(r"[\u4e00-\u9fff]", text), text
        else:
            assert re.search(r"[a-zà-ÿ]", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_music_is_still_there_where_nobody_speaks(
    sound: dict[str, Path], language: str
) -> None:
    source, rate = sf.read(sound["source"])
    dub, _ = sf.read(sound[language])
    for start, end in MUSIC_ALONE:
        a, b = (x[int(start * rate) : int(end * rate)].mean(axis=1) for x in (source, dub))
        level = 20 * np.log10(np.std(b) / np.std(a))
        assert abs(level) < 3, f"{start}-{end} s: {level:.1f} dB"
        assert np.corrcoef(a, b)[0, 1] > 0.9


@pytest.mark.parametrize("language", LANGUAGES)
def test_loudness_follows_the_source(sound: dict[str, Path], language: str) -> None:
    source, dub = audio.measure(sound["source"]), audio.measure(sound[language])
    assert abs(dub.integrated - source.integrated) <= 1.0
    assert dub.true_peak <= -0.5  # the ceiling is -1 dBTP; the encoder may pass it a little


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_finds_nothing_cut_or_overlapped(
    dubbed: tuple[Path, Finished], language: str
) -> None:
    path = dubbed[0] / "talk.onevoice" / f"report.{language}.json"
    programme = json.loads(path.read_text(encoding="utf-8"))["programme"]
    assert programme["trimmed_seconds"]["value"] == 0
    assert programme["overlapped_seconds"]["value"] == 0
    assert programme["max_rate"]["value"] <= 1.36
    assert programme["coverage"]["value"] > 0.8


def test_a_second_run_is_cached_and_one_edit_speaks_one_line(
    dubbed: tuple[Path, Finished], command: Callable[..., Finished]
) -> None:
    out, _ = dubbed
    run = ("dub", SAMPLE, "--to", "pt,es,ko", "--speakers", "2", "--out", out, "--json")
    again = command(*run)
    assert again.status == 0
    assert all(s["cached"] for r in again.json["results"] for s in r["stages"])
    before = speech_entries()
    project = out / "talk.onevoice"
    text = "Parabéns, deu tudo certo!"
    assert command("segments", "set", project, "s0001", "--to", "pt", "--text", text).status == 0
    edited = command(*run)
    fresh = {
        (r["language"], s["name"])
        for r in edited.json["results"]
        for s in r["stages"]
        if not s["cached"]
    }
    assert fresh == {("pt", "synthesize"), ("pt", "fit"), ("pt", "mix"), ("pt", "mux")}
    new = [said for key, said in speech_entries().items() if key not in before]
    # Once at the natural rate, and perhaps once more at the rate it needs.
    assert set(new) == {text}
    assert len(new) <= 2
    assert text in (out / "talk.pt.srt").read_text(encoding="utf-8")


def speech_entries() -> dict[str, str]:
    """Everything that was ever spoken into the cache: key and text."""
    store = LocalStore(cache_dir() / "artifacts")
    return {e.key: e.meta["said"] for e, _ in store.entries() if e.meta["stage"] == "speech"}


@pytest.mark.parametrize("sound_", ["silence", "music"])
def test_without_speech_there_is_nothing_to_dub(
    sound_: str,
    tmp_path: Path,
    ffmpeg: Callable[..., None],
    command: Callable[..., Finished],
) -> None:
    made = {
        "silence": "anullsrc=r=48000:cl=stereo:d=6",
        "music": "aevalsrc=0.1*sin(2*PI*220*t)+0.1*sin(2*PI*277*t)+0.1*sin(2*PI*330*t):d=6",
    }[sound_]
    path = tmp_path / "quiet.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=6",
        "-f", "lavfi", "-i", made, "-c:a", "aac", "-shortest", path,
    )  # fmt: skip
    done = command("dub", path, "--to", "es", "--json")
    assert done.status == 3
    (error,) = done.json["errors"]
    assert error["code"] == "media_nothing_to_dub"
