"""A whole dub with the embedded models: seconds, memory and real-time factor, stage by stage.

    python benchmarks/pipeline.py [--video samples/talk.mp4] [--to pt,es,ko]

Every command runs in a process of its own with an empty artifact cache; the models lie in the
user's cache, so what is timed is the work and not the assembly of the models. The first language
is run alone, then each further one on top of the same analysis, then everything again from the
cache. Peak memory is the highest resident set of the process and its children, sampled while a
stage runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from onevoice.config import cache_dir
from onevoice.media import probe

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent


@dataclass
class Command:
    """One run of the command line."""

    what: str
    wall_s: float = 0.0
    peak_mb: float = 0.0
    share: float = 0.0
    """Wall seconds per second of video: the real-time factor."""
    stages: list[tuple[str, bool, float]] = field(default_factory=list)


def run(what: str, arguments: list[str], cache: Path, duration: float) -> Command:
    """Run ``onevoice`` and sample its memory twenty times a second."""
    command = [sys.executable, "-m", "onevoice", *arguments]
    environ = {**os.environ, "ONEVOICE_CACHE_DIR": str(cache)}
    measured = Command(what=what)
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE
        )
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, measured, stop))
        watcher.start()
        _, errors = process.communicate()
        measured.wall_s = round(time.perf_counter() - began, 2)
        stop.set()
        watcher.join()
        if process.returncode != 0:
            raise SystemExit(f"{what}: status {process.returncode}\n{errors.decode()}")
        out.seek(0)
        text = out.read()
    measured.share = round(measured.wall_s / duration, 2)
    if "--json" in arguments:
        for result in json.loads(text)["results"]:
            measured.stages += [
                (f"{s['name']} {result['language']}", s["cached"], s["seconds"])
                for s in result["stages"]
            ]
    return measured


def _watch(pid: int, measured: Command, stop: threading.Event) -> None:
    try:
        root = psutil.Process(pid)
        while not stop.wait(0.05):
            total = root.memory_info().rss
            for child in root.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            measured.peak_mb = max(measured.peak_mb, round(total / 1e6))
    except psutil.NoSuchProcess:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, default=ROOT / "samples" / "talk.mp4")
    parser.add_argument("--to", default="pt,es,ko")
    parser.add_argument("--speakers", default="2")
    options = parser.parse_args()
    languages = options.to.split(",")
    duration = probe(options.video).duration
    rows: list[Command] = []
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        cache.mkdir()
        (cache_dir() / "models").mkdir(parents=True, exist_ok=True)
        (cache / "models").symlink_to(cache_dir() / "models")
        video = Path(folder) / options.video.name
        shutil.copy(options.video, video)
        common = [str(video), "--speakers", options.speakers, "--json"]
        rows.append(run("onevoice --help", ["--help"], cache, duration))
        for i, language in enumerate(languages):
            what = f"{'first' if i == 0 else 'further'} language: {language}"
            rows.append(run(what, ["dub", "--to", language, *common], cache, duration))
        rows.append(run("all again, cached", ["dub", "--to", options.to, *common], cache, duration))
    write(rows, options.video, duration)


def write(rows: list[Command], video: Path, duration: float) -> None:
    """Print the table and keep it."""
    table = [
        f"{video.name}, {duration:.1f} s, on {os.cpu_count()} cores ({platform.machine()})",
        "",
        "| run | wall s | x video | peak MB |",
        "|---|---|---|---|",
        *(f"| {r.what} | {r.wall_s} | {r.share} | {r.peak_mb:.0f} |" for r in rows),
        "",
        "| stage that ran | seconds | x video |",
        "|---|---|---|",
    ]
    for row in rows:
        for name, cached, seconds in row.stages:
            if not cached:
                table.append(f"| {name} | {seconds:.2f} | {seconds / duration:.2f} |")
    text = "\n".join(table) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "pipeline.md").write_text(text, encoding="utf-8")
    data = {"video": video.name, "duration_s": duration, "runs": [asdict(row) for row in rows]}
    (RESULTS / "pipeline.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
