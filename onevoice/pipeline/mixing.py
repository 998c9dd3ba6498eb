"""The mix: bed, dubbed lines and kept stretches become one programme of the loudness wanted.

Everything goes block by block, and a line's WAV is opened when its time comes: memory depends
neither on the duration nor on the number of lines.

1. The source's dialogue is measured in each line's window; a line's level follows it, damped.
2. One pass renders to an unnamed temporary file and meters it, while another thread meters the
   source.
3. A last pass applies the programme gain and, only where peaks would pass the ceiling, the
   true-peak limiter. Stems get the same gain at every sample, so that they add up to the mix.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import BinaryIO, cast

import numpy as np

from onevoice.audio import (
    BlockReader,
    Envelope,
    Interval,
    Layout,
    LoudnessMeter,
    channel_mask,
    from_db,
    open_wav,
    wav_blocks,
)
from onevoice.audio.levels import Audio
from onevoice.config import MixSettings
from onevoice.engines.base import CancelToken, Progress
from onevoice.media.files import output_error
from onevoice.pipeline.loudness import target_of
from onevoice.pipeline.mastering import Programme, Stems
from onevoice.pipeline.mix_lines import (
    SAMPLE_RATE,
    MixLine,
    Voices,
    check_channels,
    dialogue_levels,
    line_targets,
)
from onevoice.types import Warning_

BLOCK = SAMPLE_RATE

CROSSFADE = 0.03
"""Seconds on either side of a kept stretch."""
HOLD = 0.4
"""Between two lines the bed comes up only if it can stay up for this long, in seconds."""
RENDER_SHARE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSpec:
    """What goes into a mix. ``bed`` and ``speech`` are shaped like ``mix``; None: not separated.

    In the intervals ``keep`` the original sounds.
    """

    mix: Path
    bed: Path | None
    speech: Path | None
    lines: Sequence[MixLine]
    keep: Sequence[Interval] = ()
    settings: MixSettings = field(default_factory=MixSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixReport:
    """What a finished mix measures; loudness and peak are None for silence.

    ``dialogue_lufs`` is the loudness where somebody speaks, ``target_lufs`` what was wanted (by
    the gate of the preset) and ``ceiling_dbtp`` how high peaks may be in the delivered file.
    ``line_gains`` are in dB and in the order of the lines; ``limited_share`` is the share of
    the programme, 0 to 1, that the limiter turned down.
    """

    frames: int
    channels: int
    source_lufs: float | None
    output_lufs: float | None
    dialogue_lufs: float | None
    target_lufs: float | None
    ceiling_dbtp: float
    lra: float
    true_peak_dbtp: float | None
    gain_db: float
    limited_share: float
    line_gains: tuple[float, ...]
    warnings: tuple[Warning_, ...] = ()


def mix(
    spec: MixSpec,
    out: Path,
    *,
    stems: Stems | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> MixReport:
    """Mix to a float32 WAV of 48 kHz (RF64 over 4 GB) with the channels and length of the source.

    Dialogue goes to both channels of stereo and to the centre of a layout that has one, whose
    other channels are left as they are. The file takes its name when it is whole.

    ``stems`` are written beside it, of the same shape: of a kept stretch the dialogue gets what
    was separated as speech, or all of it where nothing was. The mix is the same without them.

    Raises
    ------
    MediaNotFound, MediaUnreadable
        An input is missing or damaged.
    StageError
        A stem has other channels than the mix, or a line is not mono.
    DiskFull, OutputUnwritable
        ``out`` cannot be written; it (with its stems) takes twice its size while it is made.
    Cancelled
        ``cancel`` was set; nothing is left behind.
    """
    report = progress or (lambda _share: None)
    cancel = cancel or CancelToken()
    stop = Event()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(stop.set)  # before the pool waits for its thread
        source = pool.submit(_source_loudness, spec.mix, stop)
        layout = Layout.of(spec.mix, SAMPLE_RATE)
        levels = dialogue_levels(spec.speech or spec.mix, spec.lines, layout, cancel)
        targets = line_targets(levels, spec.settings.line_gain_limit)
        voices = Voices(spec.lines, targets, layout)
        try:
            rendered = stack.enter_context(tempfile.TemporaryFile(dir=out.parent))
        except OSError as exc:
            raise output_error(out, exc) from exc
        programme = Programme(
            cast(BinaryIO, rendered),
            out,
            layout,
            cancel,
            dialogue=[*spec.keep, *_places(spec.lines)],
            stems=stems,
        )
        blocks = _blocks(spec, layout, voices, apart=stems is not None)
        programme.render(blocks, lambda x: report(x * RENDER_SHARE))
        source_lufs = source.result()
        target = target_of(spec.settings, source_lufs)
        mastered, reached = programme.master(
            target, lambda x: report(RENDER_SHARE + x * (1 - RENDER_SHARE))
        )
    measured = mastered.measured
    warnings = voices.warnings()
    if stems is not None and spec.bed is None:
        message = "nothing was separated, so the original voices are still in the bed"
        warnings.append(Warning_(code="stems_not_separated", message=message))
    if target.lufs == -math.inf:
        message = "the source is silent, so the mix keeps the level of its lines"
        warnings.append(Warning_(code="source_silent", message=message))
    elif not reached:
        level = measured.by(target.gate)
        message = f"the mix is at {level:.1f} LUFS and could not be brought to {target.lufs:.1f}"
        warnings.append(Warning_(code="loudness_not_reached", message=message))
    return MixReport(
        frames=layout.frames,
        channels=layout.channels,
        source_lufs=_finite(source_lufs),
        output_lufs=_finite(measured.integrated),
        dialogue_lufs=_finite(measured.dialogue),
        target_lufs=_finite(target.lufs),
        ceiling_dbtp=target.ceiling,
        lra=measured.range,
        true_peak_dbtp=_finite(measured.true_peak),
        gain_db=mastered.gain_db,
        limited_share=mastered.limited_share,
        line_gains=tuple(voices.gains),
        warnings=tuple(warnings),
    )


def _places(lines: Sequence[MixLine]) -> list[Interval]:
    return [(line.start, line.start + line.length) for line in lines]


def _finite(level: float) -> float | None:
    return level if math.isfinite(level) else None


def _source_loudness(path: Path, stop: Event) -> float:
    with open_wav(path) as wav:
        meter = LoudnessMeter(wav.samplerate, wav.channels, mask=channel_mask(path, wav.channels))
        for block in wav_blocks(wav):
            if stop.is_set():
                break
            meter.push(block)
    return meter.integrated()


def _blocks(spec: MixSpec, layout: Layout, voices: Voices, *, apart: bool) -> Iterator[Audio]:
    """Render the programme, unlevelled, in blocks of shape (BLOCK or less, channels).

    ``apart``: with the dialogue in it beside it, shape (BLOCK or less, 2 * channels).
    """
    settings = spec.settings
    places = _places(spec.lines)
    if spec.bed is None:
        # Nothing but ducking keeps the original voice from speaking on beside the dub.
        places += [line.window for line in spec.lines]
    duck = Envelope(
        places,
        sample_rate=SAMPLE_RATE,
        inside=from_db(settings.original_duck_db if spec.bed is None else settings.duck_db),
        outside=1.0,
        attack=settings.attack,
        release=settings.release,
        hold=HOLD,
    )
    keep = Envelope(
        spec.keep,
        sample_rate=SAMPLE_RATE,
        inside=1.0,
        outside=0.0,
        attack=CROSSFADE,
        release=CROSSFADE,
    )
    with ExitStack() as stack:
        bed = stack.enter_context(BlockReader(spec.bed or spec.mix, SAMPLE_RATE))
        check_channels(bed.channels, layout, spec.bed or spec.mix)
        original = stack.enter_context(BlockReader(spec.mix, SAMPLE_RATE)) if spec.keep else None
        speech = None
        if apart and spec.speech:
            speech = stack.enter_context(BlockReader(spec.speech, SAMPLE_RATE))
        for start in range(0, layout.frames, BLOCK):
            size = min(BLOCK, layout.frames - start)
            block = bed.read(size)
            source = original.read(size) if original else block
            duck.apply(block, start, columns=layout.ducked)
            if not apart:
                voices.add_to([block], start)
                keep.crossfade(block, source, start)
                yield block
                continue
            dialogue = np.zeros_like(block)
            voices.add_to([block, dialogue], start)
            keep.crossfade(block, source, start)
            keep.crossfade(dialogue, speech.read(size) if speech else source, start)
            yield np.concatenate([block, dialogue], axis=1)
