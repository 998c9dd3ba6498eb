"""The global fit against the rules of four peers, on 216 timelines.

    benchmarks/peers.sh
    python benchmarks/timing.py [--peers build/peers/bin/python]

The first command installs mazinger, doblarr and open-dubbing beside the project. The timelines
are described in ``timelines/making.py``, what is measured in ``timelines/measures.py``, and how the
peers are called in ``timelines/peers.py``. The tables go to ``results/timing.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from timelines.making import Timeline, generated, timelines
from timelines.measures import Measures, Placed
from timelines.rules import onevoice, pyvideotrans

from onevoice.config import TimingSettings

RESULTS = Path(__file__).with_name("results") / "timing.md"
HERE = Path(__file__).parent
EXACT = {"min_rate": 0.8, "max_rate": 1.5, "gap": 0.0, "breath": 0.0, "start_weight": 400.0}
SETTINGS = {
    # Each line fills its window at whatever rate up to max_rate that takes.
    "windows filled": {**EXACT, "end_weight": 80.0, "rate_weight": 0.1, "fast_weight": 0.1},
    # Each line starts on time and runs on into silence before it is fast.
    "starts kept": EXACT,
    # Starts give way by up to the tolerance before anybody is fast.
    "unhurried": {"start_weight": 3.0, "late_weight": 10.0, "gap": 0.08},
}
MORE_IS_BETTER = "overlap (IoU)"
DECIMALS = (3, 2, 2, 1, 1, 1, 0, 2)
"""Of the columns: hundredths of a second, for a placement keeps them, and a file's clock."""
UNKNOWN = "solve, CPU ms a line"
COUNTS = (150, 1800, 5000)

Columns = dict[str, float]


def called(python: Path, made: Sequence[Timeline]) -> dict[str, Columns]:
    """The installed peers' figures."""
    asked = [
        {
            "name": timeline.name,
            "end": timeline.end,
            "lines": [
                {k: v for k, v in asdict(window).items() if k != "latest_end"}
                for window in timeline.windows
            ],
        }
        for timeline in made
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "timelines.json"), Path(folder, "placed.json")
        source.write_text(json.dumps(asked), encoding="utf-8")
        command = [str(python), "-W", "ignore", str(HERE / "timelines" / "peers.py")]
        subprocess.run([*command, str(source), str(out)], check=True, capture_output=True)
        answers = json.loads(out.read_text(encoding="utf-8"))
    found = {}
    for name, results in answers.items():
        measures = Measures()
        for timeline, result in zip(made, results, strict=True):
            measures.add(timeline, [Placed(**p) for p in result["placed"]], result["seconds"])
        found[name] = measures.columns()
    return found


def ours(made: Sequence[Timeline], settings: TimingSettings) -> Columns:
    measures = Measures()
    for timeline in made:
        measures.add(timeline, *onevoice(timeline, settings))
    return measures.columns()


def written_down(made: Sequence[Timeline]) -> Columns:
    """pyvideotrans; our copy of its rule says nothing about its speed."""
    measures = Measures()
    for timeline in made:
        measures.add(timeline, pyvideotrans(timeline), 0.0)
    return {**measures.columns(), UNKNOWN: float("nan")}


def shown(columns: Columns) -> Columns:
    """As the table has them: what differs less is equal."""
    return {
        name: round(value, decimals)
        for (name, value), decimals in zip(columns.items(), DECIMALS, strict=True)
    }


def row(name: str, columns: Columns) -> str:
    cells = [
        "–" if value != value else f"{value:.{decimals}f}"
        for value, decimals in zip(shown(columns).values(), DECIMALS, strict=True)
    ]
    return f"| {name} | {' | '.join(cells)} |"


def worse(name: str, value: float, other: float) -> bool:
    return value < other if name == MORE_IS_BETTER else value > other


def beats(columns: Columns, peer: Columns) -> bool:
    """At least as good in every column, better in one."""
    a, b = shown(columns), shown(peer)
    known = [name for name in a if b[name] == b[name]]
    at_least = not any(worse(name, a[name], b[name]) for name in known)
    return at_least and any(worse(name, b[name], a[name]) for name in known)


def behind(columns: Columns, peers: dict[str, Columns]) -> dict[str, float]:
    """The columns in which somebody is better, and by which share of the best."""
    found = {}
    mine = shown(columns)
    for name in mine:
        others = [shown(peer)[name] for peer in peers.values() if peer[name] == peer[name]]
        best = max(others) if name == MORE_IS_BETTER else min(others)
        if worse(name, mine[name], best):
            found[name] = abs(mine[name] - best) / best if best else float("inf")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, default=Path("build/peers/bin/python"))
    args = parser.parse_args()
    made = timelines()
    lines = sum(len(timeline.windows) for timeline in made)
    default = TimingSettings()
    onevoice(made[0], default)  # the solver's import is not part of a solve
    peers = {**called(args.peers, made), "pyvideotrans (its rule)": written_down(made)}
    mine = ours(made, default)
    tried = {
        "default": mine,
        **{name: ours(made, TimingSettings(**kind)) for name, kind in SETTINGS.items()},
    }
    head = f"| rule | {' | '.join(mine)} |\n|---|{'---|' * len(mine)}"
    text = ["# Timing", "", f"{len(made)} timelines, {lines} lines.", "", head]
    text += [row(name, columns) for name, columns in peers.items()]
    text += [row(f"**OneVoice, {name}**", columns) for name, columns in tried.items()]
    lost = behind(mine, peers)
    told = ", ".join(f"{name} ({100 * share:.1f} % behind)" for name, share in lost.items())
    text += ["", f"The default is best or equal in every column but: {told or 'none'}.", ""]
    text += ["| peer | settings at least as good in every column and better in one |", "|---|---|"]
    for name, columns in peers.items():
        better = [kind for kind, found in tried.items() if beats(found, columns)]
        text.append(f"| {name} | {', '.join(better) or '**none**'} |")
    text.append("")
    for name, kind in SETTINGS.items():
        values = " ".join(f"--set timing.{key}={value:g}" for key, value in kind.items())
        text.append(f"- *{name}*: `{values}`")
    text += ["", "| lines of one film | solve, CPU s |", "|---|---|"]
    for count in COUNTS:
        _, took = onevoice(generated("interview", "en-ko", 1.2, lines=count), default)
        text.append(f"| {count} | {took:.2f} |")
    RESULTS.write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
