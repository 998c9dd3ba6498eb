"""The round trip: a recogniser listens to the dub, and what it hears is held against the script.

It listens to the delivered file, as an audience does, music and all. That is the dearest of all
measures, so it is made once for a file and kept in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onevoice import languages
from onevoice.engines.base import Progress
from onevoice.pipeline.qc.sound import Sound
from onevoice.pipeline.runner import Job
from onevoice.types import Recognition, adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was recognised, and by which engine."""

    recognition: Recognition
    engine: str


def listen(
    job: Job,
    sound: Sound,
    *,
    language: str | None,
    seconds: float,
    progress: Progress = lambda share: None,
) -> Heard:
    """Recognise a sound; ``language`` None lets the engine find it out.

    Raises
    ------
    EngineError
        No recogniser can be used, or it does not know the language.
    BudgetExceeded
        It would cost more than may still be spent.
    """
    name, engine = job.pool.choose("recognition", lambda engine: None)
    codec = adapter(Recognition)

    def recognise() -> Any:
        what = "listening to the dub"
        if language:
            what += f" in {languages.name(language)}"
        job.pool.runtime.meter.require(engine.quote(seconds), what)
        wav = sound.wav
        with job.cores:  # another language may be listening, too
            heard = engine.transcribe(wav, language=language, hints=(), progress=progress)
            job.pool.release("recognition")
        return codec.dump_python(heard, mode="json")

    params = {"engine": engine.identity(), "language": language}
    found = sound.figure("heard", params, recognise)
    return Heard(recognition=codec.validate_python(found), engine=name)
