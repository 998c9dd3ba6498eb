"""Speed up or slow down speech, pitch kept.

WSOLA: W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA)
for high quality time-scale modification of speech", ICASSP 1993.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onevoice.audio.levels import Audio

_HOP = 0.016  # seconds; frames are twice as long and overlap by half
_SEARCH = 0.008  # seconds to either side; the two together hold a period of 63 Hz


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
    ideal = np.round(np.arange(count) * hop * ratio).astype(np.int64)
    # Frame k lies around k * hop in the output and around its ideal place in the input.
    padded = np.zeros(search + hop + max(int(ideal[-1]), len(x)) + 3 * hop + search, np.float32)
    padded[search + hop : search + hop + len(x)] = x
    starts = _align(padded, ideal + search, hop, search)

    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    frames = padded[starts[:, None] + np.arange(2 * hop)] * window
    out: Audio = (frames[:-1, hop:] + frames[1:, :hop]).reshape(-1)[:length]
    return out


def _align(x: Audio, ideal: NDArray[np.int64], hop: int, search: int) -> NDArray[np.int64]:
    """Frame starts near the ideal ones where each frame best continues the one before it.

    Likeness is the normalised cross-correlation with what followed the last frame in the input.
    """
    energy = np.concatenate([[0.0], np.cumsum(x.astype(np.float64) ** 2)])
    total = float(energy[-1]) / len(x) * hop
    starts = ideal.copy()
    for k in range(1, len(ideal)):
        follows = starts[k - 1] + hop
        template = x[follows : follows + hop]
        first = ideal[k] - search
        region = x[first : first + 2 * search + hop]
        likeness = np.correlate(region, template, "valid")
        norm = energy[first + hop : first + hop + len(likeness)]
        norm = norm - energy[first : first + len(likeness)]
        # The floor keeps near-silence from winning by its norm alone.
        likeness = likeness / np.sqrt(norm + 1e-4 * total + 1e-12)
        best = int(np.argmax(likeness))
        if likeness[best] > 0:
            starts[k] = first + best
    return starts
