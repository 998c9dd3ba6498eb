"""How other tools fit, mix and mux the same case, by their own functions.

Runs in an environment of its own (``benchmarks/peers.sh`` makes it)::

    python peers.py --prepare TOOL CASE.json      what the tool would have made by then
    python peers.py TOOL CASE.json                the work; prints its steps as JSON

Each gets the lines and the stems as its own earlier stages would leave them, in the format that
those write. ffmpeg and ffprobe are found on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

Case = dict[str, Any]
Steps = dict[str, float]


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.steps: Steps = {}
        self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.steps[name] = now - self._last
        self._last = now


def mazinger(case: Case, folder: Path) -> Steps:
    """``assemble_timeline`` in its default mode, ``post_process``, ``mux_video``.

    With the arguments of its pipeline: tempos 0.8 to 1.5, loudness matched to the original,
    background at 0.15. The output is 24 kHz mono.
    """
    clock = Clock()
    from mazinger import assemble

    clock.mark("imports")
    segments = [
        {
            "idx": i,
            "start": line["window"][0],
            "end": line["window"][1],
            "target_dur": line["window"][1] - line["window"][0],
            "actual_dur": line["natural"],
            "wav_path": line["audio"],
        }
        for i, line in enumerate(case["lines"])
    ]
    dubbed = str(folder / "dubbed.wav")
    assemble.assemble_timeline(
        segments, case["minutes"] * 60.0, dubbed, tempo_mode="sync", max_tempo=1.5, min_tempo=0.8
    )
    clock.mark("fit")
    os.utime(case["bed"])  # its cache of the background must be newer than the original
    assemble.post_process(dubbed, case["mix"], dubbed, background_cache=case["bed"], exact=True)
    clock.mark("mix")
    assemble.mux_video(case["film"], dubbed, str(folder / "film.mp4"))
    clock.mark("mux")
    return clock.steps


def doblarr(case: Case, folder: Path) -> Steps:
    """The stages ``fit_timing``, ``mix`` and ``mux`` with the values of its example settings."""
    clips = folder / "clips"
    clips.mkdir()
    for line in case["lines"]:  # it keeps what it fitted beside them, for the next time
        os.link(line["audio"], clips / Path(line["audio"]).name)
    clock = Clock()
    from doblarr.models import DubJob, Segment
    from doblarr.stages import fit_timing, mix, mux

    clock.mark("imports")
    job = DubJob(input_file=Path(case["film"]), source_lang="en", target_lang="es")
    job.source_audio, job.background = Path(case["mix"]), Path(case["bed"])
    job.segments = [
        Segment(
            index=i,
            start=line["window"][0],
            end=line["window"][1],
            text_src="",
            audio_clip=clips / Path(line["audio"]).name,
        )
        for i, line in enumerate(case["lines"])
    ]
    fit_timing.run(job, folder)
    clock.mark("fit")
    mix.run(
        job, folder, ducking_ratio="4:1", background_volume=1.0, threshold=0.05, attack=30,
        release=350,
    )  # fmt: skip
    clock.mark("mix")
    mux.run(job, folder / "out", audio_codec="aac", bitrate="192k")
    clock.mark("mux")
    return clock.steps


def open_dubbing(case: Case, folder: Path) -> Steps:
    """Its rule and its tool for speed, ``insert_audio_at_timestamps``, ``merge_…``.

    Without its mux, which encodes the picture anew. The output is an MP3.
    """
    for name in ("torch", "pyannote", "pyannote.audio"):  # only named in it, not used here
        sys.modules[name] = types.ModuleType(name)
    sys.modules["pyannote.audio"].Pipeline = object  # type: ignore[attr-defined]
    clock = Clock()
    from open_dubbing import audio_processing, text_to_speech

    clock.mark("imports")
    made = folder / "clips"
    shutil.copytree(_mp3s(case), made)
    clock.mark("copies")

    class Voice(text_to_speech.TextToSpeech):  # type: ignore[misc]
        """Has spoken everything already."""

        def get_languages(self) -> list[str]:
            return ["spa"]

        def get_available_voices(self, language: str) -> list[object]:
            return []

        def _convert_text_to_speech(self, **_: object) -> str:
            raise AssertionError("there is nothing left to say")

        def _convert_text_to_speech_without_end_silence(
            self, *, output_filename: str, **_: object
        ) -> str:
            return output_filename

    lines = [
        {
            "id": i,
            "start": line["window"][0],
            "end": line["window"][1],
            "for_dubbing": True,
            "assigned_voice": "voice",
            "translated_text": "text",
            "speed": 1.0,
            "path": f"line{i:05d}.mp3",
        }
        for i, line in enumerate(case["lines"])
    ]
    bed = str(made / "bed.mp3")
    dubbed = Voice().dub_utterances(
        utterance_metadata=lines,
        output_directory=str(made),
        target_language="spa",
        audio_file=bed,
    )
    clock.mark("fit")
    vocals = audio_processing.insert_audio_at_timestamps(
        utterance_metadata=dubbed, background_audio_file=bed, output_directory=str(folder)
    )
    audio_processing.merge_background_and_vocals(
        background_audio_file=bed,
        dubbed_vocals_audio_file=vocals,
        output_directory=str(folder),
        target_language="spa",
    )
    clock.mark("mix")
    return clock.steps


def _mp3s(case: Case) -> Path:
    """The case as MP3 files, which is how open-dubbing's earlier stages leave it."""
    folder = Path(case["film"]).with_name("mp3")
    if not (folder / "bed.mp3").is_file():
        folder.mkdir(exist_ok=True)
        ffmpeg = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i"]
        for i, line in enumerate(case["lines"]):
            out = folder / f"dubbed_line{i:05d}.mp3"
            subprocess.run([*ffmpeg, line["audio"], out], check=True)
        subprocess.run([*ffmpeg, case["bed"], folder / "bed.mp3"], check=True)
    return folder


def nothing(case: Case) -> None:
    """Most tools work on the files as they are."""


TOOLS: dict[str, tuple[Callable[[Case, Path], Steps], Callable[[Case], object]]] = {
    "mazinger": (mazinger, nothing),
    "doblarr": (doblarr, nothing),
    "open-dubbing": (open_dubbing, _mp3s),
}


def main() -> None:
    tool, path = sys.argv[-2:]
    case = json.loads(Path(path).read_text())
    work, prepare = TOOLS[tool]
    if "--prepare" in sys.argv:
        prepare(case)
        return
    # Beside the case: a film of two hours does not fit into a temporary folder in memory.
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        steps = work(case, Path(folder))
    print()
    print(json.dumps(steps))


if __name__ == "__main__":
    main()
