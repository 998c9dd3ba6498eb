"""Fit, mix and mux of a dub against the floor: one AAC encode of the same bed.

    python benchmarks/mix.py [--minutes 10 120] [--work FOLDER]

A synthetic case is made for each duration: a 720p H.264 + AAC film, its separated bed and
dialogue, and 15 spoken lines a minute (24 kHz), 60 % of them longer than their windows. Each
measurement runs in a process of its own; seconds are wall clock and CPU (children included),
memory is the highest sum of resident sets over the process and its children.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from onevoice.audio import FloatWavWriter
from onevoice.media.process import ffmpeg_path

if TYPE_CHECKING:
    import psutil

RATE = 48_000
LINE_RATE = 24_000
LINES_A_MINUTE = 15
TOO_LONG = 0.6
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One process: what it did, and what it took."""

    minutes: float
    what: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    detail: dict[str, float]


def _voice(seconds: float, rate: int, random: np.random.Generator) -> np.ndarray:
    """Something of the shape of speech: a gliding buzz in syllables, with some breath."""
    t = np.arange(round(seconds * rate)) / rate
    pitch = random.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(0.4, 1) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * random.uniform(1.7, 2.6) * t), 0, 1) ** 0.5
    breath = 0.05 * random.standard_normal(len(t))
    return (0.15 * (buzz + breath) * syllables).astype(np.float32)


def _minute_of_music(random: np.random.Generator) -> np.ndarray:
    t = np.arange(60 * RATE) / RATE
    notes = random.choice([110, 130.81, 164.81, 196, 220, 261.63, 329.63], size=(2, 4))
    chord = [sum(np.sin(2 * np.pi * note * t) for note in side) for side in notes]
    swell = 0.03 * (1 + 0.5 * np.sin(2 * np.pi * t / 15))
    music = np.stack(chord, axis=1) * swell[:, None]
    return (music + 0.005 * random.standard_normal((len(t), 2))).astype(np.float32)


def make_case(folder: Path, minutes: int) -> Path:
    """Write the inputs of one duration; returns the file that lists them."""
    random = np.random.default_rng(2)
    pick = Random(2)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    slot = 60 / LINES_A_MINUTE
    for i in range(minutes * LINES_A_MINUTE):
        start = i * slot + pick.uniform(0.1, 0.5)
        length = pick.uniform(0.5, 0.75) * slot
        long = pick.random() < TOO_LONG
        natural = length * (pick.uniform(1.05, 1.35) if long else pick.uniform(0.75, 1.0))
        wav = folder / f"line{i:05d}.wav"
        spoken = _voice(natural, LINE_RATE, random)
        with FloatWavWriter(wav, sample_rate=LINE_RATE, channels=1, frames=len(spoken)) as out:
            out.write(spoken)
        natural = len(spoken) / LINE_RATE
        lines.append({"audio": str(wav), "window": [start, start + length], "natural": natural})
    frames = minutes * 60 * RATE
    names = {name: folder / f"{name}.wav" for name in ("mix", "bed", "speech")}
    music = _minute_of_music(random)
    writers = {
        name: FloatWavWriter(path, sample_rate=RATE, channels=2, frames=frames)
        for name, path in names.items()
    }
    with writers["mix"] as mix, writers["bed"] as bed, writers["speech"] as dialogue:
        for minute in range(minutes):
            speech = np.zeros((60 * RATE, 2), np.float32)
            for line in lines[minute * LINES_A_MINUTE : (minute + 1) * LINES_A_MINUTE]:
                at, to = (round((t - minute * 60) * RATE) for t in line["window"])
                speech[at:to] += _voice((to - at) / RATE, RATE, random)[: to - at, None]
            mix.write(music + speech)
            bed.write(music)
            dialogue.write(speech)
    film = folder / "film.mp4"
    _film(film, names["mix"], minutes)
    case = folder / "case.json"
    paths = {name: str(path) for name, path in names.items()}
    case.write_text(json.dumps({"minutes": minutes, "film": str(film), "lines": lines, **paths}))
    return case


def _film(film: Path, sound: Path, minutes: int) -> None:
    """One encoded minute, repeated: the picture is only copied later on."""
    minute = film.with_name("minute.mp4")
    ffmpeg = [ffmpeg_path(), "-nostdin", "-v", "error", "-y"]
    picture = ["-f", "lavfi", "-i", "testsrc=size=1280x720:rate=25"]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run(
        [*ffmpeg, *picture, "-i", sound, *video, "-c:a", "aac", "-b:a", "128k", "-t", "60", minute],
        check=True,
    )
    copy = ["-stream_loop", str(minutes - 1), "-i", minute, "-c", "copy", "-t", str(minutes * 60)]
    subprocess.run([*ffmpeg, *copy, film], check=True)


def dub(case_file: Path) -> dict[str, float]:
    """Fit, mix and mux one case; seconds by step."""
    began = time.perf_counter()
    from onevoice.config import MixSettings, TimingSettings
    from onevoice.media import AudioTrack, MuxSpec, mux
    from onevoice.pipeline.mixing import MixLine, MixSpec, mix
    from onevoice.timing import Window, fit

    case = json.loads(case_file.read_text())
    folder = case_file.parent
    marks = {"start": time.perf_counter()}
    lines = {str(i): line for i, line in enumerate(case["lines"])}
    windows = [
        Window(id=i, start=a, end=b, speaker="S1", natural=line["natural"])
        for i, line in lines.items()
        for a, b in [line["window"]]
    ]
    placed = fit(windows, TimingSettings(), end=case["minutes"] * 60.0)
    marks["fit"] = time.perf_counter()
    spec = MixSpec(
        mix=Path(case["mix"]),
        bed=Path(case["bed"]),
        speech=Path(case["speech"]),
        lines=[
            MixLine(
                id=p.line,
                audio=Path(lines[p.line]["audio"]),
                start=p.start,
                length=p.length,
                stretch=p.rate,
                window=tuple(lines[p.line]["window"]),
            )
            for p in placed.placements
        ],
        settings=MixSettings(),
    )
    mixed = folder / "mixed.wav"
    report = mix(spec, mixed)
    marks["mix"] = time.perf_counter()
    track = AudioTrack(path=mixed, language="es", title="Español", default=True)
    mux(MuxSpec(source=Path(case["film"]), output=folder / "film.es.mp4", audio=(track,)))
    marks["mux"] = time.perf_counter()
    assert report.true_peak_dbtp is not None and report.true_peak_dbtp <= -0.9
    steps = dict(zip(list(marks)[1:], np.diff(list(marks.values())).tolist(), strict=True))
    return {"imports": marks["start"] - began, **steps}


def measure(minutes: int, what: str, command: Sequence[str]) -> Measured:
    """Run a command to its end and watch it; its last line may be a JSON object of details."""
    import psutil  # not in the process that is measured

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile("w+") as output:
        process = psutil.Popen(command, stdout=output)
        while process.poll() is None:
            peak = max(peak, _resident(process))
            time.sleep(0.05)
        wall = time.perf_counter() - began
        output.seek(0)
        said = output.read().strip().splitlines()
    if process.returncode:
        raise SystemExit(f"{what} failed with status {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measured(
        minutes=minutes,
        what=what,
        wall_s=round(wall, 2),
        cpu_s=round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        peak_mb=round(peak / 2**20, 1),
        detail={k: round(v, 2) for k, v in json.loads(said[-1]).items()} if said else {},
    )


def _resident(process: psutil.Process) -> int:
    import psutil

    total = 0
    try:
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total


def table(rows: Sequence[Measured]) -> str:
    """The measurements as Markdown."""
    lines = [
        "| minutes | what | wall s | CPU s | peak MB | steps (s) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        steps = ", ".join(f"{name} {seconds}" for name, seconds in row.detail.items())
        lines.append(
            f"| {row.minutes} | {row.what} | {row.wall_s} | {row.cpu_s} | {row.peak_mb} | {steps} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 120])
    parser.add_argument("--work", type=Path, help="folder for the cases (they are kept there)")
    parser.add_argument("--case", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(dub(options.case)))
        return
    rows: list[Measured] = []
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        for minutes in options.minutes:
            folder = work / f"{minutes}min"
            case = folder / "case.json"
            if not case.is_file():
                print(f"making the {minutes}-minute case in {folder} …", file=sys.stderr)
                make_case(folder, minutes)
            ffmpeg = [ffmpeg_path(), "-nostdin", "-v", "error", "-y"]
            encode = [*ffmpeg, "-i", str(folder / "bed.wav"), "-c:a", "aac", "-b:a", "192k"]
            rows.append(measure(minutes, "floor: AAC encode", [*encode, str(folder / "bed.m4a")]))
            again = [sys.executable, __file__, "--case", str(case)]
            rows.append(measure(minutes, "OneVoice: fit + mix + mux", again))
    text = table(rows)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()[0]}
    found = {"schema": "onevoice.bench.mix/1", **machine, "rows": [asdict(row) for row in rows]}
    (RESULTS / "mix.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "mix.md").write_text(text)


if __name__ == "__main__":
    main()
