"""How other tools place the same lines, by their own functions.

Runs in an environment of its own (``benchmarks/peers.sh`` makes it)::

    python peers.py TIMELINES.json PLACED.json

Nothing is synthesised: a line is a tone of the right length, in syllables of 0.2 s with 40 ms of
silence between them, so that a tool that cuts at a pause finds one. A tool's time-stretch, an
ffmpeg process each, is replaced by one that only gives the right length: it is the rule that is
compared, and the processor time that is measured is that of the rule and of its files.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RATE = 24_000
Line = dict[str, Any]
Rule = Callable[[list[Line], float, Path], tuple[list[Line], float]]


def tone(seconds: float) -> np.ndarray:
    at = np.arange(round(seconds * RATE)) / RATE
    return np.where(at % 0.24 < 0.2, 0.2 * np.sin(2 * math.pi * 160 * at), 0.0).astype(np.float32)


def write(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((tone(seconds) * 32767).astype("<i2").tobytes())


def seconds_of(path: str | Path) -> float:
    with wave.open(str(path), "rb") as file:
        return file.getnframes() / file.getframerate()


def clips(lines: list[Line], folder: Path) -> list[Path]:
    """One tone a line, written before the clock starts."""
    paths = [folder / f"{line['id']}.wav" for line in lines]
    for line, path in zip(lines, paths, strict=True):
        write(path, line["natural"])
    return paths


def mazinger_sync(lines: list[Line], end: float, folder: Path) -> tuple[list[Line], float]:
    """``assemble_synced``, its default mode, with the tempos of its command line: 0.8 to 1.5."""
    from mazinger import assemble

    assemble.stretch_audio = lambda audio, sr, rate: np.resize(audio, round(len(audio) / rate))
    segments = _segments(lines, folder)
    report = folder / "sync.json"
    began = time.process_time()
    assemble.assemble_synced(
        segments,
        end,
        str(folder / "out.wav"),
        max_tempo=1.5,
        min_tempo=0.8,
        report_path=str(report),
    )
    took = time.process_time() - began
    rows = {row["idx"]: row for row in json.loads(report.read_text())["segments"]}
    return [
        {
            "start": rows[line["id"]]["onset"],
            "length": rows[line["id"]]["placed"],
            "rate": rows[line["id"]]["rate"],
            "trimmed": rows[line["id"]]["trimmed"] * rows[line["id"]]["rate"],
        }
        for line in lines
    ], took


def mazinger_auto(lines: list[Line], end: float, folder: Path) -> tuple[list[Line], float]:
    """``assemble_timeline`` with ``tempo_mode="auto"`` and its own defaults.

    It writes no report, so what it reads, stretches and cuts is listened to.
    """
    from mazinger import assemble

    seen: dict[str, Line] = {}
    here = threading.local()
    load, cut = assemble._load_and_resample, assemble._find_last_silence

    def loading(path: str, sr: int) -> np.ndarray:
        here.clip = Path(path).stem
        seen[here.clip] = {"rate": 1.0, "length": seconds_of(path), "trimmed": 0.0}
        return load(path, sr)

    def stretching(path: str, factor: float, out: str, sr: int) -> np.ndarray:
        length = seconds_of(path) / factor
        seen[here.clip].update(rate=factor, length=length)
        return tone(length)

    def cutting(audio: np.ndarray, sr: int, budget: int) -> int:
        at = cut(audio, sr, budget)
        kept = min(at, budget) / sr
        clip = seen[here.clip]
        clip.update(length=kept, trimmed=(clip["length"] - kept) * clip["rate"])
        return at

    segments = _segments(lines, folder)
    assemble._load_and_resample = loading
    assemble._tempo_stretch = stretching
    assemble._find_last_silence = cutting
    try:
        began = time.process_time()
        assemble.assemble_timeline(segments, end, str(folder / "out.wav"))
        took = time.process_time() - began
    finally:
        assemble._load_and_resample, assemble._find_last_silence = load, cut
    return [{"start": line["start"], **seen[line["id"]]} for line in lines], took


def _segments(lines: list[Line], folder: Path) -> list[Line]:
    return [
        {
            "idx": line["id"],
            "start": line["start"],
            "end": line["end"],
            "target_dur": line["end"] - line["start"],
            "actual_dur": line["natural"],
            "wav_path": str(path),
        }
        for line, path in zip(lines, clips(lines, folder), strict=True)
    ]


def doblarr(lines: list[Line], end: float, folder: Path) -> tuple[list[Line], float]:
    """``stages.fit_timing.run``; its mix starts each clip with its segment."""
    from doblarr.models import DubJob, Segment
    from doblarr.stages import fit_timing

    def stretch(arguments: list[str], cancel: object = None) -> None:
        source, out = arguments[2], arguments[-1]
        factor = float(arguments[4].rpartition("=")[2])
        write(Path(out), seconds_of(source) / factor)

    fit_timing.run_ffmpeg = stretch
    job = DubJob(input_file=folder / "film.mp4", source_lang="en", target_lang="es")
    (folder / "film.mp4").touch()
    job.segments = [
        Segment(index=i, start=line["start"], end=line["end"], text_src="", audio_clip=path)
        for i, (line, path) in enumerate(zip(lines, clips(lines, folder), strict=True))
    ]
    began = time.process_time()
    fit_timing.run(job, folder)
    took = time.process_time() - began
    placed = []
    for line, segment in zip(lines, job.segments, strict=True):
        length = seconds_of(segment.audio_clip)
        rate = line["natural"] / length
        placed.append({"start": segment.start, "length": length, "rate": rate, "trimmed": 0.0})
    return placed, took


def open_dubbing(lines: list[Line], end: float, folder: Path) -> tuple[list[Line], float]:
    """``TextToSpeech.dub_utterances``; its mix lays each clip at the utterance's millisecond."""
    from open_dubbing import text_to_speech

    natural = {line["id"]: line["natural"] for line in lines}

    class Clip:
        """Stands for pydub's segment: only its length is asked for."""

        def __init__(self, path: str) -> None:
            self.duration_seconds = seconds_of(path)

        def __len__(self) -> int:
            return round(1000 * self.duration_seconds)

    class Clips:
        from_file = staticmethod(Clip)

        @staticmethod
        def from_mp3(_: str) -> object:
            return type("Film", (), {"duration_seconds": end})

    class Tools:
        def remove_silence(self, *, filename: str) -> None:
            pass  # there are no silences of 0.1 s in the clips

        def adjust_audio_speed(self, *, filename: str, speed: float) -> None:
            write(Path(filename), seconds_of(filename) / speed)

    class Voice(text_to_speech.TextToSpeech):
        def get_languages(self) -> list[str]:
            return ["spa"]

        def get_available_voices(self, language: str) -> list[object]:
            return []

        def _convert_text_to_speech(self, *, output_filename: str, text: str, **_: object) -> str:
            if not Path(output_filename).exists():
                write(Path(output_filename), natural[text])
            return output_filename

    text_to_speech.AudioSegment, text_to_speech.FFmpeg = Clips, Tools
    utterances = [
        {
            "id": line["id"],
            "start": line["start"],
            "end": line["end"],
            "for_dubbing": True,
            "assigned_voice": "voice",
            "translated_text": line["id"],
            "speed": 1.0,
            "path": f"{line['id']}.mp3",
        }
        for line in lines
    ]
    for line in lines:
        write(folder / f"dubbed_{line['id']}.mp3", line["natural"])
    began = time.process_time()
    dubbed = Voice().dub_utterances(
        utterance_metadata=utterances,
        output_directory=str(folder),
        target_language="spa",
        audio_file="film.mp3",
    )
    took = time.process_time() - began
    placed = []
    for line, utterance in zip(lines, dubbed, strict=True):
        length = seconds_of(utterance["dubbed_path"])
        start = int(utterance["start"] * 1000) / 1000
        rate = line["natural"] / length
        placed.append({"start": start, "length": length, "rate": rate, "trimmed": 0.0})
    return placed, took


RULES: dict[str, Rule] = {
    "mazinger sync": mazinger_sync,
    "mazinger auto": mazinger_auto,
    "doblarr": doblarr,
    "open-dubbing": open_dubbing,
}


def main() -> None:
    source, out = map(Path, sys.argv[1:])
    results: dict[str, list[dict[str, Any]]] = {}
    timelines = json.loads(source.read_text())
    for name, rule in RULES.items():
        results[name] = []
        for timeline in timelines:
            with tempfile.TemporaryDirectory() as folder:
                placed, took = rule(timeline["lines"], timeline["end"], Path(folder))
            results[name].append({"placed": placed, "seconds": took})
    out.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
