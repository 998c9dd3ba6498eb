"""Spoken phrases, cached one by one: an edit re-speaks what it touched and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onevoice.audio import FloatWavWriter
from onevoice.engines.base import SpeechRequest, Synthesizer
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.pipeline.phrases import Phrase
from onevoice.pipeline.stage import SCHEMA, StageContext
from onevoice.pipeline.store import Artifact, Entry
from onevoice.speakable import identity as text_identity
from onevoice.speakable import speakable
from onevoice.types import Line

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One phrase as audio: which line it belongs to, what was said, and how long it takes."""

    id: str
    line: str
    text: str
    said: str
    """The text as the engine got it: numbers and symbols written out."""
    rate: float
    audio: Artifact
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakingJob:
    """A phrase to speak, and how."""

    phrase: Phrase
    line: Line
    rate: float = 1.0


def speak_all(
    ctx: StageContext,
    synthesizer: Synthesizer,
    jobs: Sequence[SpeakingJob],
    *,
    said: Callable[[int], None] = lambda n: None,
) -> list[Spoken]:
    """Speak phrases, each from the cache where it is there; every new one is kept at once.

    ``said`` is called with the number of phrases done.
    """
    language = ctx.language or ""
    identity = {**synthesizer.identity(), "speakable": text_identity(language)}
    done: dict[int, Spoken] = {}
    waiting: list[tuple[int, SpeakingJob, str, SpeechRequest]] = []
    for index, job in enumerate(jobs):
        request = SpeechRequest(
            text=speakable(job.phrase.text, language),
            language=language,
            voice=job.line.voice,
            rate=job.rate,
        )
        key = _key(identity, request)
        entry = ctx.store.get(key)
        if entry is None:
            waiting.append((index, job, key, request))
        else:
            done[index] = _spoken(job, request, entry.outputs["audio"], entry.meta)
    said(len(done))
    if waiting:
        with ctx.models(), ctx.store.scratch() as folder:
            threads = ThreadPoolExecutor(max_workers=max(1, synthesizer.lines_at_once))
            try:
                running = {
                    threads.submit(_speak_one, ctx, synthesizer, request, key, folder): index
                    for index, _, key, request in waiting
                }
                asked = {index: (job, request) for index, job, _, request in waiting}
                for future in as_completed(running):
                    index = running[future]
                    entry = future.result()
                    done[index] = _spoken(*asked[index], entry.outputs["audio"], entry.meta)
                    ctx.facts["spoken"] = ctx.facts.get("spoken", 0) + 1
                    said(len(done))
            finally:
                # Lines under way are finished and kept; those not begun are not begun.
                threads.shutdown(wait=True, cancel_futures=True)
    result = [done[index] for index in range(len(jobs))]
    ctx.refs.update(spoken.audio for spoken in result)
    return result


def _speak_one(
    ctx: StageContext, synthesizer: Synthesizer, request: SpeechRequest, key: str, folder: Path
) -> Entry:
    """Speak one phrase and keep it at once."""
    ctx.cancel.check()
    speech = synthesizer.speak(request)
    path = folder / key
    frames = len(speech.samples)
    with FloatWavWriter(path, sample_rate=speech.sample_rate, channels=1, frames=frames) as wav:
        wav.write(speech.samples)
    meta = {"stage": "speech", "seconds": round(speech.duration, 6), "said": request.text}
    return ctx.store.put(key, {"audio": path}, meta=meta)


def _key(identity: dict[str, Any], request: SpeechRequest) -> str:
    return fingerprint(
        {
            "schema": SCHEMA,
            "item": "speech",
            "version": _VERSION,
            "engine": identity,
            "text": request.text,
            "language": request.language,
            "voice": request.voice,
            "rate": request.rate,
        }
    )


def _spoken(job: SpeakingJob, request: SpeechRequest, audio: Artifact, meta: Any) -> Spoken:
    return Spoken(
        id=job.phrase.id,
        line=job.line.id,
        text=job.phrase.text,
        said=request.text,
        rate=request.rate,
        audio=audio,
        seconds=float(meta["seconds"]),
    )
