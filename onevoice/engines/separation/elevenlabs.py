"""ElevenLabs' voice isolator as separation: it answers with the speech, the bed is the rest.

Subtracting what a lossy codec and an unknown gain went over leaves a bed only if the speech is
first put back to where, and as loud as, it is in the mix: :mod:`onevoice.engines.separation.fit`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from onevoice.audio import FloatWavWriter, channel_mask, open_wav, resample
from onevoice.engines import elevenlabs
from onevoice.engines.base import Audio, EngineInfo, Params, Progress
from onevoice.engines.elevenlabs import USD_PER_MINUTE_ISOLATED
from onevoice.engines.separation.deepfilter import front_channels
from onevoice.engines.separation.fit import Gains, aligned, quietest
from onevoice.engines.synthesis.decoding import decode

MODEL = "audio-isolation"
SENT_RATE = 44_100
"""What the service works at."""
SHORTEST_S = 5.0
"""It refuses less than 4.6 s: shorter sound is followed by silence."""
OVERLAP_S = 0.5
"""Neighbouring chunks share so much, and are crossfaded there."""
SEARCH_S = 20.0
"""Chunks end at the quietest place within so much of their longest length."""
SILENT = 1e-5
GRACE = 0.2
"""Seconds more of silence that are borne for each second of sound: it answers when it is done."""


class IsolationParams(elevenlabs.ElevenLabsParams):
    """Settings under ``separation.elevenlabs``."""

    chunk: float = Field(default=180.0, ge=30, le=3_600)
    """Longest stretch in one request, in seconds; it is what memory grows with."""
    usd_per_minute: float | None = Field(default=None, ge=0)
    """What your plan pays; the list price where it is not given."""


@dataclass(frozen=True, slots=True)
class Span:
    """Frames ``start`` to ``stop`` of the mix; the next span begins before this one stops."""

    start: int
    stop: int


class VoiceIsolator(elevenlabs.ElevenLabsEngine):
    """One mono request for each chunk; the front channels share its answer."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="separation",
        name="elevenlabs",
        summary="ElevenLabs voice isolator: clean speech; the bed is what is left of the mix",
        licence=elevenlabs.LICENCE,
        extra="cloud",
        key=elevenlabs.KEY,
        hosted=True,
        price="$0.12 a minute (list price, June 2026)",
        limits="speech in the front channels; surrounds and LFE go to the bed whole",
    )
    Params: ClassVar[type[Params]] = IsolationParams
    params: IsolationParams
    separates: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(mode="json", exclude={"usd_per_minute"})
        return {"engine": self.info.name, "version": 1, "params": params}

    def quote(self, amount: float) -> float:
        given = self.params.usd_per_minute
        return amount / 60 * (USD_PER_MINUTE_ISOLATED if given is None else given)

    def separate(self, mix: Path, *, speech: Path, bed: Path, progress: Progress) -> None:
        """Split ``mix`` (any rate and channels) chunk by chunk; memory does not grow with it.

        Raises
        ------
        EngineUnavailable, EngineRefused, EngineRateLimited, EngineFailed, BudgetExceeded
            As :func:`onevoice.engines.boundary.request`.
        MediaNotFound, MediaUnreadable, DiskFull, OutputUnwritable
            A file cannot be read or written.
        Cancelled
            The runtime's token was set; neither result is there then.
        """
        with open_wav(mix) as source:
            mask = channel_mask(mix, source.channels)
            front = front_channels(mask, source.channels)
            shape = {
                "sample_rate": source.samplerate,
                "channels": source.channels,
                "frames": source.frames,
                "mask": mask,
            }
            with FloatWavWriter(speech, **shape) as out, FloatWavWriter(bed, **shape) as rest:
                done = 0
                for voice in self._voice(source, front):
                    self.runtime.cancel.check()
                    source.seek(done)
                    block = source.read(len(voice), dtype="float32", always_2d=True)
                    out.write(voice)
                    rest.write(block - voice)
                    done += len(block)
                    progress(done / source.frames)
        progress(1.0)

    def _voice(self, source: Any, front: tuple[int, ...]) -> Iterator[Audio]:
        """The speech in all channels, in blocks of about a second, from the first frame on."""
        rate = source.samplerate
        late: Audio | None = None
        for span in spans(source, front, self.params.chunk):
            sound = _read_mono(source, span, front)
            alone = self._isolate(sound, rate, span.start / rate)
            gains = Gains.measured(_blocks(source, span), alone, front, rate)
            overlap = 0 if span.stop == source.frames else _overlap(rate)
            end = span.stop - span.start - overlap
            for start in range(0, end, rate):
                voice = gains.spread(alone, start, min(start + rate, end))
                if start == 0 and late is not None:
                    n = min(len(late), len(voice))
                    ramp = (np.arange(n, dtype=np.float32)[:, None] + 0.5) / len(late)
                    voice[:n] = late[:n] + (voice[:n] - late[:n]) * ramp
                yield voice
            late = gains.spread(alone, end, end + overlap)

    def _isolate(self, sound: Audio, rate: int, start: float) -> Audio:
        """The speech in ``sound``, shape ``(n,)``, in time with it; silence is not sent."""
        peak = float(np.abs(sound).max(initial=0.0))
        if peak < SILENT:
            return np.zeros(len(sound), np.float32)
        upload, seconds = _flac(sound / np.float32(peak / 0.9), rate)

        def send(client: Any, options: Any) -> Audio:
            raw = client.audio_isolation.with_raw_response
            file = ("mix.flac", upload, "audio/flac")
            with raw.convert(audio=file, request_options=options) as answer:
                samples, given = decode(b"".join(answer.data))
            return resample(samples, given, rate)

        alone = self._account.ask(
            send,
            what=f"{seconds:.0f} s of the mix from {start:.0f} s on",
            usd=self.quote(seconds),
            used=lambda _: self._account.usage(
                model=MODEL, unit="seconds", quantity=seconds, usd=self.quote(seconds)
            ),
            grace=GRACE * seconds,
        )
        return aligned(alone, sound, rate)


def spans(source: Any, front: tuple[int, ...], seconds: float) -> Iterator[Span]:
    """Cut a mix into overlapping chunks of at most ``seconds``, each ending at a quiet place."""
    rate, total = source.samplerate, source.frames
    longest, overlap = round(seconds * rate), _overlap(rate)
    start = 0
    while start < total:
        if total - start <= longest:
            yield Span(start, total)
            return
        first = start + longest - round(min(SEARCH_S, seconds / 3) * rate)
        looked_at = _read_mono(source, Span(first, start + longest), front)
        cut = first + quietest(looked_at, overlap)
        yield Span(start, cut + overlap)
        start = cut


def _overlap(rate: int) -> int:
    return round(OVERLAP_S * rate)


def _read_mono(source: Any, span: Span, front: tuple[int, ...]) -> Audio:
    """The mean of the front channels over a span, shape ``(n,)``, read a second at a time."""
    out = np.empty(span.stop - span.start, np.float32)
    at = 0
    for block in _blocks(source, span):
        out[at : at + len(block)] = block[:, front].mean(axis=1)
        at += len(block)
    return out


def _blocks(source: Any, span: Span) -> Iterator[Audio]:
    """The span in blocks of a second, shape ``(n, channels)``; the last one may be shorter."""
    for start in range(span.start, span.stop, source.samplerate):
        source.seek(start)
        yield source.read(
            min(source.samplerate, span.stop - start), dtype="float32", always_2d=True
        )


def _flac(sound: Audio, rate: int) -> tuple[bytes, float]:
    """A mono FLAC of 16 bits at SENT_RATE, at least SHORTEST_S long; and its seconds."""
    import soundfile

    samples = resample(sound, rate, SENT_RATE)
    missing = round(SHORTEST_S * SENT_RATE) - len(samples)
    if missing > 0:
        samples = np.concatenate([samples, np.zeros(missing, np.float32)])
    target = io.BytesIO()
    soundfile.write(target, np.clip(samples, -1, 1), SENT_RATE, format="FLAC", subtype="PCM_16")
    return target.getvalue(), len(samples) / SENT_RATE
