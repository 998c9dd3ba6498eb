"""Measure voices: pace at several speed settings, pitch, intelligibility, real-time factor.

``python benchmarks/voices.py measure kokoro es pt ko`` prints the facts for
``onevoice/engines/synthesis/data/kokoro.yaml``; ``… check kokoro es pt ko`` speaks at the natural
rate and recognises it again with Whisper base: the character error rate (CER) of the round trip,
how far lengths at rate 1.2 are from what was asked, and processor seconds per second of speech.
"""

from __future__ import annotations

import argparse
import sys
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from platformdirs import user_cache_path

from onevoice.audio import resample
from onevoice.engines import assets, registry
from onevoice.engines.base import Audio, Runtime, Speech, SpeechRequest
from onevoice.engines.synthesis import voices as catalogue

SENTENCES: dict[str, list[str]] = yaml.safe_load(
    (Path(__file__).parent / "sentences.yaml").read_text(encoding="utf-8")
)
FOR_PACE = 2
USUAL = {
    # Characters a second, spaces and marks included, of somebody who talks fluently in public.
    # Chosen: a little under the syllable rates of readers (Coupé et al., Science Advances 2019:
    # es 7.7, en 6.3, ko 7.0 a second) at the characters a syllable has in these sentences;
    # Korean lower still, because borrowed voices are understood worse when they hurry.
    "de": 15.5, "en": 17.0, "es": 18.5, "fr": 18.5, "hi": 13.0, "it": 17.5, "ja": 6.6,
    "ko": 8.0, "pt": 17.5,
}  # fmt: skip
GENTLE = (0.9, 1.3)
"""A neutral speed outside sounds forced, whatever the language's usual rate."""


def natural_speed(speeds: Sequence[float], pace: Sequence[float], language: str) -> float:
    """The setting for the language's usual rate, within what sounds gentle."""
    return round(float(np.clip(np.interp(USUAL[language], pace, speeds), *GENTLE)), 2)


def measure(engine: Any, voice: str, language: str, speeds: Sequence[float]) -> dict[str, Any]:
    texts = SENTENCES[language][:FOR_PACE]
    characters = sum(map(len, texts))
    pace = []
    for speed in speeds:
        spoken = [engine.speak_at(t, language=language, voice=voice, speed=speed) for t in texts]
        pace.append(round(characters / sum(s.duration for s in spoken), 2))
    return {"neutral": natural_speed(speeds, pace, language), "pace": pace}


def pitch_hz(speech: Speech) -> int:
    """Median fundamental of the voiced frames, by pYIN (Mauch & Dixon, ICASSP 2014)."""
    import librosa

    rate = 16_000
    f0, voiced, _ = librosa.pyin(
        resample(speech.samples, speech.sample_rate, rate), fmin=60, fmax=450, sr=rate
    )
    return round(float(np.median(f0[voiced])))


def error_rate(said: str, heard: str) -> float:
    """Character error rate without case, marks and spaces (Levenshtein over the length said)."""
    a, b = _letters(said), _letters(heard)
    row = np.arange(len(b) + 1)
    for i, char in enumerate(a, 1):
        above, row = row, np.empty(len(b) + 1, int)
        row[0] = i
        for j, other in enumerate(b, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (char != other))
    return float(row[-1]) / max(len(a), 1)


def _letters(text: str) -> str:
    kept = (c for c in unicodedata.normalize("NFC", text.casefold()))
    return "".join(c for c in kept if c.isalnum() or unicodedata.category(c) in ("Mn", "Mc"))


class Ear:
    """Whisper base."""

    def __init__(self, runtime: Runtime) -> None:
        from faster_whisper import WhisperModel

        folder = assets.ensure(runtime, "whisper-base")
        self._model = WhisperModel(str(folder), compute_type="int8", cpu_threads=runtime.threads)

    def hears(self, speech: Speech, language: str) -> str:
        audio: Audio = resample(speech.samples, speech.sample_rate, 16_000)
        quiet = np.zeros(8_000, np.float32)
        segments, _ = self._model.transcribe(
            np.concatenate([quiet, audio, quiet]), language=language, beam_size=5
        )
        return " ".join(segment.text for segment in segments)


def check(engine: Any, ear: Ear, voice: str, language: str, *, show: bool) -> dict[str, float]:
    errors, seconds, cost, misses = [], 0.0, 0.0, []
    for text in SENTENCES[language]:
        request = SpeechRequest(text=text, language=language, voice=voice)
        began = time.process_time()
        speech = engine.speak(request)
        cost += time.process_time() - began
        seconds += speech.duration
        heard = ear.hears(speech, language)
        errors.append(error_rate(text, heard))
        if show and errors[-1]:
            print(f"    {errors[-1]:.3f} {text} | {heard}")
        faster = engine.speak(SpeechRequest(text=text, language=language, voice=voice, rate=1.2))
        misses.append(faster.duration * 1.2 / speech.duration - 1)
    return {
        "cer": float(np.mean(errors)),
        "bias_at_1.2": float(np.mean(misses)),
        "worst_at_1.2": float(np.abs(misses).max()),
        "cpu_s_per_s": cost / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["measure", "check"])
    parser.add_argument("engine", choices=["kokoro", "pico"])
    parser.add_argument("languages", nargs="+")
    parser.add_argument("--voices", nargs="+", help="voices to try, carried or not")
    parser.add_argument("--models", type=Path, default=user_cache_path("onevoice") / "models")
    parser.add_argument("--show", action="store_true", help="print what was misheard")
    args = parser.parse_args()
    runtime = Runtime(models_dir=args.models, threads=2)
    engine = registry.create("synthesis", args.engine, {}, runtime)
    speeds = catalogue.load(args.engine).cards
    curve = next(iter(next(iter(speeds.values())).curves.values()))
    ear = Ear(runtime) if args.task == "check" else None
    for language in args.languages:
        names = args.voices or [voice.name for voice in engine.voices(language)]
        for name in names:
            if ear is None:
                found = measure(engine, name, language, curve.speeds)
                sample = engine.speak_at(
                    " ".join(SENTENCES[language][:FOR_PACE]),
                    language=language, voice=name, speed=found["neutral"],
                )  # fmt: skip
                print(f"{name}: pitch_hz: {pitch_hz(sample)}")
                print(f"  {language}: {{neutral: {found['neutral']}, pace: {found['pace']}}}")
            else:
                figures = check(engine, ear, name, language, show=args.show)
                row = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
                print(f"{language} {name:12} {row}")
            sys.stdout.flush()
    engine.close()


if __name__ == "__main__":
    main()
