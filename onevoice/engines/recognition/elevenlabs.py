"""ElevenLabs Scribe: words with times, and who says each of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from onevoice.engines import elevenlabs
from onevoice.engines.base import EngineInfo, Params, Progress
from onevoice.engines.recognition import scribe
from onevoice.engines.recognition.wording import ordered, without_loops
from onevoice.engines.speech import duration
from onevoice.types import Recognition


class ScribeWordsParams(scribe.ScribeParams):
    """Settings under ``recognition.elevenlabs``."""

    speakers: bool = True
    """Tell speakers apart as well: ``diarization.elevenlabs`` then costs nothing more."""
    keyterms: bool = True
    """Send the names and terms that may be heard; that costs a fifth more where there are any."""
    verbatim: bool = True
    """Keep filler words and false starts."""


class Scribe(scribe.ScribeEngine):
    """Whole recordings up to two hours in one request; longer ones are cut at silences."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="recognition",
        name="elevenlabs",
        summary="ElevenLabs Scribe: words with times and speakers, some 100 languages",
        licence=elevenlabs.LICENCE,
        languages=scribe.LANGUAGES,
        extra="cloud",
        key=elevenlabs.KEY,
        hosted=True,
        price="$0.22 an hour, a fifth more with key terms (list price, June 2026)",
        limits="32 speakers; over 2 hours the speakers of the parts are not matched",
    )
    Params: ClassVar[type[Params]] = ScribeWordsParams
    params: ScribeWordsParams

    @property
    def tells_speakers(self) -> bool:
        return self.params.speakers

    def transcribe(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        """Words with times and speakers, in order; none where nobody speaks.

        Parameters
        ----------
        audio
            A WAV of any rate, mono or not; separated speech is best.
        language
            A language tag; None detects it.
        hints
            Names and terms that may be heard, sent as far as the service takes them.

        Raises
        ------
        EngineRefused
            Scribe does not know the language, or refuses the recording.
        EngineUnavailable, EngineRateLimited, EngineFailed, BudgetExceeded, Cancelled
            As :func:`onevoice.engines.boundary.request`.
        MediaNotFound, MediaUnreadable
            ``audio`` is not there, or no sound.
        """
        options: dict[str, Any] = {"diarize": self.params.speakers}
        if language is not None:
            options["language_code"] = scribe.code_of(language)
        terms = scribe.keyterms(hints) if self.params.keyterms else []
        if terms and scribe.takes_terms(self.params):
            options["keyterms"] = terms
        if not self.params.verbatim:
            options["no_verbatim"] = True
        parts = scribe.listen(self._account, self.params, audio, options=options, progress=progress)
        spoken, sure = (language, 1.0) if language else scribe.spoken_language(parts)
        total = duration(audio)
        progress(1.0)
        return Recognition(
            language=spoken,
            language_probability=round(sure, 4),
            words=ordered(without_loops(scribe.joined(parts)), total),
            duration=total,
        )
