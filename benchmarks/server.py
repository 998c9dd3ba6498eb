"""The hosted mode: what a submission costs, a thousand streams, waiting for a worker, overhead.

    python benchmarks/server.py [--only submissions|streams|queue|overhead] [--seconds 10]

PostgreSQL is a cluster of its own with fsync on; S3 and SQS are moto's over loopback, much slower
than AWS, in a process of their own. Everything runs on this machine and takes CPU from the server:
CPU is therefore counted by process, and the shares are told apart.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from serving import overhead, starts, streams, submissions  # noqa: E402 (tests is in the root)
from serving.place import Place, place  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "server.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("submissions", "streams", "queue", "overhead"))
    parser.add_argument("--seconds", type=float, default=10.0, help="how long load lasts")
    parser.add_argument("--warm-up", type=float, default=8.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--people", type=int, default=600, help="accounts that submit in turn")
    parser.add_argument("--languages", default="es,ko")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=20, help="for the queue")
    parser.add_argument("--rounds", type=int, default=2, help="for the overhead")
    parser.add_argument("--video", type=Path, default=ROOT / "samples" / "talk.mp4")
    given = parser.parse_args()
    parts: dict[str, tuple[str, Callable[[Place], str]]] = {
        "submissions": (
            "Submissions",
            lambda there: submissions.measure(
                there,
                seconds=given.seconds,
                warm_up=given.warm_up,
                connections=given.connections,
                people=given.people,
                languages=given.languages.split(","),
            ),
        ),
        "streams": (
            "Streams",
            lambda there: streams.measure(
                there, streams=given.streams, seconds=given.seconds, events=given.events
            ),
        ),
        "queue": ("Queue to start", lambda there: starts.measure(there, jobs=given.jobs)),
        "overhead": (
            "Overhead of a hosted job",
            lambda there: overhead.measure(
                there, video=given.video, language="pt", rounds=given.rounds
            ),
        ),
    }
    # What was started ends with this process, also when it is asked to stop.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with place() as there:
        for name, (title, measure) in parts.items():
            if given.only in (None, name):
                text = measure(there)
                print(f"## {title}\n\n{text}\n", flush=True)
                keep(title, text)


def keep(title: str, text: str) -> None:
    """Replace this part of the results; the others stay as they were."""
    kept = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    sections = dict(re.findall(r"^## (.+?)\n\n(.*?)(?=^## |\Z)", kept, re.MULTILINE | re.DOTALL))
    sections[title] = (
        f"{text}\n\n{os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}\n\n"
    )
    RESULTS.parent.mkdir(exist_ok=True)
    written = "".join(f"## {name}\n\n{body}" for name, body in sections.items())
    RESULTS.write_text(f"{written.rstrip()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
