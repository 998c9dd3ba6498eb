"""No separation: everything counts as speech, and there is no bed.

The pipeline asks ``separates``; where it is False the original is ducked under the new speech,
because there is no bed to mix it with.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from onevoice.engines.base import EngineBase, EngineInfo, Params, Progress

_BLOCK = 1 << 18


class NoSeparation(EngineBase):
    """Writes the mix as the speech, and silence of the same length as the bed."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="separation",
        name="none",
        summary="leaves the sound as it is; the original is ducked under the dub",
        licence="Apache-2.0",
    )
    Params: ClassVar[type[Params]] = Params
    separates: ClassVar[bool] = False

    def separate(self, mix: Path, *, speech: Path, bed: Path, progress: Progress) -> None:
        """Copy ``mix`` to ``speech``; ``bed`` is silent, so that their sum is the mix.

        Raises
        ------
        MediaUnreadable
            ``mix`` is no WAV.
        Cancelled
            The runtime's token was set.
        """
        from onevoice.engines.speech import open_wav, wav_writer

        with open_wav(mix) as source, wav_writer(speech, source) as out:
            with wav_writer(bed, source) as silence:
                done = 0
                for block in source.blocks(_BLOCK, dtype="float32", always_2d=True):
                    self.runtime.cancel.check()
                    out.write(block)
                    silence.write(np.zeros_like(block))
                    done += len(block)
                    progress(done / source.frames)
        progress(1.0)
