"""Kill, cut off and mislead a hosted server for as long as one likes, and print the figures.

::

    python benchmarks/faults.py kills --rounds 100 --seed 7
    python benchmarks/faults.py all

The scenes are those of tests/integration/server/test_faults.py, larger; docs/reliability.md says
what they show. Needs the packages of the tests, and PostgreSQL's server programs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from onevoice import media  # noqa: E402 (the repository's own tests are no package)
from tests.cloud import CREDENTIALS, aws  # noqa: E402 (likewise)
from tests.integration.server import faults_scenes as scenes  # noqa: E402 (likewise)
from tests.integration.server.faults_site import Site  # noqa: E402 (likewise)
from tests.integration.server.faults_wire import wire  # noqa: E402 (likewise)
from tests.postgres import Postgres, find_programs  # noqa: E402 (likewise)

Scene = Callable[[Site, int, int], Coroutine[Any, Any, dict[str, Any]]]
SCENES: dict[str, tuple[Scene, int, dict[str, Any]]] = {
    "kills": (lambda site, n, seed: scenes.kills(site, rounds=n, seed=seed), 100, {}),
    "messages": (lambda site, n, seed: scenes.storm_of_messages(site, jobs=n), 10, {}),
    "storage": (lambda site, n, seed: scenes.storage_faults(site, jobs=n, seed=seed), 10, {}),
    "database": (lambda site, n, seed: scenes.database_restarts(site, rounds=n), 10, {}),
    "hanging": (lambda site, n, seed: scenes.hanging_worker(site, at="uploading"), 1, {}),
    "stopping": (lambda site, n, seed: scenes.asked_to_stop(site), 1, {}),
    "poison": (lambda site, n, seed: scenes.poison(site), 1, {"max_attempts": 2}),
    "web": (lambda site, n, seed: scenes.server_dies_before_the_message(site, key="k"), 1, {}),
}
"""Each with how often it is done by default, and settings of its own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", choices=[*SCENES, "all"])
    parser.add_argument("--rounds", type=int, help="kills, jobs or outages")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    programs = find_programs()
    if programs is None:
        raise SystemExit("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    os.environ.update(CREDENTIALS)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    cluster = Postgres(programs, durable=True)
    try:
        cluster.start()
        for name in SCENES if given.scene == "all" else (given.scene,):
            scene, rounds, more = SCENES[name]
            with tempfile.TemporaryDirectory(prefix="ov-faults-") as folder:
                times = given.rounds or rounds
                figures = _play(cluster, Path(folder), scene, times, given.seed, more)
            print(json.dumps({"scene": name, "seed": given.seed, **figures}, indent=1))
    finally:
        cluster.remove()


def _play(
    cluster: Postgres, folder: Path, scene: Scene, rounds: int, seed: int, more: dict[str, Any]
) -> dict[str, Any]:
    with aws() as cloud, wire(cloud.endpoint, seed=seed) as between:
        site = Site(folder, cloud, between, cluster, _clip(folder), more)
        try:
            return asyncio.run(scene(site, rounds, seed))
        finally:
            site.close()


def _clip(folder: Path) -> Path:
    path = folder / "clip.mp4"
    subprocess.run(
        [
            media.ffmpeg_path(), "-nostdin", "-loglevel", "error", "-y",
            "-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration=5",
            "-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=5",
            "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest", path,
        ],
        check=True,
    )  # fmt: skip
    return path


if __name__ == "__main__":
    main()
