"""pyannote.audio through WhisperX: who speaks when, and how many there are.

Bredin, "pyannote.audio 2.1 speaker diarization pipeline", Interspeech 2023; the pipeline is
version 4's. Its weights are free, but given out only to who has accepted their conditions on
the model hub: hence a token, or a local folder.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from onevoice.engines import keys, torch_device
from onevoice.engines.base import EngineBase, EngineInfo, Params, Progress, Runtime
from onevoice.engines.diarization.turns import stretches_of_words, turns_of
from onevoice.engines.speech import read_mono
from onevoice.errors import AssetMissing, EngineUnavailable
from onevoice.types import Turn, Word

KEY = "HF_TOKEN"
HUB_MODEL = "pyannote/speaker-diarization-community-1"
_MODULES = ("torch", "whisperx", "pyannote.audio")
Stretch = tuple[float, float, str]
"""Start and end in seconds, and the pipeline's own name of the speaker."""


class PyannoteParams(Params):
    model: str = HUB_MODEL
    """A folder with a pipeline's config.yaml, or a hub name."""
    min_speakers: int | None = Field(default=None, ge=1)
    max_speakers: int | None = Field(default=None, ge=1)
    """Bounds for counting; they say nothing where the number is told."""


class Pyannote(EngineBase):
    """Counts the speakers itself; the whole recording is held in memory (230 MB an hour)."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="diarization",
        name="whisperx",
        summary="pyannote.audio by WhisperX: tells speakers apart and counts them",
        licence="BSD-2-Clause and MIT (code); CC-BY-4.0 (weights, gated on the hub)",
        extra="whisperx",
        key=KEY,
        gpu=True,
        limits=f"accept the conditions of {HUB_MODEL} and set {KEY}, or "
        "diarization.whisperx.model=FOLDER, which needs no key",
    )
    Params: ClassVar[type[Params]] = PyannoteParams
    params: PyannoteParams
    counts: ClassVar[bool] = True

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._pipeline: Any = None

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        """Only the packages: whether a key is needed depends on the model, see :meth:`ready`."""
        torch_device.require(_MODULES, "whisperx", cls.info.extra)

    def ready(self) -> None:
        """Raise unless the packages are there and, for a model of the hub, key and network."""
        self.check(self.runtime)
        self._token()

    def identity(self) -> dict[str, Any]:
        params = self.params.model_dump(mode="json", exclude={"model"})
        return {
            "engine": self.info.name,
            "version": 1,
            "pyannote": torch_device.package_version("pyannote-audio"),
            "params": params,
            "model": _model_digest(self.params.model),
        }

    def close(self) -> None:
        self._pipeline = None

    def diarize(
        self, audio: Path, words: Sequence[Word], *, speakers: int | None, progress: Progress
    ) -> tuple[Turn, ...]:
        """Turns that cover every word; ``speakers`` None counts them.

        Raises
        ------
        EngineUnavailable, AssetMissing
            Package, GPU, token or weights are not there.
        EngineFailed
            It broke (out of memory).
        Cancelled
            The runtime's token was set.
        """
        pauses = stretches_of_words(words)
        if speakers == 1 or len(words) < 2:
            progress(1.0)
            return turns_of(words, [0] * len(words), pauses)
        self.runtime.cancel.check()
        stretches = self._stretches(audio, speakers, progress)
        progress(1.0)
        return turns_of(words, labels(words, stretches), pauses)

    def _stretches(self, audio: Path, speakers: int | None, progress: Progress) -> list[Stretch]:
        def look(percent: float) -> None:
            self.runtime.cancel.check()
            progress(min(0.99, percent / 100))

        pipeline = self._loaded()
        bounds = (
            {"num_speakers": speakers}
            if speakers is not None
            else {
                "min_speakers": self.params.min_speakers,
                "max_speakers": self.params.max_speakers,
            }
        )
        try:
            with torch_device.no_warnings():
                rows = pipeline(read_mono(audio), progress_callback=look, **bounds)
        except RuntimeError as exc:
            raise torch_device.out_of_memory(
                exc, "whisperx", "use run.device=cpu, or diarization.engine=camplus"
            ) from exc
        return [
            (float(start), float(end), str(speaker))
            for start, end, speaker in zip(rows["start"], rows["end"], rows["speaker"], strict=True)
        ]

    def _loaded(self) -> Any:
        if self._pipeline is not None:
            return self._pipeline
        self.check(self.runtime)
        device = torch_device.choose(self.runtime)
        token = self._token()
        logging.getLogger("whisperx").addHandler(logging.NullHandler())
        try:
            with torch_device.silence():
                from pyannote.audio.telemetry import set_telemetry_metrics
                from whisperx.diarize import DiarizationPipeline

                # pyannote reports to its makers how it is used, unless it is told not to.
                set_telemetry_metrics(False)
                self._pipeline = DiarizationPipeline(
                    self.params.model,
                    token=token,
                    device=device,
                    cache_dir=str(self.runtime.models_dir / "pyannote"),
                )
        except Exception as exc:
            # The hub's client, pyannote, lightning and torch each raise errors of their own.
            short = keys.redact(" ".join(str(exc).split()))[:300]
            if token is None:
                raise AssetMissing(
                    f"the diarization model in {self.params.model} cannot be loaded: {short}",
                    hint="diarization.whisperx.model must hold a config.yaml of pyannote 4 and "
                    "what it names",
                ) from exc
            raise EngineUnavailable(
                f"the diarization model {self.params.model!r} cannot be fetched: {short}",
                hint=f"accept its conditions on the hub with the account of {KEY}, or name a "
                "local folder with diarization.whisperx.model",
            ) from None
        return self._pipeline

    def _token(self) -> str | None:
        """The hub's key; None for a local folder, which needs none."""
        if Path(self.params.model).exists():
            return None
        torch_device.need_network(
            self.runtime,
            f"the diarization model {self.params.model!r}",
            "diarization.whisperx.model",
        )
        return keys.require(KEY, "the model hub, for pyannote's diarization model,")


def labels(words: Sequence[Word], stretches: Sequence[Stretch]) -> list[int]:
    """Whose each word is: who speaks longest during it, else who is heard nearest to it.

    Where nobody was heard at all, everything is one speaker's.
    """
    names = {name: i for i, name in enumerate(dict.fromkeys(s[2] for s in stretches))}
    found = []
    for word in words:
        share: dict[str, float] = {}
        for start, end, name in stretches:
            overlap = min(end, word.end) - max(start, word.start)
            if overlap > 0:
                share[name] = share.get(name, 0.0) + overlap
        if not share and stretches:
            nearest = min(stretches, key=lambda s: max(s[0] - word.end, word.start - s[1]))
            share = {nearest[2]: 1.0}
        found.append(names[max(share, key=lambda name: share[name])] if share else 0)
    return found


def _model_digest(name: str) -> str:
    folder = Path(name)
    if not folder.exists():
        return name
    files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
    return torch_device.digest_of(files)
