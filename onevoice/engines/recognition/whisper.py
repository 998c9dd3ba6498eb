"""Whisper by faster-whisper (CTranslate2): speech to words with times, in about 100 languages.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022. Clips of up
to 28 s, cut at pauses, are decoded in batches: that is faster than one after the other, and an
error in one clip cannot run on into the next.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from onevoice.engines import assets
from onevoice.engines.base import Audio, EngineBase, EngineInfo, Params, Progress, Runtime
from onevoice.engines.recognition.listening import (
    Span,
    Stretch,
    clips,
    level,
    sounding,
    stretches,
)
from onevoice.engines.recognition.wording import (
    loops,
    make_word,
    missed,
    ordered,
    snap,
    within_speech,
    without_loops,
)
from onevoice.engines.speech import MODEL_RATE, duration, read_mono
from onevoice.errors import EngineFailed, EngineRefused, EngineUnavailable
from onevoice.languages import base
from onevoice.types import Recognition, Word

ASSET = "whisper-base"
_KNOWN = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fil fo fr gl gu ha haw he
hi hr ht hu hy id is it ja jv ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my nb ne nl
nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tr tt uk ur uz vi yi
yo yue zh
"""
LANGUAGES = frozenset(_KNOWN.split())
# What Whisper calls the languages that it does not call by their tag.
_TO_WHISPER = {"jv": "jw", "nb": "no", "fil": "tl"}
_FROM_WHISPER = {"jw": "jv", "tl": "fil"}
_MEND = "pip install 'onevoice[embedded]'"

_VOTES = 5
_VOTE_S = 30.0
_REPETITIVE = 2.4
_UNSURE = -1.0
_NO_SPEECH = 0.6
_UTTERANCE_S = 1.0
"""The language of less speech than this is guessed from what lies beside it …"""
_BESIDE_S = 1.0
"""… if it is not further away than this."""
_SURE = 0.6
"""Least probability of a language that is not the recording's."""


class WhisperParams(Params):
    model: str = "base"
    """base comes with the embedded profile; else a size (large-v3-turbo), a folder, a hub name."""
    compute_type: str = "auto"
    """Number format of the arithmetic; auto is int8 on a CPU and float16 on a GPU."""
    beam_size: int = Field(default=5, ge=1, le=20)
    batch_size: int = Field(default=4, ge=1, le=64)
    """How many clips are decoded at once."""
    vote_below: float = Field(default=0.7, ge=0, le=1)
    """Where the language is less sure than this, several stretches vote on it."""
    hints: str = ""
    """Names and terms that occur, separated by commas."""


class Whisper(EngineBase):
    """Word times always on; no text carries over from clip to clip."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="recognition",
        name="whisper",
        summary="Whisper by faster-whisper; base comes along, larger models by name",
        licence="MIT (code and weights)",
        languages=LANGUAGES,
        extra="embedded",
    )
    Params: ClassVar[type[Params]] = WhisperParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._model: Any = None
        self._hints = ""
        self._ballots: dict[float, dict[Span, dict[str, float]]] = {}

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        if find_spec("faster_whisper") is None:
            raise EngineUnavailable("faster-whisper is not installed", hint=_MEND)
        assets.check(ASSET, runtime)

    def ready(self) -> None:
        """Raise EngineUnavailable unless the program is there and, where it is wanted, base."""
        if find_spec("faster_whisper") is None:
            raise EngineUnavailable("faster-whisper is not installed", hint=_MEND)
        if self.params.model == "base":
            assets.check(ASSET, self.runtime)

    def identity(self) -> dict[str, Any]:
        name = self.params.model
        params = self.params.model_dump(mode="json", exclude={"model", "batch_size"})
        return {"engine": "whisper", "version": 1, "params": params, "model": _model_digest(name)}

    def close(self) -> None:
        self._model = None

    def transcribe(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        """Words with times, in order; none where nobody speaks.

        Parameters
        ----------
        audio
            A WAV of any rate, mono or not; separated speech is best.
        language
            A language tag; None detects it. Under ``vote_below`` up to five stretches of the
            recording vote, and the winner is given with its mean probability.
        hints
            Names and terms that may be heard, beside those of the settings.

        Raises
        ------
        EngineRefused
            Whisper does not know the language.
        EngineUnavailable, AssetMissing
            Program or model are not there.
        EngineFailed
            The runtime broke (out of memory, no such device).
        Cancelled
            The runtime's token was set.
        """
        return self._transcribe(
            audio, language, hints, progress, detect=self._detect, hear=self._hear
        )

    def _transcribe(
        self,
        audio: Path,
        language: str | None,
        hints: Sequence[str],
        progress: Progress,
        *,
        detect: Callable[[Path, Stretch, float], tuple[str, float]],
        hear: Callable[[Stretch, str, Progress], list[Word]],
    ) -> Recognition:
        code, sure = (None, 0.0) if language is None else (_whisper_code(language), 1.0)
        self._hints = ", ".join([*filter(None, [self.params.hints]), *hints])
        total = duration(audio)
        words: list[Word] = []
        for stretch in stretches(audio, _find_speech):
            self.runtime.cancel.check()
            if not stretch.clips:
                continue
            if code is None:
                code, sure = detect(audio, stretch, total)
            words += hear(stretch, code, lambda t: progress(min(t / total, 1.0)))
        progress(1.0)
        spoken = code or "und"
        return Recognition(
            language=_FROM_WHISPER.get(spoken, spoken),
            language_probability=round(sure, 4),
            words=ordered(words, total),
            duration=total,
        )

    def transcribe_each(
        self, audio: Path, *, language: str | None, hints: Sequence[str], progress: Progress
    ) -> Recognition:
        """The same with each utterance in its own language; words of another one say which.

        Telling the language takes one more pass of the encoder for each utterance of a second
        or more. One that is not surely in another language is heard in that of the recording,
        which is, where none is given, the one that most is said in during the first minutes.
        """
        self._ballots.clear()
        return self._transcribe(
            audio, language, hints, progress, detect=self._most, hear=self._hear_each
        )

    # --- hearing ----------------------------------------------------------------------------

    def _hear(self, stretch: Stretch, code: str, progress: Progress) -> list[Word]:
        """All words of one stretch, in the recording's own time."""
        heard = self._decode(stretch, stretch.clips, code, progress)
        heard = within_speech(heard, stretch.speech)
        holes = missed(heard, stretch.speech)
        if holes:
            # Whisper now and then ends a clip early. Alone, what it left out is heard.
            found = self._decode(stretch, clips(holes), code, lambda _: None)
            heard += within_speech(found, holes, slack=0.0)
            heard.sort(key=lambda word: word.start)
        heard = snap(heard, sounding(stretch.samples))
        return [
            replace(w, start=w.start + stretch.offset, end=w.end + stretch.offset) for w in heard
        ]

    def _hear_each(self, stretch: Stretch, code: str, progress: Progress) -> list[Word]:
        """The same, language by language."""
        told = self._utterances(stretch, code)
        words: list[Word] = []
        for spoken in sorted(set(told)):
            runs = [
                [span for span, _ in run]
                for of, run in groupby(zip(stretch.speech, told, strict=True), lambda x: x[1])
                if of == spoken
            ]
            mine = replace(
                stretch,
                clips=tuple(clip for run in runs for clip in clips(run)),
                speech=tuple(span for run in runs for span in run),
            )
            tag = "" if spoken == code else _FROM_WHISPER.get(spoken, spoken)
            words += [replace(w, language=tag) for w in self._hear(mine, spoken, progress)]
        return sorted(words, key=lambda word: word.start)

    def _decode(
        self, stretch: Stretch, spans: Sequence[Span], code: str, progress: Progress
    ) -> list[Word]:
        """The words of some clips, decoded in batches; loops are decoded again, then cut."""
        words: list[Word] = []
        size = self.params.batch_size
        for first in range(0, len(spans), size):
            self.runtime.cancel.check()
            batch = spans[first : first + size]
            segments = [s for s in self._run(stretch.samples, batch, code) if not _is_silence(s)]
            limits = [*(clip[0] for clip in batch[1:]), float("inf")]
            for clip, limit in zip(batch, limits, strict=True):
                # A segment belongs to the clip that its middle lies in, or just behind.
                mine = [s for s in segments if (s.start + s.end) / 2 < limit]
                segments = [s for s in segments if (s.start + s.end) / 2 >= limit]
                heard = _words(mine)
                if loops(heard) or any(s.compression_ratio > _REPETITIVE for s in mine):
                    heard = without_loops(self._decode_again(stretch, clip, code))
                words += heard
            progress(stretch.offset + batch[-1][1])
        return sorted(words, key=lambda word: word.start)

    def _run(self, samples: Audio, batch: Sequence[Span], code: str, **options: Any) -> list[Any]:
        from faster_whisper import BatchedInferencePipeline

        try:
            segments, _ = BatchedInferencePipeline(self._loaded()).transcribe(
                samples,
                language=code,
                beam_size=self.params.beam_size,
                batch_size=len(batch),
                word_timestamps=True,
                vad_filter=False,
                clip_timestamps=[{"start": start, "end": end} for start, end in batch],
                hotwords=self._hints or None,
                **options,
            )
            return list(segments)
        except (RuntimeError, ValueError) as exc:
            raise EngineFailed(
                f"Whisper could not recognise the speech: {exc}",
                hint="try a smaller model, or recognition.whisper.batch_size 1",
            ) from exc

    def _decode_again(self, stretch: Stretch, clip: Span, code: str) -> list[Word]:
        """Where the recogniser got stuck: once more, with repeating made dear."""
        self.runtime.cancel.check()
        segments = self._run(
            stretch.samples, [clip], code, repetition_penalty=1.2, no_repeat_ngram_size=4
        )
        return _words([s for s in segments if not _is_silence(s)])

    # --- language ---------------------------------------------------------------------------

    def _detect(self, audio: Path, stretch: Stretch, total: float) -> tuple[str, float]:
        """The language of the first clip, or, where that is not sure, what the stretches say."""
        first = self._probabilities(stretch.samples, stretch.clips[0])
        best = max(first, key=lambda code: first[code])
        if first[best] >= self.params.vote_below:
            return best, first[best]
        ballots = [first]
        count = min(_VOTES, int(np.ceil(total / _VOTE_S)))
        for start in np.linspace(0, max(total - _VOTE_S, 0), count):
            self.runtime.cancel.check()
            samples = level(read_mono(audio, float(start), float(start) + _VOTE_S))
            found = clips(_find_speech(samples))
            if found:
                longest = max(found, key=lambda span: span[1] - span[0])
                ballots.append(self._probabilities(samples, longest))
        codes = {code for ballot in ballots for code in ballot}
        mean = {c: float(np.mean([ballot.get(c, 0.0) for ballot in ballots])) for c in codes}
        best = max(sorted(mean), key=lambda code: mean[code])
        return best, mean[best]

    def _utterances(self, stretch: Stretch, usual: str) -> list[str]:
        """The language of each span of speech in a stretch; a short one's is its neighbour's."""
        told: dict[Span, str] = {}
        for span, found in self._ballot(stretch).items():
            best = max(sorted(found), key=lambda code: found[code])
            told[span] = best if found[best] >= _SURE else usual

        def nearest(span: Span) -> str:
            def away(other: Span) -> float:
                return max(other[0] - span[1], span[0] - other[1], 0.0)

            near = min(told, key=away, default=span)
            return told[near] if near in told and away(near) <= _BESIDE_S else usual

        return [nearest(span) for span in stretch.speech]

    def _most(self, audio: Path, stretch: Stretch, total: float) -> tuple[str, float]:
        """The language most is said in, and how sure the utterances in it are of that."""
        seconds: dict[str, float] = defaultdict(float)
        for (start, end), found in self._ballot(stretch).items():
            for code, probability in found.items():
                seconds[code] += (end - start) * probability
        if not seconds:
            return self._detect(audio, stretch, total)
        best = max(sorted(seconds), key=lambda code: seconds[code])
        voices = [found.get(best, 0.0) for found in self._ballot(stretch).values()]
        return best, float(np.mean([v for v in voices if v >= 0.5] or voices))

    def _ballot(self, stretch: Stretch) -> dict[Span, dict[str, float]]:
        """How probable each language is in each longer span of speech of a stretch."""
        if stretch.offset not in self._ballots:
            found = {}
            for span in stretch.speech:
                self.runtime.cancel.check()
                if span[1] - span[0] >= _UTTERANCE_S:
                    found[span] = self._probabilities(stretch.samples, span)
            self._ballots = {stretch.offset: found}
        return self._ballots[stretch.offset]

    def _probabilities(self, samples: Audio, clip: Span) -> dict[str, float]:
        cut = samples[round(clip[0] * MODEL_RATE) : round(clip[1] * MODEL_RATE)]
        model = self._loaded()
        if not model.model.is_multilingual:
            return {"en": 1.0}
        _, _, probabilities = model.detect_language(cut)
        return {code: float(p) for code, p in probabilities}

    # --- the model --------------------------------------------------------------------------

    def _loaded(self) -> Any:
        if self._model is not None:
            return self._model
        try:
            import ctranslate2
            from faster_whisper import WhisperModel
        except ImportError as exc:
            raise EngineUnavailable(f"faster-whisper is not installed: {exc}", hint=_MEND) from exc
        device = self.runtime.device
        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        compute = self.params.compute_type
        if compute == "auto":
            compute = "float16" if device == "cuda" else "int8"
        name = self.params.model
        source = str(assets.ensure(self.runtime, ASSET)) if name == "base" else name
        try:
            self._model = WhisperModel(
                source,
                device=device,
                compute_type=compute,
                cpu_threads=self.runtime.threads,
                download_root=str(self.runtime.models_dir / "whisper"),
                local_files_only=self.runtime.offline,
            )
        except Exception as exc:
            # The hub's client, the tokenizer and CTranslate2 each raise errors of their own.
            raise EngineUnavailable(
                f"the Whisper model {name!r} cannot be loaded on {device}: {exc}",
                hint="recognition.whisper.model=base always works; other models need a download",
            ) from exc
        return self._model


def _find_speech(samples: Audio) -> list[Span]:
    """Silero voice activity detection, as it comes with faster-whisper."""
    try:
        from faster_whisper.vad import VadOptions, get_speech_timestamps
    except ImportError as exc:
        raise EngineUnavailable(f"faster-whisper is not installed: {exc}", hint=_MEND) from exc

    options = VadOptions(
        min_silence_duration_ms=300,
        min_speech_duration_ms=100,
        speech_pad_ms=200,
        max_speech_duration_s=28.0,
    )
    found = get_speech_timestamps(samples, options)
    return [(span["start"] / MODEL_RATE, span["end"] / MODEL_RATE) for span in found]


def _is_silence(segment: Any) -> bool:
    """Whisper's own rule: it thinks nobody spoke, and is not sure of what it heard."""
    return bool(segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _UNSURE)


def _words(segments: Sequence[Any]) -> list[Word]:
    found = (
        make_word(w.word, w.start, w.end, w.probability) for s in segments for w in s.words or ()
    )
    return [word for word in found if word is not None]


def _whisper_code(language: str) -> str:
    tag = base(language)
    if tag not in LANGUAGES:
        raise EngineRefused(
            f"Whisper does not know the language {language!r}",
            hint="leave the source language to be detected, or choose another recogniser",
        )
    return _TO_WHISPER.get(tag, tag)


def _model_digest(name: str) -> str:
    """What the model is: the asset's digest, a name, or a fingerprint of a folder's weights."""
    if name == "base":
        return assets.digest(ASSET)
    weights = Path(name) / "model.bin"
    if not weights.is_file():
        return name
    size = weights.stat().st_size
    sha = hashlib.sha256(str(size).encode())
    with weights.open("rb") as file:
        sha.update(file.read(1 << 20))
        file.seek(max(size - (1 << 20), 0))
        sha.update(file.read())
    return sha.hexdigest()
