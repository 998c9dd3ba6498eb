"""CAM++ speaker vectors: tells speakers apart, and counts them where nobody says how many.

Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023. The model comes with OneVoice (``data/campplus.onnx``, made by
``tools/export_campplus.py`` from 3D-Speaker's weights, Apache-2.0). Counting the speakers is
experimental (see :mod:`.counting`); to be told how many there are is better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from onevoice.engines.base import Audio, EngineBase, EngineInfo, Params, Progress, Runtime
from onevoice.engines.diarization.clustering import Vectors, centroids, smooth, unit
from onevoice.engines.diarization.counting import ALIKE, MOST, count_speakers
from onevoice.engines.diarization.turns import is_break, stretches_of_words, turns_of
from onevoice.engines.speech import MODEL_RATE, read_mono
from onevoice.errors import AssetDamaged, AssetMissing, EngineUnavailable
from onevoice.types import Turn, Word

SHA256 = "dd478b0666b6fd67097d2e8a6167432668e924a8595ee4a737dba655438d88d1"
BANDS = 80
FRAMES_PER_SECOND = 100

_MEND = "pip install 'onevoice[embedded]'"
_BATCH = 16
_SHORTEST_FRAMES = 30


class CamPlusParams(Params):
    window: float = Field(default=2.0, ge=0.5, le=6)
    """Seconds of speech in one voice vector."""
    hop: float = Field(default=1.0, ge=0.1, le=3)
    """Seconds from one window to the next."""
    trusted: float = Field(default=1.0, ge=0.3, le=6)
    """Windows shorter than this, in seconds, do not take part in finding the voices."""
    switch: float = Field(default=2.0, ge=0)
    """What a change of speaker in mid-phrase costs, in units of similarity."""
    alike: float = Field(default=ALIKE, ge=0, le=1)
    """To count speakers: the cosine above which two voices are one person's."""
    most: int = Field(default=MOST, ge=1, le=20)
    """To count speakers: the most that are looked for."""


class CamPlus(EngineBase):
    """Windows of each phrase to vectors, vectors to voices, voices to words."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="diarization",
        name="camplus",
        summary="CAM++ voice vectors; counting the speakers (auto) is experimental",
        licence="Apache-2.0 (code and weights)",
        extra="embedded",
    )
    Params: ClassVar[type[Params]] = CamPlusParams
    params: CamPlusParams
    counts: ClassVar[bool] = True

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._session: Any = None

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        for module in ("onnxruntime", "kaldi_native_fbank"):
            if find_spec(module) is None:
                raise EngineUnavailable(f"{module} is not installed", hint=_MEND)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "version": 1, "model": SHA256}

    def close(self) -> None:
        self._session = None

    def diarize(
        self, audio: Path, words: Sequence[Word], *, speakers: int | None, progress: Progress
    ) -> tuple[Turn, ...]:
        """Turns of at most ``speakers`` people that cover every word; None counts them.

        Raises
        ------
        EngineUnavailable, AssetMissing, AssetDamaged
            Program or model are not there, or not what they should be.
        Cancelled
            The runtime's token was set.
        """
        pauses = stretches_of_words(words)
        if speakers == 1 or len(words) < 2:
            progress(1.0)
            return turns_of(words, [0] * len(words), pauses)
        spans, vectors = self._embed(audio, words, progress)
        length = spans[:, 1] - spans[:, 0]
        trusted = length >= self.params.trusted
        if speakers is None:
            speakers = count_speakers(
                vectors[trusted], most=self.params.most, alike=self.params.alike
            )
        if np.count_nonzero(trusted) < speakers:
            trusted = length >= np.sort(length)[-min(speakers, len(length))]
        voices = centroids(vectors[trusted], speakers)
        scores = word_scores(words, spans, vectors @ voices.T)
        costs = [0.0] + [
            0.1 * self.params.switch
            if is_break(before, after, 0.25, sentences=True)
            else self.params.switch
            for before, after in pairwise(words)
        ]
        progress(1.0)
        return turns_of(words, smooth(scores, costs), pauses)

    def _embed(
        self, audio: Path, words: Sequence[Word], progress: Progress
    ) -> tuple[NDArray[np.float64], Vectors]:
        """Windows ``(n, 2)`` in seconds, and their voice vectors ``(n, 192)``."""
        session = self._loaded()
        spans: list[tuple[float, float]] = []
        vectors: list[NDArray[np.floating]] = []
        phrases = stretches_of_words(words, 0.25, sentences=True)
        for done, (begin, end) in enumerate(phrases):
            self.runtime.cancel.check()
            start, stop = words[begin].start, words[end - 1].end
            features = filterbank(read_mono(audio, start, stop))
            pieces = windows(len(features) / FRAMES_PER_SECOND, self.params.window, self.params.hop)
            for first in range(0, len(pieces), _BATCH):
                batch = pieces[first : first + _BATCH]
                cut = np.stack([_slice(features, piece) for piece in batch])
                cut -= cut.mean(axis=1, keepdims=True)
                vectors.extend(session.run(None, {"features": cut})[0])
                spans.extend((start + a, start + b) for a, b in batch)
            progress(0.95 * (done + 1) / len(phrases))
        return np.array(spans), unit(np.stack(vectors))

    def _loaded(self) -> Any:
        if self._session is None:
            try:
                import onnxruntime
            except ImportError as exc:
                raise EngineUnavailable("onnxruntime is not installed", hint=_MEND) from exc
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.runtime.threads
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(
                _weights(), options, providers=["CPUExecutionProvider"]
            )
        return self._session


def windows(length: float, window: float, hop: float) -> list[tuple[float, float]]:
    """Windows of equal length over a phrase, the last one at its end; one for a short phrase."""
    if length <= window:
        return [(0.0, length)]
    count = int(np.ceil((length - window) / hop)) + 1
    starts = np.linspace(0.0, length - window, count)
    return [(float(start), float(start) + window) for start in starts]


def filterbank(samples: Audio) -> NDArray[np.float32]:
    """Kaldi log-mel energies, as 3D-Speaker computes them.

    Returns
    -------
    array
        Shape ``(frames, 80)``, a frame every 10 ms, at least 30 of them: shorter sound is
        followed by silence of its own mean.
    """
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.samp_freq = MODEL_RATE
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = BANDS
    bank = knf.OnlineFbank(options)
    bank.accept_waveform(MODEL_RATE, samples)
    bank.input_finished()
    rows = [bank.get_frame(i) for i in range(bank.num_frames_ready)]
    features = np.array(rows, dtype=np.float32).reshape(-1, BANDS)
    missing = _SHORTEST_FRAMES - len(features)
    if missing > 0:
        middle = features.mean(axis=0) if len(features) else np.zeros(BANDS, np.float32)
        features = np.concatenate([features, np.tile(middle, (missing, 1))])
    return features


def word_scores(
    words: Sequence[Word], spans: NDArray[np.float64], similarity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How well each voice fits each word: the mean over windows, weighted by overlap.

    Parameters
    ----------
    spans
        Shape ``(windows, 2)``, in seconds, in order.
    similarity
        Shape ``(windows, speakers)``.

    Returns
    -------
    array
        Shape ``(words, speakers)``.
    """
    centre = spans.mean(axis=1)
    scores = np.zeros((len(words), similarity.shape[1]))
    for i, word in enumerate(words):
        overlap = np.minimum(spans[:, 1], word.end) - np.maximum(spans[:, 0], word.start)
        weight = np.maximum(overlap, 0.0)
        if not weight.any():
            weight[np.argmin(np.abs(centre - (word.start + word.end) / 2))] = 1.0
        scores[i] = weight @ similarity / weight.sum()
    return scores


def _slice(features: NDArray[np.float32], piece: tuple[float, float]) -> NDArray[np.float32]:
    first = round(piece[0] * FRAMES_PER_SECOND)
    count = round((piece[1] - piece[0]) * FRAMES_PER_SECOND)
    first = min(first, len(features) - count)
    return features[first : first + count]


@cache
def _weights() -> bytes:
    """The model, its digest checked."""
    path = files("onevoice.engines.diarization") / "data" / "campplus.onnx"
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise AssetMissing(
            f"the speaker model that comes with OneVoice is not there: {exc}",
            hint="reinstall: pip install --force-reinstall onevoice",
        ) from exc
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise AssetDamaged(
            "the speaker model that comes with OneVoice is damaged",
            hint="reinstall: pip install --force-reinstall onevoice",
        )
    return data
