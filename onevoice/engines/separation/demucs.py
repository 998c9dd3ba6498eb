"""Demucs: dialogue as the vocals of a music separation model.

Rouard et al., "Hybrid Transformers for Music Source Separation", ICASSP 2023. Much cleaner than
speech enhancement where music is loud, and slow without a GPU. The bed is what is left: mix
minus speech.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from onevoice.audio import BlockReader, FloatWavWriter, channel_mask, open_wav, wav_blocks
from onevoice.audio.levels import speakers
from onevoice.engines import torch_device
from onevoice.engines.base import Audio, EngineBase, EngineInfo, Params, Progress, Runtime
from onevoice.engines.separation.blocks import BlockPlan, on_grid, power, through_blocks
from onevoice.engines.separation.demucs_models import (
    SETTINGS,
    load,
    longest_window,
    members,
    model_files,
    need_hub,
)
from onevoice.errors import EngineRefused

STEM = "vocals"
LEFT, RIGHT, CENTRE = 0x1, 0x2, 0x4
SILENT = 1e-5
"""Standard deviation (-100 dBFS) below which channels are not worth a look."""

_MODULES = ("torch", "demucs", "julius", "safetensors", "huggingface_hub")


class DemucsParams(Params):
    model: str = "htdemucs"
    """htdemucs, htdemucs_ft (four times slower, a little better), or another of Demucs' names."""
    repo: Path | None = None
    """A folder with ``<model>.yaml`` and its ``.safetensors`` or ``.th`` files; none downloads."""
    shifts: int = Field(default=0, ge=0, le=20)
    """How many randomly shifted runs are averaged: better by up to 0.2 dB, that many times slower.
    """
    overlap: float = Field(default=0.25, ge=0, lt=1)
    """By how much of its length one window of the model overlaps the next."""
    segment: float | None = Field(default=None, gt=0)
    """Seconds in one window, none for the model's own; shorter takes less memory."""
    block: float = Field(default=60.0, ge=1, le=600)
    """Seconds that are held in memory at a time."""


class Demucs(EngineBase):
    """Left and right are separated as a pair, the centre alone; all else belongs to the bed."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="separation",
        name="demucs",
        summary="Hybrid Transformer Demucs: the cleanest bed under music, on a GPU or patiently",
        licence="MIT (code and weights)",
        extra="demucs",
        gpu=True,
        limits=f"the model is downloaded on first use (80 MB; htdemucs_ft 320 MB), or {SETTINGS}",
    )
    Params: ClassVar[type[Params]] = DemucsParams
    separates: ClassVar[bool] = True
    params: DemucsParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._model: Any = None
        self._device = "cpu"
        self._weights = ""

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        torch_device.require(_MODULES, "demucs", cls.info.extra)

    def ready(self) -> None:
        """Raise unless the package is there, and the named folder holds the model."""
        self.check(self.runtime)
        if self.params.repo is not None:
            model_files(self.params.repo, self.params.model)
        else:
            need_hub(self.params.model, self.runtime)

    def identity(self) -> dict[str, Any]:
        """Where the model lies is left out, what is in its files goes in."""
        known: dict[str, Any] = {
            "engine": "demucs",
            "version": 1,
            "demucs": torch_device.package_version("demucs"),
            "params": self.params.model_dump(mode="json", exclude={"repo"}),
        }
        if self.params.repo is not None:
            if not self._weights:
                files = model_files(self.params.repo, self.params.model)
                self._weights = torch_device.digest_of(files)
            known["weights"] = self._weights
        return known

    def close(self) -> None:
        self._model = None

    def separate(self, mix: Path, *, speech: Path, bed: Path, progress: Progress) -> None:
        """Split ``mix`` block by block; memory does not grow with its length.

        Raises
        ------
        EngineUnavailable, AssetMissing, AssetDamaged
            Package, GPU or model are not there, or not what they should be.
        EngineRefused
            The model does not split stereo into vocals and the rest.
        EngineFailed
            It broke (out of memory).
        MediaNotFound, MediaUnreadable, DiskFull, OutputUnwritable
            A file cannot be read or written.
        Cancelled
            The runtime's token was set; neither result is there then.
        """
        with open_wav(mix) as source:
            mask = channel_mask(mix, source.channels)
            groups = self._groups(source, mask)
            source.seek(0)
            shape = {
                "sample_rate": source.samplerate,
                "channels": source.channels,
                "frames": source.frames,
                "mask": mask,
            }
            with FloatWavWriter(speech, **shape) as out, FloatWavWriter(bed, **shape) as rest:
                for voice in self._voice(mix, source, groups, progress):
                    block = source.read(len(voice), dtype="float32", always_2d=True)
                    out.write(voice)
                    rest.write(block - voice)
        progress(1.0)

    def _groups(self, source: Any, mask: int) -> list[tuple[tuple[int, ...], float, float]]:
        """The channels that are separated together, with their mean and deviation."""
        found = []
        for group in dialogue_channels(mask, source.channels):
            source.seek(0)
            mean, deviation = power(block[:, list(group)] for block in self._listen(source))
            if deviation > SILENT:
                found.append((group, mean, deviation))
        return found

    def _listen(self, source: Any) -> Iterator[Audio]:
        for block in wav_blocks(source):
            self.runtime.cancel.check()
            yield block

    def _voice(
        self,
        mix: Path,
        source: Any,
        groups: Sequence[tuple[tuple[int, ...], float, float]],
        progress: Progress,
    ) -> Iterator[Audio]:
        """Dialogue at the mix's own rate and channels, in pieces, just as long as the mix."""
        left = source.frames
        if not groups:
            for start in range(0, left, source.samplerate):
                yield np.zeros((min(source.samplerate, left - start), source.channels), np.float32)
            return
        model = self._loaded()
        back = _Resampler(model.samplerate, source.samplerate, source.channels)
        plan, windows = self._plan(model)
        with BlockReader(mix, model.samplerate) as reader:
            steps = _Steps(
                plan, windows, reader.frames, self._passes(model) * len(groups), progress
            )

            def split(block: Audio, begin: int) -> Audio:
                voice = np.zeros_like(block)
                for channels, mean, deviation in groups:
                    # As Demucs itself does: at one level, measured over the whole recording.
                    pair = (block[:, list(channels)] - mean) / deviation
                    voice[:, list(channels)] = self._apply(pair, begin, steps) * deviation
                return voice

            pieces = through_blocks(reader.read, reader.frames, plan, split)
            for piece in pieces:
                voice = back.feed(piece)[:left]
                left -= len(voice)
                yield voice
            voice = back.rest()[:left]
            yield voice
            # A resampler rounds the length: what may be missing is a frame or two of the end.
            yield np.zeros((left - len(voice), source.channels), np.float32)

    def _apply(self, pair: Audio, begin: int, steps: _Steps) -> Audio:
        """Vocals of one or two channels, shape ``(n, 1 or 2)``, at the model's rate."""
        import torch
        from demucs.apply import apply_model

        def look(event: dict[str, Any]) -> None:
            self.runtime.cancel.check()
            if event["state"] == "end":
                steps.step()

        stereo = np.repeat(pair, 2, axis=1) if pair.shape[1] == 1 else pair
        wave = torch.from_numpy(np.ascontiguousarray(stereo.T, np.float32))[None]
        model = self._loaded()
        # Demucs draws its shifts from Python's own generator: seeded, and left as it was.
        before = random.getstate()
        random.seed(begin)
        try:
            stems = apply_model(
                model,
                wave.to(self._device),
                shifts=self.params.shifts,
                overlap=self.params.overlap,
                segment=self.params.segment,
                device=self._device,
                callback=look,
            )
        except RuntimeError as exc:
            raise torch_device.out_of_memory(
                exc, "demucs", "a smaller separation.demucs.block or segment, or run.device=cpu"
            ) from exc
        finally:
            random.setstate(before)
        vocals: Audio = stems[0, list(model.sources).index(STEM)].T.float().cpu().numpy()
        return vocals.mean(axis=1, keepdims=True) if pair.shape[1] == 1 else vocals

    def _plan(self, model: Any) -> tuple[BlockPlan, int]:
        """Blocks on the grid of the model's windows, and frames from one window to the next."""
        # A Fraction, often: it must not pass through a float, or the grids differ by a frame.
        segment = self.params.segment or max(member.segment for member in members(model))
        frames = int(model.samplerate * segment)
        stride = max(1, int((1 - self.params.overlap) * frames))
        plan = on_grid(
            seconds=self.params.block, segment=frames, stride=stride, sample_rate=model.samplerate
        )
        return plan, stride

    def _passes(self, model: Any) -> int:
        return len(members(model)) * max(1, self.params.shifts)

    def _loaded(self) -> Any:
        if self._model is None:
            self.check(self.runtime)
            self._device = torch_device.choose(self.runtime)
            model = load(self.params.model, self.params.repo, self.runtime)
            if STEM not in model.sources or model.audio_channels != 2:
                raise EngineRefused(
                    f"the model {self.params.model!r} gives {', '.join(model.sources)} from "
                    f"{model.audio_channels} channels: no {STEM} from stereo",
                    hint="separation.demucs.model=htdemucs does",
                )
            longest = longest_window(model)
            if self.params.segment and self.params.segment > longest:
                raise EngineRefused(
                    f"{self.params.model} works on windows of up to {longest:g} s, "
                    f"separation.demucs.segment is {self.params.segment:g}",
                    hint="leave it out, or make it smaller",
                )
            self._model = model.to(self._device).eval()
        return self._model


class _Resampler:
    """A stream of blocks from one rate to another."""

    def __init__(self, source: int, target: int, channels: int) -> None:
        self._channels = channels
        self._stream = None
        if source != target:
            import soxr

            self._stream = soxr.ResampleStream(source, target, channels, dtype="float32")

    def feed(self, block: Audio) -> Audio:
        if self._stream is None:
            return block
        out: Audio = self._stream.resample_chunk(np.ascontiguousarray(block))
        return out.reshape(-1, self._channels)

    def rest(self) -> Audio:
        """What the filter still holds back at the end."""
        nothing = np.zeros((0, self._channels), np.float32)
        if self._stream is None:
            return nothing
        out: Audio = self._stream.resample_chunk(nothing, last=True)
        return out.reshape(-1, self._channels)


class _Steps:
    """Counts windows of the model, for progress."""

    def __init__(
        self, plan: BlockPlan, stride: int, total: int, passes: int, progress: Progress
    ) -> None:
        windows = sum(-(-(end - begin) // stride) for begin, _, _, end in plan.spans(total))
        self._total = max(1, windows * passes)
        self._done = 0
        self._progress = progress

    def step(self) -> None:
        self._done += 1
        # Random shifts may need a window more than counted.
        self._progress(min(0.99, self._done / self._total))


def dialogue_channels(mask: int, channels: int) -> tuple[tuple[int, ...], ...]:
    """Which channels to separate together: left with right, centre alone.

    Returns
    -------
    tuple
        Groups of one or two channel indices. Where the layout is unknown, neighbours are pairs.
    """
    layout = speakers(mask)[:channels]
    places = {speaker: i for i, speaker in enumerate(layout)}
    sides = tuple(places[s] for s in (LEFT, RIGHT) if s in places)
    middle = (places[CENTRE],) if CENTRE in places else ()
    groups = tuple(group for group in (sides, middle) if group)
    if groups:
        return groups
    return tuple(tuple(range(i, min(i + 2, channels))) for i in range(0, channels, 2))
