"""Draw ``docs/images/talk.png``: a still of a film, its sound, and the sound of its dub below.

::

    pip install pillow
    python docs/make_picture.py samples/talk.mp4 demo-output/talk.es.mp4

Texts, times and figures come from the project folder beside the dub (``talk.onevoice``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import yaml
from PIL import Image, ImageDraw, ImageFont

from onevoice import languages

SIZE = (1600, 992)
MARGIN = 48
STILL = (512, 288)
WAVE = 132
"""Height of a waveform, in pixels."""
TRACKS = (446, 706)
"""Where the two waveforms begin."""
RATE = 16_000

PAPER, LINE = (14, 17, 24), (44, 52, 68)
INK, FAINT = (236, 240, 247), (139, 150, 170)
SPEAKERS = ((255, 176, 92), (111, 196, 255), (170, 220, 130), (226, 150, 240))
"""One colour for each voice, in order of appearance."""


@dataclass(frozen=True)
class Spoken:
    """A line where it is heard: seconds, speaker, text."""

    start: float
    end: float
    speaker: str
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("original", type=Path)
    parser.add_argument("dub", type=Path)
    parser.add_argument("--from", dest="begin", type=float, default=1.0, help="seconds")
    parser.add_argument("--to", dest="end", type=float, default=18.2, help="seconds")
    parser.add_argument("--still", type=float, default=6.0, help="time of the still, seconds")
    parser.add_argument("--font", default="DejaVuSansCondensed", help="a name that Pillow finds")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "images" / "talk.png", metavar="FILE"
    )
    args = parser.parse_args()
    picture = Picture(args.font, args.begin, args.end)
    stem, _, language = args.dub.stem.rpartition(".")
    project = args.dub.with_name(f"{stem}.onevoice")
    transcript = yaml.safe_load((project / "transcript.yaml").read_text(encoding="utf-8"))
    report = json.loads((project / f"report.{language}.json").read_text(encoding="utf-8"))
    heard, said = original_lines(transcript), dubbed_lines(report)
    picture.head(args.original, args.dub, still(args.original, args.still), report)
    names = [languages.name(transcript["language"]), languages.name(language)]
    order = list(dict.fromkeys(line.speaker for line in heard))
    picture.windows(heard, order)
    for top, file, name, lines, kind in zip(
        TRACKS, (args.original, args.dub), names, (heard, said), ("Original", "Dub"), strict=True
    ):
        picture.track(top, f"{kind} · {name}", sound(file), lines, order)
    picture.axis()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    picture.image.quantize(192, dither=Image.Dither.NONE).save(args.out, optimize=True)


# --- what is drawn --------------------------------------------------------------------------


def original_lines(transcript: dict) -> list[Spoken]:
    return [Spoken(s["start"], s["end"], s["speaker"], s["text"]) for s in transcript["segments"]]


def dubbed_lines(report: dict) -> list[Spoken]:
    """The lines as the report places them."""
    return [
        Spoken(line["placements"][0][0], line["placements"][-1][1], line["speaker"], line["text"])
        for line in report["lines"]
        if line["placements"]
    ]


def still(path: Path, at: float) -> Image.Image:
    """The first picture shown at or after a time in seconds."""
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            if frame.time is not None and frame.time >= at:
                return frame.to_image()
    raise SystemExit(f"{path} has no picture at {at} s")


def sound(path: Path) -> np.ndarray:
    """Mono samples, shape (n,), at RATE."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    blocks = []
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            blocks += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(blocks)


# --- how ------------------------------------------------------------------------------------


class Picture:
    """The image, and the stretch of time that it shows."""

    def __init__(self, font: str, begin: float, end: float) -> None:
        self.image = Image.new("RGB", SIZE, PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.font = font
        self.begin, self.end = begin, end

    def letters(self, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        try:
            return ImageFont.truetype(f"{self.font}{'-Bold' if bold else ''}.ttf", size)
        except OSError:
            return ImageFont.load_default(size)

    def x(self, seconds: float) -> int:
        width = SIZE[0] - 2 * MARGIN
        return MARGIN + round((seconds - self.begin) / (self.end - self.begin) * width)

    def visible(self, lines: list[Spoken]) -> Iterator[tuple[Spoken, int, int]]:
        """Lines that lie in the stretch whole, with their edges in pixels."""
        for line in lines:
            if line.start >= self.begin and line.end <= self.end:
                yield line, self.x(line.start), self.x(line.end)

    def head(self, original: Path, dub: Path, picture: Image.Image, report: dict) -> None:
        draw, left = self.draw, MARGIN + STILL[0] + 48
        frame = (MARGIN, MARGIN, MARGIN + STILL[0], MARGIN + STILL[1])
        mask = Image.new("L", STILL, 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, STILL[0] - 1, STILL[1] - 1), 14, 255)
        self.image.paste(picture.resize(STILL, Image.Resampling.LANCZOS), frame[:2], mask)
        draw.rounded_rectangle(frame, 14, outline=LINE, width=2)
        draw.text((left, MARGIN - 6), "OneVoice", INK, self.letters(54, bold=True))
        draw.text(
            (left, MARGIN + 66),
            f"{original.name}  →  {dub.name}",
            FAINT,
            self.letters(28),
        )
        for number, (value, label) in enumerate(figures(report)):
            column, row = number % 3, number // 3
            at = (left + column * 312, MARGIN + 132 + row * 84)
            draw.text(at, value, INK, self.letters(32, bold=True))
            draw.text((at[0], at[1] + 40), label, FAINT, self.letters(21))

    def windows(self, lines: list[Spoken], order: list[str]) -> None:
        """Bands behind both tracks: when the source speaks."""
        for line, left, right in self.visible(lines):
            colour = colour_of(line.speaker, order)
            for top in TRACKS:
                self.draw.rectangle((left, top, right, top + WAVE), blend(colour, PAPER, 0.14))
            for edge in (left, right):
                joint = (edge, TRACKS[0] + WAVE, edge, TRACKS[1])
                self.draw.line(joint, blend(colour, PAPER, 0.3))

    def track(
        self, top: int, title: str, samples: np.ndarray, lines: list[Spoken], order: list[str]
    ) -> None:
        draw = self.draw
        at, bold = (MARGIN, top - 50), self.letters(28, bold=True)
        draw.rectangle(draw.textbbox(at, f"{title} ", bold), PAPER)  # over the joints
        draw.text(at, title, INK, bold)
        middle = top + WAVE // 2
        shown = list(self.visible(lines))
        for column, height in enumerate(self.heights(samples)):
            at = MARGIN + column
            speaker = next((x.speaker for x, left, right in shown if left <= at <= right), None)
            colour = LINE if speaker is None else colour_of(speaker, order)
            half = max(1, round(height * WAVE / 2))
            draw.line((at, middle - half, at, middle + half), fill=colour)
        for number, (line, left, right) in enumerate(shown):
            colour = colour_of(line.speaker, order)
            draw.rectangle((left, top + WAVE + 2, right, top + WAVE + 5), fill=colour)
            room = shown[number + 1][1] - 10 if number + 1 < len(shown) else SIZE[0] - MARGIN
            longest = max(draw.textlength(word, self.letters(21)) for word in line.text.split())
            start = max(MARGIN, min(left + 8, room - round(longest)))
            self.text(line.text, start, top + WAVE + 14, max(right - start, longest))

    def heights(self, samples: np.ndarray) -> np.ndarray:
        """Peak of each column, 0 to 1; the loudest of the stretch is 1."""
        first, last = round(self.begin * RATE), round(self.end * RATE)
        piece = np.abs(samples[first:last])
        edges = np.linspace(0, len(piece), SIZE[0] - 2 * MARGIN + 1).astype(int)[:-1]
        peaks = np.maximum.reduceat(piece, edges)
        return peaks / max(float(peaks.max()), 1e-6)

    def text(self, text: str, left: int, top: int, width: float) -> None:
        """In as many rows as it takes."""
        font, row, y = self.letters(21), "", top
        for word in text.split():
            longer = f"{row} {word}".strip()
            if row and self.draw.textlength(longer, font) > width:
                self.draw.text((left, y), row, INK, font)
                row, y = word, y + 27
            else:
                row = longer
        self.draw.text((left, y), row, INK, font)

    def axis(self) -> None:
        y = SIZE[1] - 40
        for second in range(int(np.ceil(self.begin)), int(self.end) + 1):
            long = second % 5 == 0
            x = self.x(second)
            self.draw.line((x, y, x, y + (9 if long else 5)), fill=FAINT if long else LINE)
            if long:
                self.draw.text((x, y + 11), f"{second} s", FAINT, self.letters(17), anchor="ma")


def figures(report: dict) -> list[tuple[str, str]]:
    """What the report says of the dub, in six short figures."""
    whole = {name: measure["value"] for name, measure in report["programme"].items()}
    source = whole["lufs"] - whole["lufs_deviation"]
    return [
        (f"{100 * whole['overlap']:.0f} %", "mean overlap of the lines"),
        (f"{whole['start_offset_p95']:.2f} s", "start offset, 95th percentile"),
        (f"{whole['max_rate']:.2f}×", "fastest line"),
        (f"{whole['lufs']:.1f} LUFS", f"as the original ({source:.1f})"),
        (f"{whole['true_peak']:.1f} dBTP", "true peak"),
        (f"{whole['trimmed_seconds']:.0f} s", "of speech cut off"),
    ]


def colour_of(speaker: str, order: list[str]) -> tuple[int, int, int]:
    return SPEAKERS[order.index(speaker) % len(SPEAKERS)]


def blend(a: tuple[int, int, int], b: tuple[int, int, int], share: float) -> tuple[int, ...]:
    return tuple(round(x * share + y * (1 - share)) for x, y in zip(a, b, strict=True))


if __name__ == "__main__":
    main()
