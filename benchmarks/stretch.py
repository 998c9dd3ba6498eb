"""How speech is made faster or slower: three ways, by what Whisper base still understands.

    python benchmarks/stretch.py [--languages en es ko] [--rates 0.9 1.1 1.2 1.3]

The embedded voices say the sentences of ``sentences.yaml`` at their natural rate; then each is
brought to the length of each rate

- by WSOLA, ``onevoice.audio.time_stretch``;
- by Rubber Band's R3 engine (the ``rubberband`` program, GPL, run as a process of its own;
  ``apt install rubberband-cli``; left out with a word where it is missing);
- by speaking again at that rate, and stretching the rest of the way by WSOLA, as the fit does.

It prints a Markdown table and writes it to ``results/stretch.md``: the mean character error rate
of the round trip, and processor seconds per second of speech.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from platformdirs import user_cache_path
from voices import SENTENCES, Ear, error_rate

from onevoice.audio import time_stretch
from onevoice.engines import registry
from onevoice.engines.base import Runtime, Speech, SpeechRequest

RESULTS = Path(__file__).with_name("results") / "stretch.md"
NATURAL = "as spoken"


def wsola(speech: Speech, rate: float) -> Speech:
    samples = time_stretch(speech.samples, speech.sample_rate, rate)
    return Speech(samples=samples, sample_rate=speech.sample_rate)


def rubber_band(speech: Speech, rate: float) -> Speech:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.wav"), Path(folder, "out.wav")
        soundfile.write(source, speech.samples, speech.sample_rate, subtype="FLOAT")
        command = ["rubberband", "--fine", "--quiet", "--tempo", f"{rate}", str(source), str(out)]
        subprocess.run(command, check=True, capture_output=True)
        samples, sample_rate = soundfile.read(out, dtype="float32")
    return Speech(samples=samples, sample_rate=sample_rate)


def cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in used)


def ways(engine: Any, language: str, voice: str) -> dict[str, Callable[[str, Speech, float], Any]]:
    def again(text: str, speech: Speech, rate: float) -> Speech:
        request = SpeechRequest(text=text, language=language, voice=voice, rate=rate)
        said = engine.speak(request)
        return wsola(said, said.duration * rate / speech.duration)

    found: dict[str, Callable[[str, Speech, float], Any]] = {
        "WSOLA": lambda text, speech, rate: wsola(speech, rate),
        "spoken again": again,
    }
    if shutil.which("rubberband"):
        found["Rubber Band R3"] = lambda text, speech, rate: rubber_band(speech, rate)
    else:
        print("Rubber Band is left out: there is no rubberband program")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", nargs="+", default=["en", "es", "ko"])
    parser.add_argument("--rates", nargs="+", type=float, default=[0.9, 1.1, 1.2, 1.3])
    parser.add_argument("--models", type=Path, default=user_cache_path("onevoice") / "models")
    args = parser.parse_args()
    runtime = Runtime(models_dir=args.models, threads=2)
    engine: Any = registry.create("synthesis", "kokoro", {}, runtime)
    ear = Ear(runtime)
    errors: dict[tuple[str, float], list[float]] = defaultdict(list)
    cost: dict[str, list[float]] = defaultdict(list)
    lines = ["| language, voice | way | " + " | ".join(f"{r:g}x" for r in args.rates) + " |"]
    lines.append("|---|---|" + "---|" * len(args.rates))
    for language in args.languages:
        voice = engine.voices(language)[0].name
        here: dict[tuple[str, float], list[float]] = defaultdict(list)
        for text in SENTENCES[language]:
            spoken = engine.speak(SpeechRequest(text=text, language=language, voice=voice))
            here[NATURAL, 1.0].append(error_rate(text, ear.hears(spoken, language)))
            for way, change in ways(engine, language, voice).items():
                for rate in args.rates:
                    began = cpu_seconds()
                    changed = change(text, spoken, rate)
                    cost[way].append((cpu_seconds() - began) / changed.duration)
                    here[way, rate].append(error_rate(text, ear.hears(changed, language)))
        natural = 100 * float(np.mean(here[NATURAL, 1.0]))
        lines.append(f"| {language}, {voice} | {NATURAL} | {natural:.1f} % at 1x |")
        lines[-1] += " |" * (len(args.rates) - 1)
        for way in cost:
            cells = [f"{100 * float(np.mean(here[way, rate])):.1f} %" for rate in args.rates]
            lines.append(f"| {language}, {voice} | {way} | " + " | ".join(cells) + " |")
        for key, values in here.items():
            errors[key] += values
        print("\n".join(lines[-1 - len(cost) :]), flush=True)
    engine.close()
    for way in cost:
        cells = [f"{100 * float(np.mean(errors[way, rate])):.1f} %" for rate in args.rates]
        lines.append(f"| **all** | {way} | " + " | ".join(cells) + " |")
    lines += ["", "| way | processor seconds per second of speech |", "|---|---|"]
    lines += [f"| {way} | {float(np.mean(values)):.3f} |" for way, values in cost.items()]
    sentences = sum(len(SENTENCES[language]) for language in args.languages)
    head = f"Mean character error rate of the round trip, {sentences} sentences.\n\n"
    RESULTS.write_text("# Stretching\n\n" + head + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
