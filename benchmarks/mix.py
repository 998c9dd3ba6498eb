"""Fit, mix and mux of a dub: OneVoice, other tools on the same files, and a floor.

    python benchmarks/mix.py [--minutes 10 120] [--rounds 3 1] [--peers PYTHON] [--work FOLDER]

A synthetic case is made for each duration: a 720p H.264 + AAC film, its separated bed and
dialogue, and 15 spoken lines a minute (24 kHz), 60 % of them longer than their windows. The floor
is one AAC encode of the same bed, by ffmpeg's default coder and by the fast one that OneVoice uses
(docs/decisions/0054). Each measurement runs in a process of its own, all of them in
turn, and again in each round; the table has the medians. With ``--peers``, the Python that
``benchmarks/peers.sh`` made, mazinger, doblarr and open-dubbing do the same work by their own
functions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from mixing.case import make_case
from mixing.peers import TOOLS

from onevoice.media.process import ffmpeg_path

RESULTS = Path(__file__).parent / "results"
FLOOR = "floor: AAC encode"
FAST_FLOOR = "floor: AAC encode, fast coder"
OURS = "OneVoice: fit + mix + mux"


def dub(case_file: Path) -> dict[str, float]:
    """Fit, mix and mux one case; seconds by step."""
    began = time.perf_counter()
    from onevoice.config import MixSettings, TimingSettings
    from onevoice.media import AudioTrack, MuxSpec, mux
    from onevoice.pipeline.mix_lines import MixLine
    from onevoice.pipeline.mixing import MixSpec, mix
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
    mixed.unlink()
    assert report.true_peak_dbtp is not None and report.true_peak_dbtp <= report.ceiling_dbtp
    steps = dict(zip(list(marks)[1:], np.diff(list(marks.values())).tolist(), strict=True))
    return {"imports": marks["start"] - began, **steps}


def commands(folder: Path, peers: Path | None) -> Iterator[tuple[str, list[str]]]:
    """What is measured, by name."""
    case = str(folder / "case.json")
    ffmpeg = [ffmpeg_path(), "-nostdin", "-v", "error", "-y"]
    encode = ["-i", str(folder / "bed.wav"), "-c:a", "aac", "-b:a", "192k"]
    yield FLOOR, [*ffmpeg, *encode, str(folder / "bed.m4a")]
    yield FAST_FLOOR, [*ffmpeg, *encode, "-aac_coder", "fast", str(folder / "bed.m4a")]
    yield OURS, [sys.executable, __file__, "--case", case]
    for tool in TOOLS if peers else ():
        yield tool, [str(peers), str(Path(__file__).parent / "mixing/peers.py"), tool, case]


def programs(folder: Path) -> dict[str, str]:
    """An environment in which the peers find the ffmpeg that OneVoice uses, and an ffprobe."""
    folder.mkdir(parents=True, exist_ok=True)
    ffmpeg, ffprobe = folder / "ffmpeg", folder / "ffprobe"
    if not ffmpeg.exists():
        ffmpeg.symlink_to(ffmpeg_path())
    source = (Path(__file__).parent / "mixing/ffprobe.py").read_text()
    ffprobe.write_text(f"#!{sys.executable} -SE\n{source}")
    ffprobe.chmod(0o755)
    # A real ffprobe goes first.
    return {"PATH": os.pathsep.join([os.environ["PATH"], str(folder)])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 120])
    parser.add_argument("--rounds", type=int, nargs="+", default=[3], help="as --minutes, or one")
    parser.add_argument("--peers", type=Path, help="the Python of the peers' environment")
    parser.add_argument("--limit", type=float, default=1800, help="seconds after which one is cut")
    parser.add_argument("--work", type=Path, help="folder for the cases (they are kept there)")
    parser.add_argument("--print-only", action="store_true", help="leave results/ alone")
    parser.add_argument("--case", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(dub(options.case)))
        return
    from mixing.measuring import Measured, measure, medians, table

    rows: list[Measured] = []
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        environ = programs(work / "bin")
        rounds = options.rounds * (len(options.minutes) if len(options.rounds) == 1 else 1)
        for minutes, times in zip(options.minutes, rounds, strict=True):
            folder = work / f"{minutes}min"
            if not (folder / "case.json").is_file():
                print(f"making the {minutes}-minute case in {folder} …", file=sys.stderr)
                make_case(folder, minutes)
            todo = dict(commands(folder, options.peers))
            for tool in TOOLS.keys() & todo.keys():
                prepare = [*todo[tool][:2], "--prepare", *todo[tool][2:]]
                subprocess.run(prepare, check=True, env={**os.environ, **environ})
            for _ in range(times):
                for what, command in list(todo.items()):
                    row = measure(minutes, what, command, limit=options.limit, environ=environ)
                    rows.append(row)
                    if row.failed:
                        del todo[what]
    text = table(medians(rows), floors=(FLOOR, FAST_FLOOR), ours=OURS)
    print(text)
    if options.print_only:
        return
    RESULTS.mkdir(exist_ok=True)
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg()[0]}
    found = {"schema": "onevoice.bench.mix/2", **machine, "rows": [asdict(row) for row in rows]}
    (RESULTS / "mix.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "mix.md").write_text(text)


if __name__ == "__main__":
    main()
