"""One speaker: every stretch of words is S1's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from onevoice.engines.base import EngineBase, EngineInfo, Params, Progress
from onevoice.engines.diarization.turns import stretches_of_words, turns_of
from onevoice.errors import EngineRefused
from onevoice.types import Turn, Word


class SingleSpeaker(EngineBase):
    """For one speaker, which is the default: nothing to tell apart, nothing to load."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="diarization",
        name="single",
        summary="one speaker says everything",
        licence="Apache-2.0",
    )
    Params: ClassVar[type[Params]] = Params
    max_speakers: ClassVar[int] = 1
    counts: ClassVar[bool] = False

    def diarize(
        self,
        audio: Path,
        words: Sequence[Word],
        *,
        speakers: int | None,
        progress: Progress,
    ) -> tuple[Turn, ...]:
        """One turn of S1 for each stretch of speech.

        Raises
        ------
        EngineRefused
            More than one speaker is asked for, or that they be counted.
        """
        if speakers != self.max_speakers:
            asked = "to count them" if speakers is None else f"for {speakers}"
            raise EngineRefused(
                f"the diarizer 'single' knows one speaker, and was asked {asked}",
                hint="--set diarization.engine=camplus tells speakers apart",
            )
        progress(1.0)
        return turns_of(words, [0] * len(words), stretches_of_words(words))
