"""The sample talk for engines: its sound, and what is truly said in it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from onevoice import media
from onevoice.config import cache_dir
from onevoice.engines.base import CancelToken, Runtime
from onevoice.types import Word
from tests.conftest import SAMPLE


@dataclass(frozen=True)
class Sentence:
    speaker: str
    start: float
    end: float
    text: str


def truth() -> list[Sentence]:
    """What ``samples/talk.en.txt`` says is spoken."""
    rows = SAMPLE.with_name("talk.en.txt").read_text(encoding="utf-8").splitlines()
    cells = [row.split("\t") for row in rows]
    return [Sentence(who, float(start), float(end), text) for who, start, end, text in cells]


def true_words() -> list[Word]:
    """The words, spread over their sentences by their number of letters."""
    words = []
    for sentence in truth():
        parts = sentence.text.split()
        letters = sum(len(part) + 1 for part in parts)
        clock = sentence.start
        for part in parts:
            length = (sentence.end - sentence.start) * (len(part) + 1) / letters
            words.append(Word(text=part, start=clock, end=clock + length))
            clock += length
    return words


def decode(folder: Path) -> Path:
    """The sample's sound as the pipeline would extract it: 48 kHz stereo float WAV."""
    path = folder / "mix.wav"
    command = [media.ffmpeg_path(), "-nostdin", "-v", "error", "-y", "-i", str(SAMPLE)]
    command += ["-vn", "-c:a", "pcm_f32le", "-ar", "48000", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def runtime(cancel: CancelToken | None = None) -> Runtime:
    """Where tests run engines: the test cache, two threads, the CPU."""
    return Runtime(
        models_dir=cache_dir() / "models",
        threads=2,
        device="cpu",
        cancel=cancel or CancelToken(),
    )


def ignore(share: float) -> None:
    """A progress callback for tests that do not look."""
