"""Spoken phrases, cached one by one: an edit re-speaks what it touched and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from onevoice import languages
from onevoice.audio import FloatWavWriter
from onevoice.engines.base import CLONE, SpeechRequest, Synthesizer
from onevoice.engines.metering import collecting, labelled
from onevoice.glossary import Glossary
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.pipeline.phrases import Phrase
from onevoice.pipeline.references import read_references
from onevoice.pipeline.stage import SCHEMA, StageContext
from onevoice.pipeline.store import Artifact, Entry
from onevoice.speakable import identity as text_identity
from onevoice.speakable import speakable
from onevoice.types import Line, Usage

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
    before: str = ""
    after: str = ""
    """What the same speaker says in the phrases just before and after."""


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
    asked: dict[int, tuple[SpeakingJob, SpeechRequest]] = {}
    waiting: dict[str, list[int]] = {}  # the same words twice are spoken, and paid for, once

    def finish(index: int, key: str, entry: Entry) -> None:
        job, request = asked[index]
        done[index] = _spoken(job, request, entry.outputs["audio"], entry.meta)
        ctx.book(key, job.line.id, [Usage(**used) for used in entry.meta.get("usage", ())])

    for index, (job, request) in enumerate(
        zip(jobs, _requests(ctx, synthesizer, jobs), strict=True)
    ):
        asked[index] = (job, request)
        key = _key(identity, request)
        entry = ctx.store.get(key)
        if entry is None:
            waiting.setdefault(key, []).append(index)
        else:
            finish(index, key, entry)
    said(len(done))
    if waiting:
        length = sum(len(asked[indices[0]][1].text) for indices in waiting.values())
        ctx.afford(synthesizer, length, f"the speech in {languages.name(language)}")
        with ctx.models(synthesizer), ctx.store.scratch() as folder:
            threads = ThreadPoolExecutor(max_workers=max(1, synthesizer.lines_at_once))
            try:
                running = {}
                for key, indices in waiting.items():
                    job, request = asked[indices[0]]
                    work = partial(_speak_one, ctx, synthesizer, job, request, key, folder)
                    running[threads.submit(copy_context().run, work)] = key
                for future in as_completed(running):
                    key = running[future]
                    entry = future.result()
                    for index in waiting[key]:
                        finish(index, key, entry)
                    ctx.facts["spoken"] = ctx.facts.get("spoken", 0) + 1
                    said(len(done))
            finally:
                # Lines under way are finished and kept; those not begun are not begun.
                threads.shutdown(wait=True, cancel_futures=True)
    result = [done[index] for index in range(len(jobs))]
    ctx.refs.update(spoken.audio for spoken in result)
    return result


def _requests(
    ctx: StageContext, synthesizer: Synthesizer, jobs: Sequence[SpeakingJob]
) -> list[SpeechRequest]:
    """What the engine is asked for each phrase, with the reference or neighbours it can use."""
    language = ctx.language or ""
    glossary = Glossary.load(ctx.read("glossary"))
    pronounced = glossary.pronunciations(language)
    references = read_references(ctx) if any(job.line.voice == CLONE for job in jobs) else {}
    neighbours = bool(getattr(synthesizer, "uses_neighbours", False))

    def say(text: str) -> str:
        return speakable(text, language, pronounced)

    return [
        SpeechRequest(
            text=say(job.phrase.text),
            language=language,
            voice=job.line.voice,
            rate=job.rate,
            reference=references.get(job.line.speaker) if job.line.voice == CLONE else None,
            before=say(job.before) if neighbours else "",
            after=say(job.after) if neighbours else "",
        )
        for job in jobs
    ]


def _speak_one(
    ctx: StageContext,
    synthesizer: Synthesizer,
    job: SpeakingJob,
    request: SpeechRequest,
    key: str,
    folder: Path,
) -> Entry:
    """Speak one phrase and keep it at once: it may have been paid for."""
    ctx.cancel.check()
    with collecting() as used, labelled(line=job.line.id):
        speech = synthesizer.speak(request)
    path = folder / key
    frames = len(speech.samples)
    with FloatWavWriter(path, sample_rate=speech.sample_rate, channels=1, frames=frames) as wav:
        wav.write(speech.samples)
    meta = {"stage": "speech", "seconds": round(speech.duration, 6), "said": request.text}
    if used:
        meta["usage"] = [asdict(item) for item in used]
    return ctx.store.put(key, {"audio": path}, meta=meta)


def _key(identity: dict[str, Any], request: SpeechRequest) -> str:
    """The neighbours are no part of it: an edit re-speaks, and pays for, one line."""
    cloned = {"reference": request.reference.digest} if request.reference else {}
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
            **cloned,
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
