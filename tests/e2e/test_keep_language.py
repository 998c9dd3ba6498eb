"""Lines of another language in a film, with the embedded models: they stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import yaml

from onevoice import subtitles
from onevoice.config import cache_dir
from onevoice.engines.base import Runtime, SpeechRequest
from onevoice.engines.synthesis.kokoro import Kokoro, KokoroParams
from tests.e2e.conftest import Finished

pytestmark = pytest.mark.models

SAID = [
    ("en", "Good morning everybody, and welcome to the harbour of our town."),
    ("es", "Buenos días, señora, quisiera comprar dos billetes para el barco de la tarde."),
    ("en", "She says that she would like two tickets for the afternoon."),
    ("es", "Muchas gracias, es usted muy amable conmigo."),
    ("en", "We hope that you enjoy the journey, and that the sea stays calm."),
]
PAUSE = 0.8


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[float, float]]]:
    """The sound of the lines above, and when each of them is said."""
    sound, spans, at = [], [], 0.0
    with Kokoro(KokoroParams(), Runtime(models_dir=cache_dir() / "models")) as engine:
        for language, text in SAID:
            voice = engine.voices(language)[0].name
            speech = engine.speak(SpeechRequest(text=text, language=language, voice=voice))
            rate = speech.sample_rate
            silence = np.zeros(round(PAUSE * rate), np.float32)
            sound += [silence, speech.samples]
            spans.append((at + PAUSE, at + PAUSE + speech.duration))
            at += PAUSE + speech.duration
    path = tmp_path_factory.mktemp("harbour") / "harbour.wav"
    sf.write(path, np.concatenate([*sound, silence]), rate, subtype="FLOAT")
    return path, spans


def test_lines_of_a_named_language_stay(
    film: tuple[Path, list[tuple[float, float]]], command: Callable[..., Finished]
) -> None:
    path, spans = film
    translated = path.with_suffix(".srt")
    subtitles.write(
        translated,
        [
            subtitles.Cue(start=start, end=end, text="Em português.")
            for (start, end), (language, _) in zip(spans, SAID, strict=True)
            if language == "en"
        ],
        language="pt",
    )
    done = command(
        *("dub", path, "--to", "pt", "--lines", f"pt={translated}", "--keep-language", "es"),
        *("--stop-after", "translate", "--json"),
    )
    assert done.status == 0, done.stderr
    text = (path.parent / "harbour.onevoice" / "transcript.yaml").read_text(encoding="utf-8")
    heard: list[dict[str, Any]] = yaml.safe_load(text)["segments"]
    assert [entry.get("language", "") for entry in heard] == ["", "es", "", "es", ""]
    assert [entry["keep"] for entry in heard] == [False, True, False, True, False]
    assert "barco de la tarde" in heard[1]["text"]
    for entry, (start, end) in zip(heard, spans, strict=True):
        assert (entry["start"], entry["end"]) == pytest.approx((start, end), abs=0.3)
    (result,) = done.json["results"]
    assert result["lines"] == 3
    assert not {w["code"] for w in result["warnings"]} & {
        "kept_voice",
        "line_language",
        "language_uncertain",
    }
