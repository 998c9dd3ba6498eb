"""The report as a page: one HTML file that needs no network, no server and no other file.

Everything in it that came from a film, a model or a file name is data: the template escapes it,
:mod:`.showing` makes visible what would hide, and the page's own policy (CSP) lets the browser run
nothing but the one script and the one style sheet whose digests it names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from onevoice import languages, media
from onevoice.pipeline.qc import clips
from onevoice.pipeline.qc.clips import Track
from onevoice.pipeline.qc.model import Limit, LineReport, Report
from onevoice.pipeline.qc.showing import Piece, differences, visible
from onevoice.pipeline.qc.spans import Span

LOCALES = ("en", "ko")
COLOURS = 6
"""Speakers told apart by colour; a seventh has that of the first."""
_DIGITS = {"": 1, "s": 3, "x": 3, "LUFS": 2, "LU": 2, "dBTP": 2}
_SUFFIX = {"": " %", "s": " s", "x": "×", "LUFS": " LUFS", "LU": " LU", "dBTP": " dBTP"}
"""By unit; a count says in its name what it counts."""
_LINE_UNITS = {
    "start_offset": "s", "end_offset": "s", "gap": "s", "rate": "x", "stretch": "x",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chip:
    """A flag of a line: its name, the figure that raised it, and what the run said of it."""

    name: str
    figure: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line as the table shows it."""

    line: LineReport
    colour: int
    heard: Sequence[Piece]
    chips: Sequence[Chip]


def write(
    report: Report,
    *,
    original: tuple[Path, int],
    dub: tuple[Path, int],
    out: Path,
    cancel: media.Cancellable | None = None,
) -> None:
    """Write the page of a report; both files (each with its audio track) are decoded once.

    Raises
    ------
    MediaNotFound, MediaUnreadable, NoAudio
        A file's sound cannot be read.
    DiskFull, OutputUnwritable, OutputError
        The page cannot be written.
    Cancelled
        ``cancel`` was set; no page is left behind.
    """
    seconds = clips.longest(report)
    cut = clips.cuts(report, worst_first(report))
    tracks = []
    for path, number in (original, dub):
        with TemporaryDirectory(prefix="onevoice-") as folder:
            tracks.append(clips.track(path, number, cut, seconds, Path(folder), cancel))
    with media.whole_file(out) as part:
        part.write_bytes(render(report, tracks, cut).encode())


def render(report: Report, tracks: Sequence[Track], cut: Sequence[Span]) -> str:
    """The page itself; ``tracks`` are the original's and the dub's, both cut by ``cut``."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "visible": visible, "clock": clock, "figure": figure, "limit": limit,
        "language": languages.name, "endonym": languages.endonym,
    }  # fmt: skip
    script, style = _asset("report.js"), _asset("report.css")
    # Digests and base64 are ours; so are the two files. Nothing else goes in unescaped.
    return environment.from_string(_asset("report.html")).render(
        report=report,
        rows=list(rows(report)),
        words=words(),
        data=data(report, tracks, cut),
        sounds=[Markup(base64.b64encode(track.sound).decode()) for track in tracks],  # noqa: S704 (base64)
        script=Markup(script),  # noqa: S704 (our own file)
        style=Markup(style),  # noqa: S704 (our own file)
        digests={"script": digest(script), "style": digest(style)},
        failed=[name for name, m in report.programme.items() if m.verdict == "fail"],
        judged=sum(m.verdict != "none" for m in report.programme.values()),
        flags=sorted({flag for line in report.lines for flag in line.flags}),
        speakers=speakers(report),
        whole=clips.is_whole(cut, report),
    )


def worst_first(report: Report) -> list[LineReport]:
    """The lines by what is wrong with them; those of equal rank in order of time."""
    return sorted(report.lines, key=lambda line: -badness(line, report.line_limits))


def badness(line: LineReport, limits: dict[str, Limit]) -> float:
    """One for each flag, and by how much of its limit (at least 0.1) each measure passes it."""
    return len(line.flags) + sum(
        min(9.0, beyond / max(0.1, abs(edge)))
        for name in line.flags
        if (value := getattr(line, name, None)) is not None and name in limits
        for edge, beyond in _passed(value, limits[name])
    )


def rows(report: Report) -> Iterator[Row]:
    """The lines as the table shows them, in order of time."""
    known = {name: number % COLOURS for number, name in enumerate(speakers(report))}
    told = {(warning.line, warning.code): warning.message for warning in report.warnings}
    for line in report.lines:
        expected = [text for text in (line.text, line.said) if text]
        heard = differences(expected, line.heard, report.language) if line.heard else ()
        chips = [
            Chip(name, line_figure(line, name), told.get((line.id, name), ""))
            for name in line.flags
        ]
        yield Row(line, known.get(line.speaker or "", 0), heard, chips)


def speakers(report: Report) -> list[str]:
    """In order of appearance."""
    return list(dict.fromkeys(line.speaker for line in report.lines if line.speaker))


def data(report: Report, tracks: Sequence[Track], cut: Sequence[Span]) -> dict[str, Any]:
    """What the page's script works on."""
    top = max(track.peaks.top for track in tracks)
    order = {name: number for number, name in enumerate(speakers(report))}
    return {
        "seconds": clips.longest(report),
        "tracks": [
            {"perSecond": track.peaks.per_second, "peaks": track.peaks.packed(top)}
            for track in tracks
        ],
        "cuts": cut,
        "holes": [[hole.start, hole.end] for hole in report.holes],
        "lines": [
            {
                "window": row.line.window,
                "placements": row.line.placements,
                "colour": row.colour,
                "flagged": bool(row.line.flags),
                "flags": row.line.flags,
                "speaker": order.get(row.line.speaker or ""),
                "sort": _ranks(row.line, report.line_limits, order),
            }
            for row in rows(report)
        ],
        "words": {locale: words()[locale]["page"] for locale in LOCALES if locale != "en"},
    }


@cache
def words() -> dict[str, Any]:
    """The page's own texts by locale: ``page`` (flat, by key) is what the template asks for."""
    tree = yaml.safe_load(_asset("words.yaml"))
    for texts in tree.values():
        flat = dict(texts["ui"])
        for name, (label, meaning) in texts["measures"].items():
            flat |= {f"measure.{name}": label, f"meaning.{name}": meaning}
        flat |= {f"flag.{name}": label for name, label in texts["flags"].items()}
        texts["page"] = flat
    return dict(tree)


def digest(text: str) -> str:
    """How a content security policy names a script or a style sheet."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# --- figures as they are read ---------------------------------------------------------------


def clock(seconds: float) -> str:
    """
    >>> clock(3725.5)
    '1:02:05.50'
    """
    hundredths = max(0, round(seconds * 100))
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest / 100:05.2f}"
    return f"{hours}:{minutes:02}:{tail}" if hours else f"{minutes}:{tail}"


def figure(value: float | None, unit: str, digits: int | None = None, *, sign: bool = False) -> str:
    """A figure with its unit; a share in per cent.

    >>> figure(0.934, ""), figure(-23.0, "LUFS"), figure(None, "s")
    ('93.4 %', '−23.00 LUFS', '–')
    """
    if value is None:
        return "–"
    shown = 100 * value if unit == "" else value
    places = _DIGITS.get(unit, 0) if digits is None else digits
    text = f"{shown:{'+' if sign else ''}.{places}f}".replace("-", "−")
    return f"{text}{_SUFFIX.get(unit, '')}"


def limit(bounds: Limit | None, unit: str) -> str:
    """A threshold: ``≥ 80 %``, ``−1 … 1 LU``."""
    if bounds is None or (bounds.min is None and bounds.max is None):
        return "–"
    low, high = (None if edge is None else _short(edge, unit) for edge in (bounds.min, bounds.max))
    end = _SUFFIX.get(unit, "")
    if low is not None and high is not None:
        return f"{low} … {high}{end}"
    return f"≥ {low}{end}" if low is not None else f"≤ {high}{end}"


def line_figure(line: LineReport, name: str) -> str:
    """The figure of a line that a flag is about; empty for a flag without one."""
    value = getattr(line, name, None) if name in LineReport.model_fields else None
    if not isinstance(value, float):
        return ""
    unit = _LINE_UNITS.get(name, "")
    return figure(value, unit, 2 if unit else 0, sign=unit == "s")


def _short(edge: float, unit: str) -> str:
    return f"{100 * edge if unit == '' else edge:g}".replace("-", "−")


def _passed(value: float, bounds: Limit) -> Iterator[tuple[float, float]]:
    if bounds.min is not None and value < bounds.min:
        yield bounds.min, bounds.min - value
    if bounds.max is not None and value > bounds.max:
        yield bounds.max, value - bounds.max


def _ranks(
    line: LineReport, limits: dict[str, Limit], order: dict[str, int]
) -> dict[str, float | None]:
    """By column, what it is sorted by: small is what is looked for first."""
    before, after = line.source_loudness, line.dub_loudness
    apart = None if before is None or after is None else abs(after - before)
    return {
        "worst": -round(badness(line, limits), 4),
        "time": line.window[0],
        "speaker": order.get(line.speaker or ""),
        "rate": _minus(line.rate),
        "overlap": line.overlap,
        "start_offset": _minus(line.start_offset),
        "end_offset": _minus(line.end_offset),
        "cer": _minus(line.cer),
        "loudness": _minus(apart),
    }


def _minus(value: float | None) -> float | None:
    return None if value is None else -abs(value)


@cache
def _asset(name: str) -> str:
    return files("onevoice.pipeline.qc").joinpath("assets", name).read_text("utf-8")
