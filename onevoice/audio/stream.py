"""Read an audio file from its start in blocks of any size, at the sample rate wanted."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from onevoice.audio.levels import Audio
from onevoice.audio.wav import open_wav
from onevoice.errors import MediaUnreadable


class BlockReader:
    """Sequential reader; past the end it gives silence, so that every block is full.

    Raises MediaNotFound, MediaUnreadable.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._path = path
        self._wav = open_wav(path)
        self.channels: int = self._wav.channels
        rate: int = self._wav.samplerate
        self.frames: int = round(self._wav.frames * sample_rate / rate)
        """Length of the file at the rate wanted."""
        self._resampler = None
        if rate != sample_rate:
            import soxr

            self._resampler = soxr.ResampleStream(rate, sample_rate, self.channels, dtype="float32")
            self._chunk = np.empty((rate, self.channels), np.float32)
            self._ready = np.zeros((0, self.channels), np.float32)

    def read(self, frames: int) -> Audio:
        """The next block, shape (frames, channels), the caller's to change."""
        if self._resampler is None:
            block = np.empty((frames, self.channels), np.float32)
            self._fill(block)
            return block
        while len(self._ready) < frames:
            got = self._fill(self._chunk)
            last = got < len(self._chunk)
            more = self._resampler.resample_chunk(self._chunk[:got], last=last)
            pad = np.zeros((frames if last else 0, self.channels), np.float32)
            self._ready = np.concatenate([self._ready, more.reshape(-1, self.channels), pad])
            if last:
                self._resampler.clear()
        block, self._ready = self._ready[:frames].copy(), self._ready[frames:]
        return block

    def _fill(self, block: Audio) -> int:
        """Read into a block and silence the rest of it; how many frames there were."""
        import soundfile

        try:
            got = len(self._wav.read(out=block))
        except soundfile.LibsndfileError as exc:
            raise MediaUnreadable(
                f"cannot read on in {self._path}: {exc}", hint="run the stage that makes it again"
            ) from exc
        block[got:] = 0.0
        return got

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._wav.close()
