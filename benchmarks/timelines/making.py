"""Timelines of the shape of real dubs: from the recognised sample, and generated.

What the voice needs for a line is its window times a normal factor. The factors of a pair of
languages are those of OneVoice's own dubs of the sample (natural length over window, mean and
deviation over its lines: es 0.87 ± 0.11, pt 0.90 ± 0.12, ko 0.98 ± 0.24), times the pace of the
source: the sample is read slowly (1.0); who talks freely is a fifth faster (1.2), who is in a
hurry 1.35. The other pairs are between these.

Three kinds of film are generated. All lengths are seconds; pauses and windows are a least value
plus an exponential or a gamma of shape 3:

=========  ========  ============  =============  ===============  =========  ==========
kind       speakers  next is new   pause          window           on screen  talked over
=========  ========  ============  =============  ===============  =========  ==========
talk       1         never         0.30 + e 0.60  0.8 + g 3.2      80 %       never
interview  2         0.35          0.10 + e 0.45  0.5 + g 2.6      65 %       15 % of changes
film       4         0.60          0.12 + e 1.30  0.4 + g 1.6      55 %       6 % of changes
=========  ========  ============  =============  ===============  =========  ==========

Who is on screen stays so for the next line with probability 0.7 and is drawn again otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onevoice.timing import Window

PAIRS = {
    "en-es": (0.87, 0.11),
    "en-pt": (0.90, 0.12),
    "en-fr": (0.92, 0.14),
    "en-de": (0.95, 0.16),
    "en-ja": (0.96, 0.22),
    "en-ko": (0.98, 0.24),
}
"""Mean and deviation of natural length over window, at the pace of the sample."""
PACES = (1.0, 1.2, 1.35)
SAMPLE = Path(__file__).with_name("talk.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The shape of a generated film; see the table above."""

    speakers: int
    change: float
    pause: tuple[float, float]
    window: tuple[float, float]
    on_screen: float
    talked_over: float


KINDS = {
    "talk": Kind(
        speakers=1,
        change=0.0,
        pause=(0.3, 0.6),
        window=(0.8, 3.2),
        on_screen=0.8,
        talked_over=0.0,
    ),
    "interview": Kind(
        speakers=2,
        change=0.35,
        pause=(0.1, 0.45),
        window=(0.5, 2.6),
        on_screen=0.65,
        talked_over=0.15,
    ),
    "film": Kind(
        speakers=4,
        change=0.6,
        pause=(0.12, 1.3),
        window=(0.4, 1.6),
        on_screen=0.55,
        talked_over=0.06,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Lines to place in a film of ``end`` seconds; windows in the order of their starts."""

    name: str
    windows: tuple[Window, ...]
    end: float


def timelines() -> list[Timeline]:
    """All of the benchmark: 36 from the sample, 180 generated, a fixed seed each."""
    spoken = [
        from_sample(pair, pace, seed) for pair in PAIRS for pace in PACES[1:] for seed in range(3)
    ]
    made = [
        generated(kind, pair, pace, seed=100 * i + seed)
        for i, kind in enumerate(KINDS)
        for pair in PAIRS
        for pace, seeds in zip(PACES, (3, 5, 2), strict=True)
        for seed in range(seeds)
    ]
    return spoken + made


def from_sample(pair: str, pace: float, seed: int) -> Timeline:
    """The recognised segments of ``samples/talk.mp4`` with the factors of a pair of languages."""
    data = json.loads(SAMPLE.read_text(encoding="utf-8"))
    random = np.random.default_rng(seed)
    start, end = np.array([(s["start"], s["end"]) for s in data["segments"]]).T
    windows = _windows(
        start,
        end,
        [segment["speaker"] for segment in data["segments"]],
        (end - start) * _factors(random, pair, pace, len(start)),
        _sticky(random, len(start), 0.7),
    )
    return Timeline(name=f"sample {pair} {pace} {seed}", windows=windows, end=data["duration"])


def generated(
    kind: str, pair: str, pace: float, *, seed: int = 0, lines: int | None = None
) -> Timeline:
    """A film of one kind; 20 to 60 lines unless their number is given."""
    shape = KINDS[kind]
    random = np.random.default_rng([seed, sum(map(ord, kind + pair)), round(100 * pace)])
    count = lines or int(random.integers(20, 61))
    least, mean = shape.pause
    pause = least + random.exponential(mean, count)
    least, mean = shape.window
    length = least + random.gamma(3.0, mean / 3.0, count)
    changes = random.random(count) < shape.change
    step = random.integers(1, max(shape.speakers, 2), count) * changes
    speaker = np.cumsum(step) % shape.speakers
    over = changes & (random.random(count) < shape.talked_over)
    pause[over] = -np.minimum(random.uniform(0.1, 0.6, count), 0.4 * length)[over]
    pause[0] = 1.0
    end = np.cumsum(pause + length)
    return Timeline(
        name=f"{kind} {pair} {pace} {seed}",
        windows=_windows(
            end - length,
            end,
            [f"S{s + 1}" for s in speaker],
            length * _factors(random, pair, pace, count),
            _sticky(random, count, shape.on_screen),
        ),
        end=float(end.max() + 1.5),
    )


def _factors(
    random: np.random.Generator, pair: str, pace: float, count: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    mean, deviation = PAIRS[pair]
    return pace * random.normal(mean, deviation, count).clip(mean - 0.35, mean + 0.6)


def _sticky(random: np.random.Generator, count: int, share: float) -> list[bool]:
    marks: list[bool] = []
    for stays, drawn in zip(random.random(count) < 0.7, random.random(count) < share, strict=True):
        marks.append(marks[-1] if marks and stays else bool(drawn))
    return marks


def _windows(
    start: np.ndarray[tuple[int], np.dtype[np.float64]],
    end: np.ndarray[tuple[int], np.dtype[np.float64]],
    speakers: list[str],
    natural: np.ndarray[tuple[int], np.dtype[np.float64]],
    on_screen: list[bool],
) -> tuple[Window, ...]:
    order = np.argsort(start, kind="stable")
    return tuple(
        Window(
            id=f"s{number:04d}",
            start=round(float(start[i]), 3),
            end=round(float(end[i]), 3),
            speaker=speakers[i],
            natural=round(float(natural[i]), 3),
            on_screen=on_screen[i],
        )
        for number, i in enumerate(order, start=1)
    )
