"""No separation: everything counts as speech, and there is no bed.

The pipeline asks ``separates``; where it is False the original is ducked under the new speech,
because there is no bed to mix it with.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from onevoice.audio import FloatWavWriter, channel_mask, open_wav, wav_blocks
from onevoice.engines.base import EngineBase, EngineInfo, Params, Progress


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
        MediaNotFound, MediaUnreadable, DiskFull, OutputUnwritable
            A file cannot be read or written.
        Cancelled
            The runtime's token was set; neither result is there then.
        """
        with open_wav(mix) as source:
            shape = {
                "sample_rate": source.samplerate,
                "channels": source.channels,
                "frames": source.frames,
                "mask": channel_mask(mix, source.channels),
            }
            with FloatWavWriter(speech, **shape) as copy, FloatWavWriter(bed, **shape) as silence:
                done = 0
                for block in wav_blocks(source):
                    self.runtime.cancel.check()
                    copy.write(block)
                    silence.write(np.zeros_like(block))
                    done += len(block)
                    progress(done / source.frames)
        progress(1.0)
