"""The global fit against the line-by-line rule, on generated timelines.

Run ``python benchmarks/timing.py``; it prints a Markdown table.

A timeline is a talk or a film: pauses between windows are 0.1 s plus an exponential with mean
0.6 s, window lengths 0.6 s plus a gamma with mean 3.2 s, one of three speakers a line (each
stays for the next line with probability 0.8), 60 % on screen. The natural length of the dub is
the window's times a normal factor with mean 1.15 and deviation 0.22, kept in 0.6 to 2: what
Spanish and Portuguese voices did on real clips. ``crowded`` has mean 1.35, as Korean had.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from onevoice.config import TimingSettings
from onevoice.timing import Window, fit, greedy
from onevoice.types import Placement


def timeline(lines: int, *, seed: int = 0, mean: float = 1.15) -> tuple[list[Window], float]:
    """Windows in order of time, and the length of the film in seconds."""
    random = np.random.default_rng(seed)
    gap = random.exponential(0.6, lines) + 0.1
    length = random.gamma(4, 0.8, lines) + 0.6
    end = np.cumsum(gap + length)
    natural = length * random.normal(mean, 0.22, lines).clip(0.6, 2.0)
    change = np.cumsum(random.random(lines) > 0.8)
    on_screen = random.random(lines) < 0.6
    windows = [
        Window(
            id=f"s{i:04d}",
            start=float(end[i] - length[i]),
            end=float(end[i]),
            speaker=f"S{change[i] % 3 + 1}",
            natural=float(natural[i]),
            on_screen=bool(on_screen[i]),
        )
        for i in range(lines)
    ]
    return windows, float(end[-1] + 1.0)


def row(name: str, windows: Sequence[Window], placed: Sequence[Placement], seconds: float) -> str:
    """One line of the table; windows and placements in the same order."""
    start = np.array([w.start for w in windows])
    end = np.array([w.end for w in windows])
    at = np.array([p.start for p in placed])
    stop = np.array([p.end for p in placed])
    iou = np.maximum(np.minimum(end, stop) - np.maximum(start, at), 0) / (
        np.maximum(end, stop) - np.minimum(start, at)
    )
    offset = np.abs(at - start)
    rate = np.array([p.rate for p in placed])
    overlap = np.maximum(stop[:-1] - at[1:], 0).sum()
    cells = (
        f"{len(windows)}",
        name,
        f"{iou.mean():.3f}",
        f"{np.quantile(offset, 0.5):.2f}",
        f"{np.quantile(offset, 0.95):.2f}",
        f"{offset.max():.2f}",
        f"{100 * (rate > 1.251).mean():.1f} %",
        f"{rate.max():.2f}",
        f"{overlap:.3f}",
        f"{seconds:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    settings = TimingSettings()
    fit(timeline(2)[0], settings, end=60.0)  # the solver's import is not part of a solve
    print(
        "| lines | fit | overlap with window (IoU) | start offset p50 s | p95 s | max s "
        "| over 1.25x | fastest | overlap s | solve s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for mean in (1.15, 1.35):
        for lines in (150, 1800, 5000):
            windows, end = timeline(lines, mean=mean)
            began = time.perf_counter()
            baseline = greedy(windows, settings, end=end)
            between = time.perf_counter()
            result = fit(windows, settings, end=end)
            done = time.perf_counter()
            label = "" if mean < 1.2 else ", crowded"
            print(row(f"greedy{label}", windows, baseline, between - began))
            print(row(f"global{label}", windows, result.placements, done - between))


if __name__ == "__main__":
    main()
