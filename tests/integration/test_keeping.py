"""What keeps its original sound, through the whole pipeline on fake engines.

The fake separator leaves a quarter of everything in the bed, so where the original is kept the
sound is 12 dB louder than where only the bed is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import yaml

from onevoice.errors import EngineRefused
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.results import DubRequest, DubResult
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree

RATE = 48_000
LINES = [(0.5, 2.0, "The first sentence is here."), (8.5, 10.0, "The last one is here.")]
LAUGH = (4.0, 5.5)
VOICES: dict[str, dict[str, object]] = {"keep": {"voices": True, "songs": True}}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two lines and a laugh between them, over a soft noise that sounds all the time."""
    noise = np.random.default_rng(0).standard_normal(11 * RATE).astype(np.float32)
    sound = 0.001 * noise
    for start, end in (*(line[:2] for line in LINES), LAUGH):
        part = slice(round(start * RATE), round(end * RATE))
        sound[part] = 0.1 * noise[part]
    path = tmp_path / "films" / "talk.wav"
    path.parent.mkdir()
    sf.write(path, sound, RATE, subtype="FLOAT")
    return path


def request(film: Path, **sections: dict[str, object]) -> DubRequest:
    settings = fake_tree(**(VOICES | sections))
    return DubRequest(input=film, languages=("es",), settings=settings, stop_after="mix")


def run(request: DubRequest, store: LocalStore) -> DubResult:
    outcome = dub(request, store=store)
    assert not outcome.failures, outcome.failures[0].error.message
    return outcome.results[0]


def gain(request: DubRequest, store: LocalStore, span: tuple[float, float]) -> float:
    """Level of the newest mix over the source's there, in dB, but for the programme's gain."""
    paths = sorted((store.root / "entries").glob("??/*.json"), key=lambda p: p.stat().st_mtime_ns)
    made = [store.get(path.parent.name + path.stem) for path in paths]
    *_, newest = [entry for entry in made if entry and entry.meta.get("stage") == "mix"]
    sounds = {name: store.path(artifact) for name, artifact in newest.outputs.items()}
    report = json.loads(sounds["report"].read_bytes())
    part = slice(round(span[0] * RATE), round(span[1] * RATE))
    mixed, source = (
        np.sqrt(np.mean(np.square(sf.read(path)[0][part])))
        for path in (sounds["audio"], request.input)
    )
    return float(20 * np.log10(mixed / source) - report["gain_db"])


def entries(result: DubResult, name: str = "transcript") -> list[dict[str, Any]]:
    path = result.project / f"{name}.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = data["segments" if name == "transcript" else "lines"]
    return found


def edit(result: DubResult, id_: str, **changes: object) -> None:
    path = result.project / "transcript.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    next(r for r in data["segments"] if r["id"] == id_).update(changes)
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")


def test_a_laugh_is_heard_and_people_may_undo_that(
    film: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = LINES
    asked = request(film)
    result = run(asked, store)
    voice = next(entry for entry in entries(result) if entry.get("reason") == "voice")
    assert (voice["id"], voice["keep"], voice["text"]) == ("k0001", True, "")
    assert (voice["start"], voice["end"]) == pytest.approx((3.9, 5.6), abs=0.05)
    (warned,) = [w for w in result.warnings if w.code == "kept_voice"]
    assert warned.line == "k0001"
    assert result.lines == 2
    assert gain(asked, store, LAUGH) == pytest.approx(0, abs=0.1)
    assert gain(asked, store, (6.0, 8.0)) == pytest.approx(-12, abs=0.5)

    edit(result, "k0001", keep=False)
    silent = run(asked, store)
    assert not {w.code for w in silent.warnings} & {"kept_voice", "line_empty", "line_missing"}
    assert gain(asked, store, LAUGH) == pytest.approx(-12, abs=0.5)
    assert "k0001" in {entry["id"] for entry in entries(silent)}  # the file still shows it

    edit(result, "k0001", text="So that was a missed line.")
    spoken = run(asked, store)
    said = {entry["id"]: entry["text"] for entry in entries(spoken, "lines.es")}
    assert said["k0001"] == "es: So that was a missed line."
    assert spoken.lines == 3
    assert scene.calls["transcribe"] == scene.calls["separate"] == 1


def test_without_the_rule_nothing_is_kept(
    film: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = LINES
    asked = request(film, keep={"voices": False})
    assert [entry["id"] for entry in entries(run(asked, store))] == ["s0001", "s0002"]
    assert gain(asked, store, LAUGH) == pytest.approx(-12, abs=0.5)


def test_a_sound_that_was_not_separated_needs_no_rule(
    film: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = LINES
    asked = request(film, separation={"engine": "none"})
    assert [entry["id"] for entry in entries(run(asked, store))] == ["s0001", "s0002"]
    assert gain(asked, store, LAUGH) == pytest.approx(0, abs=0.1)


def test_lines_that_are_marked_as_sung_keep_their_sound(
    film: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = [LINES[0], (*LAUGH, "♪La la la la."), LINES[1]]
    asked = request(film)
    result = run(asked, store)
    sung = next(entry for entry in entries(result) if entry.get("reason"))
    assert (sung["reason"], sung["keep"]) == ("song", True)
    assert [w.line for w in result.warnings if w.code == "kept_song"] == [sung["id"]]
    assert gain(asked, store, LAUGH) == pytest.approx(0, abs=0.1)
    assert scene.calls["translate"] == 2


@pytest.mark.parametrize("songs", [True, False])
def test_lines_that_are_heard_to_be_sung_keep_their_sound(
    film: Path, scene: fakes.Scene, store: LocalStore, songs: bool
) -> None:
    sound, _ = sf.read(film, dtype="float32")
    time = np.arange(4 * RATE) / RATE
    sound[3 * RATE : 7 * RATE] += 0.1 * np.sin(
        2 * np.pi * 220 * 1.0595 ** np.floor(time * 2) * time
    )
    sf.write(film, sound, RATE, subtype="FLOAT")
    scene.sentences = [LINES[0], (3.0, 7.0, "These are words that somebody sings."), LINES[1]]
    asked = request(film, keep={"songs": songs, "voices": False})
    result = run(asked, store)
    kept = [(e["text"], e.get("reason")) for e in entries(result) if e["keep"]]
    assert kept == [("These are words that somebody sings.", "song")] * songs
    assert [w.code for w in result.warnings if w.code == "kept_song"] == ["kept_song"] * songs


@pytest.mark.parametrize("languages", [["fr", "pt"], ["other"]])
def test_lines_in_another_language_keep_their_sound(
    film: Path, scene: fakes.Scene, store: LocalStore, languages: list[str]
) -> None:
    scene.sentences = [LINES[0], (*LAUGH, "<pt> Boa noite a todos."), (8.5, 10.0, "<en> The end.")]
    asked = request(
        film, recognition={"engine": ["fake", "polyglot"]}, keep={"languages": languages}
    )
    result = run(asked, store)
    foreign = next(entry for entry in entries(result) if entry.get("language"))
    assert (foreign["language"], foreign["reason"], foreign["keep"]) == ("pt", "language", True)
    assert foreign["text"] == "Boa noite a todos."
    kept = next(entry for entry in entries(result, "lines.es") if entry["id"] == foreign["id"])
    assert (kept["keep_original"], kept["text"]) == (True, "")
    assert scene.calls["translate"] == 2
    assert gain(asked, store, (4.1, 5.4)) == pytest.approx(0, abs=0.1)


def test_other_languages_that_are_not_kept_are_told(
    film: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = [LINES[0], (*LAUGH, "<pt> Boa noite a todos.")]
    asked = request(film, recognition={"engine": "polyglot"}, keep={"languages": ["fr"]})
    result = run(asked, store)
    (warned,) = [w for w in result.warnings if w.code == "line_language"]
    assert "Portuguese" in warned.message
    assert "--keep-language pt" in warned.message
    # Which of them are kept is decided after the recognition: it does not run again.
    other = replace(asked, settings=fake_tree(
        recognition={"engine": "polyglot"}, keep={"languages": ["pt"]}
    ))  # fmt: skip
    again = run(other, store)
    assert not [w for w in again.warnings if w.code == "line_language"]
    assert scene.calls["transcribe"] == 1


def test_a_recogniser_of_one_language_is_refused(
    film: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    with pytest.raises(EngineRefused, match="hears one language") as caught:
        dub(request(film, keep={"languages": ["fr"]}), store=store)
    assert "recognition.engine" in caught.value.hint
