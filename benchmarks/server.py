"""The hosted mode: what a submission costs, a thousand streams, waiting for a worker, overhead.

    python benchmarks/server.py [--only submissions|streams|queue|overhead] [--seconds 10]

PostgreSQL is a cluster of its own with fsync on; S3 and SQS are moto's over loopback, which is much
slower than AWS, in a process of its own. Everything runs on this machine, so the load and the
services take CPU from the server: CPU is counted by process, and the shares are told apart.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from serving import submissions
from serving.place import Place, place

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("submissions", "streams", "queue", "overhead"))
    parser.add_argument("--seconds", type=float, default=10.0, help="how long load lasts")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--people", type=int, default=600, help="accounts that submit in turn")
    parser.add_argument("--languages", default="es,ko")
    given = parser.parse_args()
    parts: dict[str, tuple[str, Callable[[Place], str]]] = {
        "submissions": (
            "Submissions",
            lambda there: submissions.measure(
                there,
                seconds=given.seconds,
                connections=given.connections,
                people=given.people,
                languages=given.languages.split(","),
            ),
        ),
    }
    with place() as there:
        for name, (title, measure) in parts.items():
            if given.only in (None, name):
                text = measure(there)
                print(f"\n## {title}\n\n{text}\n", flush=True)


if __name__ == "__main__":
    main()
