"""One reference per speaker for voice cloning: the best seconds of their separated speech.

Sentences of one speaker that follow closely are joined to stretches of 6 to 15 s, and the one
that promises the cleanest copy is cut out: speech well above the bed, little silence, no other
speaker in between, a length near the upper end.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from onevoice.audio import FloatWavWriter
from onevoice.engines.base import Reference
from onevoice.errors import StageError
from onevoice.pipeline.stage import StageContext
from onevoice.pipeline.store import Artifact
from onevoice.types import Segment, Transcript

SHORTEST_S, LONGEST_S = 6.0, 15.0
SAMPLE_RATE = 24_000
"""What cloning engines work at; none of them gains from more."""
_JOIN_S = 1.0
"""Sentences further apart are not of one breath."""
_MARGIN_S = 0.08
_LEVEL_DB = -20.0
"""RMS level of a reference, in dBFS; peaks stay under full scale."""
_CLEAR_DB = 30.0
"""Speech this far above the bed is clean: more does not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReference:
    """What is kept of a reference; its sound is an object of the store."""

    speaker: str
    audio: Artifact
    text: str
    language: str
    seconds: float
    start: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stretch of one speaker's sentences."""

    start: float
    end: float
    text: str

    @property
    def seconds(self) -> float:
        return self.end - self.start


def candidates(segments: Sequence[Segment], speaker: str) -> Iterator[Candidate]:
    """Every run of a speaker's adjacent sentences that is neither too short nor too long."""
    ordered = sorted(segments, key=lambda segment: segment.start)
    for first, segment in enumerate(ordered):
        run: list[Segment] = []
        for other in ordered[first:]:
            apart = run and other.start - run[-1].end > _JOIN_S
            if other.speaker != speaker or other.keep or not other.text or apart:
                break
            run.append(other)
            if run[-1].end - segment.start > LONGEST_S:
                break
            if run[-1].end - segment.start >= SHORTEST_S:
                yield Candidate(
                    start=segment.start, end=run[-1].end, text=" ".join(s.text for s in run)
                )


def quality(speech: NDArray[np.float32], bed: NDArray[np.float32] | None, seconds: float) -> float:
    """How good a copy a stretch promises, about 0 to 2.5.

    Parameters
    ----------
    speech, bed
        Mono samples of the stems over the stretch; ``bed`` None where nothing was separated.
    """
    level = np.sqrt(np.mean(np.square(speech), dtype=np.float64)) + 1e-9
    under = np.sqrt(np.mean(np.square(bed), dtype=np.float64)) + 1e-9 if bed is not None else 1e-9
    clear = np.clip(20 * np.log10(level / under) / _CLEAR_DB, 0.0, 1.0)
    frame = max(1, len(speech) // max(1, int(seconds * 50)))
    power = np.square(speech[: len(speech) // frame * frame]).reshape(-1, frame).mean(axis=1)
    active = float(np.mean(power > 0.01 * level * level))
    clipped = float(np.mean(np.abs(speech) > 0.99))
    return float(clear + active + 0.5 * min(seconds / LONGEST_S, 1.0) - 20.0 * clipped)


def cut_references(
    ctx: StageContext, transcript: Transcript, speakers: Sequence[str]
) -> tuple[CutReference, ...]:
    """Cut one reference for each of the speakers and put it into the store.

    Raises
    ------
    StageError
        A speaker never talks for 6 s without somebody else in between.
    """
    speech = ctx.inputs["separate.speech"]
    bed = ctx.inputs["separate.bed"]
    found = []
    for number, speaker in enumerate(speakers):
        ctx.cancel.check()
        best, score = None, -np.inf
        for candidate in candidates(transcript.segments, speaker):
            under = _mono(bed, candidate) if bed.stat().st_size else None
            value = quality(_mono(speech, candidate), under, candidate.seconds)
            if value > score:
                best, score = candidate, value
        if best is None:
            raise StageError(
                f"{speaker} never speaks for {SHORTEST_S:.0f} s without a break: too little to "
                "clone the voice from",
                hint=f"give {speaker} a voice of the engine: --voice {shlex.quote(speaker)}=NAME",
            )
        path = ctx.output(f"{number}.wav")  # a speaker's name may be any text
        _cut(speech, best, path)
        artifact = ctx.store.add(path.read_bytes())
        ctx.refs.add(artifact)
        found.append(
            CutReference(
                speaker=speaker,
                audio=artifact,
                text=best.text,
                language=transcript.language,
                seconds=round(best.seconds, 3),
                start=round(best.start, 3),
            )
        )
    return tuple(found)


def read_references(ctx: StageContext) -> dict[str, Reference]:
    """The references as engines get them, by speaker."""
    rows = json.loads(ctx.read("references"))
    return {
        row["speaker"]: Reference(
            audio=ctx.store.path(Artifact(**row["audio"])),
            digest=row["audio"]["digest"],
            text=row["text"],
            language=row["language"],
            speaker=row["speaker"],
        )
        for row in rows
    }


def dump_references(references: Sequence[CutReference]) -> bytes:
    """JSON of what :func:`read_references` reads."""
    return json.dumps([asdict(reference) for reference in references], ensure_ascii=False).encode()


def _cut(speech: Path, best: Candidate, path: Path) -> None:
    """Write a stretch of the speech as a mono WAV of a steady level."""
    samples = _mono(speech, best, _MARGIN_S)
    with sf.SoundFile(speech) as file:
        samples = soxr.resample(samples, file.samplerate, SAMPLE_RATE)
    level = np.sqrt(np.mean(np.square(samples), dtype=np.float64)) + 1e-9
    gain = min(10 ** (_LEVEL_DB / 20) / level, 0.95 / (float(np.max(np.abs(samples))) + 1e-9))
    with FloatWavWriter(path, sample_rate=SAMPLE_RATE, channels=1, frames=len(samples)) as wav:
        wav.write((samples * gain).astype(np.float32))


def _mono(path: Path, span: Candidate, margin: float = 0.0) -> NDArray[np.float32]:
    """Samples of a stem over a stretch, shape (n,)."""
    with sf.SoundFile(path) as file:
        start = max(0, int((span.start - margin) * file.samplerate))
        file.seek(min(start, file.frames))
        frames = max(1, int((span.end + margin) * file.samplerate) - start)
        block = file.read(frames, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    return mono
