"""F5-TTS: speech in the voice of a few seconds of somebody, in this process.

Chen et al., "F5-TTS: A Fairytaler that Fakes Fluent and Faithful Speech with Flow Matching",
2024. A voice is a recording and what is said in it: a speaker's own, one the user names, or one
of the examples that come with the package. The pace is the recording's, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from onevoice.engines import torch_device
from onevoice.engines.base import (
    CLONE,
    Audio,
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    Speech,
    SpeechRequest,
    Voice,
)
from onevoice.engines.synthesis import asking, line
from onevoice.engines.synthesis.f5_models import (
    HUB,
    SETTINGS,
    VOCODER,
    YAML,
    digest,
    fetch,
    load,
    present,
)
from onevoice.engines.synthesis.f5_voices import (
    LONGEST_S,
    SAMPLE_RATE,
    SHORTEST_S,
    Sample,
    VoiceReference,
    ended,
    examples,
    read_sample,
)
from onevoice.engines.synthesis.voices import primary
from onevoice.errors import (
    AssetDamaged,
    AssetMissing,
    EngineRefused,
)

_WINDOW_S = 22.0
"""As long as recording and answer may be together, by F5-TTS' own rule."""
_LEVEL = 0.1
_PAUSE_S = 0.25
_MODULES = ("torch", "torchaudio", "f5_tts", "vocos", "hydra", "omegaconf")
_BORROWED = "an example recording of the F5-TTS package, of a film or its trailer: to try it out"


class F5Params(Params):
    """Settings under ``synthesis.f5``."""

    model: str = "F5TTS_v1_Base"
    """A configuration of the package (F5TTS_v1_Base, E2TTS_Base, …) or a path to a yaml."""
    ckpt_file: Path | None = None
    """The weights, .safetensors or .pt; none downloads those of the model."""
    vocab_file: Path | None = None
    """The characters the weights know, for your own weights; none takes the package's."""
    vocoder: Path | None = None
    """A folder with Vocos' config.yaml and pytorch_model.bin; none downloads them."""
    languages: tuple[str, ...] = ("en", "zh")
    """What the weights speak: English and Chinese, unless they are your own."""
    references: dict[str, VoiceReference] = Field(default_factory=dict)
    """Voices of yours, by name."""
    examples: bool = False
    """Offer the package's two example recordings, too: to try it out, their rights are unclear."""
    nfe_step: int = Field(default=32, ge=1, le=128)
    """Steps of the solver; 16 is twice as fast and a little rougher."""
    cfg_strength: float = Field(default=2.0, ge=0, le=10)
    """How closely text and voice are followed."""
    speed: float = Field(default=1.0, ge=0.3, le=2.0)
    """Every line this much faster than the recording speaks."""
    seed: int = Field(default=0, ge=0)
    """The same seed gives the same speech, on the same kind of device."""
    remove_silence: bool = False
    """Shorten pauses inside a line that are longer than a second."""


class F5(EngineBase):
    """Clones voices; English and Chinese with its own weights, others with yours."""

    info = EngineInfo(
        kind="synthesis",
        name="f5",
        summary="F5-TTS in this process: speaks in the voice of a short recording",
        licence="MIT (code); CC-BY-NC-4.0 (weights: no commercial use)",
        languages=frozenset({"en", "zh"}),
        extra="f5",
        gpu=True,
        voices="clones from a reference; recordings of yours (synthesis.f5.references)",
        limits=f"recordings of {SHORTEST_S:g} to {LONGEST_S:g} s; the weights are downloaded on "
        "first use (1.4 GB), or "
        f"{SETTINGS}",
    )
    Params: ClassVar[type[Params]] = F5Params
    params: F5Params
    clones: ClassVar[bool] = True

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._lock = Lock()
        self._parts: tuple[Any, Any, str] | None = None
        self._samples: dict[str, Sample] = {}
        self._known: dict[str, Any] | None = None

    @property
    def lines_at_once(self) -> int:
        return 1

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        torch_device.require(_MODULES, "f5", cls.info.extra)

    def ready(self) -> None:
        """Raise unless the package and the named files are there; offline, any file it needs."""
        self.check(self.runtime)
        if self.params.ckpt_file is not None or self.runtime.offline:
            self._weights()
        if self.params.vocoder is not None or self.runtime.offline:
            self._vocoder()

    def identity(self) -> dict[str, Any]:
        """Files go in by their contents, not by their paths."""
        if self._known is None:
            files = {"ckpt_file", "vocab_file", "vocoder", "references"}
            params = self.params.model_dump(mode="json", exclude=files | {"languages"})
            config = Path(self.params.model)
            if config.suffix in YAML:
                params["model"] = digest(config, "model")
            voices = {
                name: {"audio": digest(voice.audio, f"references.{name}"), "text": voice.text}
                for name, voice in sorted(self.params.references.items())
            }
            self._known = {
                "engine": self.info.name,
                "version": 1,
                "f5-tts": torch_device.package_version("f5-tts"),
                "params": params,
                "voices": voices,
                "weights": digest(self.params.ckpt_file, "ckpt_file"),
                "vocab": digest(self.params.vocab_file, "vocab_file"),
                "vocoder": digest(
                    self.params.vocoder and self.params.vocoder / "pytorch_model.bin", "vocoder"
                ),
            }
        return self._known

    def close(self) -> None:
        with self._lock:
            self._parts = None
            self._samples.clear()

    def voices(self, language: str) -> tuple[Voice, ...]:
        """The recordings for a language, natives first; the speaker's own where there are none."""
        tag = primary(language)
        if tag not in self.params.languages:
            return ()
        known = self._references()
        order = sorted(known, key=lambda name: primary(known[name].language) != tag)
        if not known:
            return (Voice(name=CLONE, language=tag, note="needs consent and a reference"),)
        return tuple(self._voice(name, known[name], tag) for name in order)

    def _voice(self, name: str, reference: VoiceReference, tag: str) -> Voice:
        own = name in self.params.references
        native = primary(reference.language) == tag
        notes = [] if own else [_BORROWED]
        notes += [] if native else [f"speaks {reference.language} in the recording"]
        rate = None
        if native:
            # The model speaks at the recording's own pace.
            rate = round(len(reference.text) / self._sample(name, reference).seconds, 2)
        return Voice(
            name=name,
            language=tag,
            sex=reference.sex,
            rate=rate,
            licence="yours" if own else "not known",
            note="; ".join(notes),
        )

    def speak(self, request: SpeechRequest) -> Speech:
        """See :class:`~onevoice.engines.base.Synthesizer`.

        Raises
        ------
        EngineRefused
            No such language, voice or rate; nothing to say; a recording that cannot be imitated.
        EngineUnavailable, AssetMissing, AssetDamaged
            Package, GPU or weights are not there, or not what they should be.
        EngineFailed
            The model broke (out of memory).
        Cancelled
            The runtime's token was set.
        """
        self.runtime.cancel.check()
        asking.check_language("f5", request.language, self.params.languages)
        asking.check_rate(request.rate)
        text = asking.sayable(request)
        reference = asking.reference_of("f5", request)
        if reference is not None:
            own = VoiceReference(
                audio=reference.audio, text=reference.text or " ", language=reference.language
            )
            sample = self._sample(reference.digest, own)
        else:
            known = self._references()
            if request.voice not in known:
                raise asking.no_voice("f5", request.voice, known)
            sample = self._sample(request.voice, known[request.voice])
        speed = request.rate * self.params.speed
        with self._lock:
            return self._say(text, sample, speed)

    def _say(self, text: str, sample: Sample, speed: float) -> Speech:
        """A line, piece by piece: the pieces of the package's own batches share one chance."""
        parts = self._loaded()
        from f5_tts.infer.utils_infer import chunk_text

        pace = len(sample.text.encode()) / sample.seconds
        longest = max(20, int(pace * (_WINDOW_S - sample.seconds) * speed))
        pieces = []
        for piece in chunk_text(text, max_chars=longest):
            if any(char.isalnum() for char in piece):
                self.runtime.cancel.check()
                samples = self._generate(parts, piece, sample, speed)
                pieces.append(line.finish(samples, SAMPLE_RATE))
        speech = line.join(pieces, [_PAUSE_S] * (len(pieces) - 1))
        return _without_pauses(speech) if self.params.remove_silence else speech

    def _generate(
        self, parts: tuple[Any, Any, str], text: str, sample: Sample, speed: float
    ) -> Audio:
        import torch
        from f5_tts.infer.utils_infer import infer_batch_process

        model, vocoder, device = parts
        wave = torch.from_numpy(sample.samples)[None]
        try:
            # The noise comes from torch's own generator: seeded, and left as it was.
            with torch.random.fork_rng(), torch_device.no_warnings():
                torch.manual_seed(self.params.seed)
                made, _, _ = next(
                    infer_batch_process(
                        (wave, SAMPLE_RATE),
                        ended(sample.text),
                        [text],
                        model,
                        vocoder,
                        progress=None,
                        target_rms=_LEVEL,
                        nfe_step=self.params.nfe_step,
                        cfg_strength=self.params.cfg_strength,
                        speed=speed,
                        device=device,
                    )
                )
        except RuntimeError as exc:
            raise torch_device.out_of_memory(
                exc, "f5", "shorten this line, or use run.device=cpu"
            ) from exc
        return np.asarray(made, np.float32).reshape(-1)

    # --- voices -----------------------------------------------------------------------------

    def _references(self) -> Mapping[str, VoiceReference]:
        return {**self.params.references, **(examples() if self.params.examples else {})}

    def _sample(self, key: str, reference: VoiceReference) -> Sample:
        if key not in self._samples:
            self._samples[key] = read_sample(reference)
        return self._samples[key]

    # --- the model --------------------------------------------------------------------------

    def _loaded(self) -> tuple[Any, Any, str]:
        if self._parts is None:
            self.check(self.runtime)
            import torch

            device = torch_device.choose(self.runtime)
            weights = self._weights()
            vocoder = self._vocoder()
            try:
                with torch.random.fork_rng(), torch_device.silence():
                    self._parts = (
                        *load(self.params.model, weights, self.params.vocab_file, vocoder, device),
                        device,
                    )
            except (AssetMissing, EngineRefused):
                raise
            except Exception as exc:
                # torch, pickle, safetensors, yaml and hydra each raise errors of their own.
                short = " ".join(str(exc).split())[:300]
                raise AssetDamaged(
                    f"F5-TTS cannot load {weights.name} as {self.params.model}: {short}",
                    hint=f"check {SETTINGS}, model and vocab_file: they must belong together",
                ) from exc
        return self._parts

    def _weights(self) -> Path:
        if self.params.ckpt_file is not None:
            return present(self.params.ckpt_file, "ckpt_file")
        if self.params.model not in HUB:
            raise AssetMissing(
                f"nobody publishes weights for the F5-TTS model {self.params.model!r}",
                hint=f"name yours with synthesis.f5.ckpt_file, or one of {', '.join(HUB)}",
            )
        return fetch(*HUB[self.params.model], self.runtime)

    def _vocoder(self) -> Path:
        folder = self.params.vocoder
        config, _ = (
            present(folder / name, "vocoder") if folder else fetch(VOCODER, name, self.runtime)
            for name in ("config.yaml", "pytorch_model.bin")
        )
        return config.parent


def _without_pauses(speech: Speech, longest: float = 1.0, kept: float = 0.5) -> Speech:
    """The same with pauses of more than ``longest`` seconds cut down to ``kept``."""
    frame = SAMPLE_RATE // 100
    whole = len(speech.samples) // frame * frame
    loud = np.abs(speech.samples[:whole]).reshape(-1, frame).max(axis=1, initial=0.0)
    keep = np.ones(len(speech.samples), np.bool_)
    start: int | None = None
    for i, silent in enumerate([*(loud < 0.003), False]):
        if silent:
            start = i if start is None else start
        elif start is not None:
            if (i - start) * frame > longest * SAMPLE_RATE:
                half = round(kept * SAMPLE_RATE / 2)
                keep[start * frame + half : i * frame - half] = False
            start = None
    return Speech(speech.samples[keep], speech.sample_rate)
