"""Speed up or slow down speech, pitch kept.

WSOLA: W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA)
for high quality time-scale modification of speech", ICASSP 1993. Onsets pass at their own speed
and the sounds between them make up for it, as when people speak faster: a plosive that falls into
a splice would be lost or heard twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onevoice.audio.levels import Audio

_HOP = 0.016  # seconds; frames are twice as long and overlap by half
_SEARCH = 0.008  # seconds to either side; the two together hold a period of 63 Hz

_STEP = 0.004  # seconds; onsets are looked for in steps of this length
_RISE = 8.0  # power over that of the last 20 ms, above 1 kHz or so
_LOUD = 0.3  # and over the line's mean
_GUARD = (3, 5)  # steps before an onset, and from it on, that keep their speed


def time_stretch(x: Audio, sample_rate: int, ratio: float) -> Audio:
    """Change the speed of mono speech and keep its pitch.

    Parameters
    ----------
    x : shape (frames,).
    sample_rate : Hz.
    ratio : above 1 is faster; made for 0.8 to 1.4.

    Returns
    -------
    shape (round(frames / ratio),); the very samples when ``ratio`` is 1.

    Raises
    ------
    ValueError for audio that is not mono and for a ratio outside 0.25 to 4.
    """
    if x.ndim != 1:
        raise ValueError(f"time_stretch takes mono audio, got shape {x.shape}")
    if not 0.25 <= ratio <= 4:
        raise ValueError(f"time_stretch takes ratios from 0.25 to 4, got {ratio}")
    if ratio == 1 or not len(x):
        return x.copy()
    length = round(len(x) / ratio)
    hop = max(8, round(_HOP * sample_rate))
    search = max(4, round(_SEARCH * sample_rate))
    count = -(-length // hop) + 1
    ideal = _ideal_places(x, np.arange(count) * hop, length, max(1, round(_STEP * sample_rate)))
    # Frame k lies around k * hop in the output and around its ideal place in the input.
    padded = np.zeros(search + hop + max(int(ideal[-1]), len(x)) + 3 * hop + search, np.float32)
    padded[search + hop : search + hop + len(x)] = x
    starts = _align(padded, ideal + search, hop, search)

    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    frames = padded[starts[:, None] + np.arange(2 * hop)] * window
    out: Audio = (frames[:-1, hop:] + frames[1:, :hop]).reshape(-1)[:length]
    return out


def _ideal_places(x: Audio, out: NDArray[np.int64], length: int, step: int) -> NDArray[np.int64]:
    """The frame of ``x`` that belongs at each frame of an output of the given length."""
    kept = np.repeat(_onsets(x, step), step)[: len(x)]
    kept = np.pad(kept, (0, len(x) - len(kept)))
    share = kept.mean()
    if share > 0.3 or length <= share * len(x):
        kept[:] = False  # noise, not speech
        share = 0.0
    elsewhere = (length - share * len(x)) / ((1 - share) * len(x))
    reached = np.concatenate([[0.0], np.cumsum(np.where(kept, 1.0, elsewhere))])
    places = np.interp(out, reached, np.arange(len(x) + 1))
    beyond = np.maximum(out - reached[-1], 0.0)
    return np.asarray(np.round(places + beyond), np.int64)


def _onsets(x: Audio, step: int) -> NDArray[np.bool_]:
    """Which steps lie around a sudden rise, shape (len(x) // step,)."""
    bright = np.diff(x, prepend=x[:1])[: len(x) // step * step]
    power = (bright.reshape(-1, step).astype(np.float64) ** 2).mean(axis=1)
    if not power.any():
        return np.zeros(len(power), np.bool_)
    recent = np.convolve(power, np.ones(5) / 5)[: len(power) - 1]
    rises = (power > _RISE * np.append(power[0], recent)) & (power > _LOUD * power.mean())
    before, after = _GUARD
    around = np.convolve(rises, np.ones(before + after))[before : before + len(power)]
    return np.asarray(around > 0.5)


def _align(x: Audio, ideal: NDArray[np.int64], hop: int, search: int) -> NDArray[np.int64]:
    """Frame starts near the ideal ones where each frame best continues the one before it.

    Likeness is the normalised cross-correlation with what followed the last frame in the input.
    """
    energy = np.concatenate([[0.0], np.cumsum(x.astype(np.float64) ** 2)])
    # The floor keeps near-silence from winning by its norm alone.
    floor = 1e-4 * energy[-1] / len(x) * hop + 1e-12
    norm = (1 / np.sqrt(energy[hop:] - energy[:-hop] + floor)).astype(np.float32)
    starts = ideal.copy()
    last = int(ideal[0])
    for k, place in enumerate(ideal[1:].tolist(), start=1):
        template = x[last + hop : last + 2 * hop]
        first = place - search
        likeness = np.correlate(x[first : first + 2 * search + hop], template)
        likeness *= norm[first : first + len(likeness)]
        best = int(likeness.argmax())
        last = first + best if likeness[best] > 0 else place
        starts[k] = last
    return starts
