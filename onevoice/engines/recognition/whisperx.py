"""WhisperX: Whisper in batches, and each word put where it is heard by a second model.

Bain et al., "WhisperX: Time-Accurate Speech Transcription of Long-Form Audio", Interspeech 2023.
A wav2vec 2.0 model of the language says which sound is heard when; the recognised text is laid
over that. Listening, holes, loops and the vote on the language are those of
:mod:`.whisper`: only how a batch of clips is decoded differs.

Where WhisperX knows no alignment model for a language, and none is named, the words have
Whisper's own times, which are off by a tenth of a second or so. A clip whose text cannot be
laid over the sound, or only with little confidence, gets them, too: no word is ever without a
time, and none is put where it is not heard.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from onevoice.engines import assets, torch_device
from onevoice.engines.base import Audio, EngineInfo, Params, Runtime
from onevoice.engines.recognition.listening import Span
from onevoice.engines.recognition.whisper import ASSET, Whisper, WhisperParams
from onevoice.errors import AssetMissing, EngineFailed, EngineRefused, EngineUnavailable

_MODULES = ("torch", "torchaudio", "whisperx", "faster_whisper", "transformers", "pyannote.audio")
_WITHOUT_SPACES = frozenset({"ja", "zh"})
"""Languages WhisperX aligns character by character."""
_SENTENCES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")


class WhisperXParams(WhisperParams):
    model: str = "large-v3-turbo"
    """A size (large-v3-turbo, small, …), a folder with a CTranslate2 model, or a hub name; base
    is the embedded profile's."""
    batch_size: int = WhisperParams.model_fields["batch_size"].default * 2
    """How many clips are decoded at once."""
    alignment: Literal["auto", "always", "never"] = "auto"
    """always refuses languages without an alignment model, auto takes Whisper's times for them."""
    align_model: str = ""
    """A folder with a wav2vec 2.0 CTC model, or a hub name; empty takes the language's usual."""
    align_trust: float = Field(default=0.1, ge=0, le=1)
    """A clip whose letters are less probable than this on average has Whisper's times: its text
    and the alignment model do not belong together (another language, singing)."""
    align_dir: Path | None = None
    """Where alignment models lie and are downloaded to; none for the usual place."""


@dataclass(frozen=True, slots=True)
class _Word:
    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class _Segment:
    """One clip as :class:`.Whisper` reads the segments of faster-whisper."""

    start: float
    end: float
    words: tuple[_Word, ...]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float = 0.0


class WhisperX(Whisper):
    """The most exact word times; for a GPU, with large models."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="recognition",
        name="whisperx",
        summary="Whisper with words aligned to the sound by wav2vec 2.0",
        licence="BSD-2-Clause (code); MIT (Whisper); alignment models: MIT for English, "
        "CC-BY-NC-4.0 (no commercial use) for French, German, Spanish and Italian, mostly "
        "Apache-2.0 for others",
        languages=Whisper.info.languages,
        extra="whisperx",
        gpu=True,
        limits="models are downloaded on first use (1.6 GB, and 0.4 to 1.3 GB a language), or "
        "recognition.whisperx.model=FOLDER and align_model=FOLDER",
    )
    Params: ClassVar[type[Params]] = WhisperXParams
    params: WhisperXParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._pipeline: Any = None
        self._device = "cpu"
        self._aligners: dict[str, tuple[Any, Any] | None] = {}

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        torch_device.require(_MODULES, "whisperx", cls.info.extra)

    def ready(self) -> None:
        """Raise unless the packages are there and, where it is wanted, the embedded model."""
        self.check(self.runtime)
        if self.params.model == "base":
            assets.check(ASSET, self.runtime)

    def identity(self) -> dict[str, Any]:
        known = super().identity()
        del known["params"]["align_dir"], known["params"]["align_model"]
        known |= {"engine": "whisperx", "whisperx": torch_device.package_version("whisperx")}
        return {**known, "aligner": _folder_digest(self.params.align_model)}

    def close(self) -> None:
        super().close()
        self._pipeline = None
        self._aligners.clear()

    # --- a batch of clips -------------------------------------------------------------------

    def _run(self, samples: Audio, batch: Sequence[Span], code: str, **options: Any) -> list[Any]:
        """The clips as segments with words; times are seconds in ``samples``."""
        aligner = self._aligner(code)
        if aligner is None:
            return super()._run(samples, batch, code, **options)
        found: list[Any] = []
        for text in self._texts(samples, batch, code, options):
            if not text["text"].strip():
                continue
            words = self._align(samples, text, code, aligner)
            if words:
                found.append(_segment(text, words))
            else:
                clip = (text["start"], text["end"])
                found += super()._run(samples, [clip], code, **options)
        return found

    def _texts(
        self, samples: Audio, batch: Sequence[Span], code: str, options: dict[str, Any]
    ) -> list[Any]:
        pipeline = self._piped()
        usual = pipeline.options
        pipeline.vad_model.spans = list(batch)
        pipeline.options = replace(
            usual, beam_size=self.params.beam_size, hotwords=self._hints or None, **options
        )
        try:
            with torch_device.no_warnings():
                result = pipeline.transcribe(
                    samples, batch_size=len(batch), language=code, task="transcribe"
                )
        except (RuntimeError, ValueError) as exc:
            raise EngineFailed(
                f"WhisperX could not recognise the speech: {exc}",
                hint="try a smaller model, or recognition.whisperx.batch_size 1",
            ) from exc
        finally:
            pipeline.options = usual
        return list(result["segments"])

    def _align(
        self, samples: Audio, text: dict[str, Any], code: str, aligner: tuple[Any, Any]
    ) -> tuple[_Word, ...]:
        """The words of one clip where they are heard; none where that is not to be believed."""
        from whisperx.alignment import align

        self.runtime.cancel.check()
        model, metadata = aligner
        try:
            with torch_device.no_warnings():
                heard = align([text], model, metadata, samples, self._device)["word_segments"]
        except (RuntimeError, ValueError, KeyError, IndexError) as exc:
            logging.getLogger(__name__).debug("alignment failed: %s", exc)
            return ()
        if not heard or not all("start" in word and "end" in word for word in heard):
            return ()
        scores = [float(word.get("score", 1.0)) for word in heard]
        if sum(scores) / len(scores) < self.params.align_trust:
            return ()
        lead = "" if code in _WITHOUT_SPACES else " "
        return tuple(
            _Word(lead + word["word"], float(word["start"]), float(word["end"]), score)
            for word, score in zip(heard, scores, strict=True)
        )

    # --- models -----------------------------------------------------------------------------

    def _loaded(self) -> Any:
        """The Whisper model inside the pipeline: what the language is detected with."""
        return self._piped().model

    def _piped(self) -> Any:
        if self._pipeline is not None:
            return self._pipeline
        self.check(self.runtime)
        self._device = torch_device.choose(self.runtime)
        # WhisperX writes its log to standard output, unless somebody else has a handler there.
        logging.getLogger("whisperx").addHandler(logging.NullHandler())
        compute = self.params.compute_type
        if compute == "auto":
            compute = "float16" if self._device == "cuda" else "int8"
        name = self.params.model
        source = str(assets.ensure(self.runtime, ASSET)) if name == "base" else name
        try:
            with torch_device.silence():
                from whisperx.asr import load_model

                self._pipeline = load_model(
                    source,
                    self._device,
                    compute_type=compute,
                    vad_model=_prepared_clips(),
                    download_root=str(self.runtime.models_dir / "whisper"),
                    local_files_only=self.runtime.offline,
                    threads=self.runtime.threads,
                )
        except ImportError as exc:
            raise EngineUnavailable(
                f"whisperx cannot be imported: {exc}", hint="pip install 'onevoice[whisperx]'"
            ) from exc
        except Exception as exc:
            # The hub's client, the tokenizer and CTranslate2 each raise errors of their own.
            short = " ".join(str(exc).split())[:300]
            raise EngineUnavailable(
                f"the Whisper model {name!r} cannot be loaded on {self._device}: {short}",
                hint="name a local folder with recognition.whisperx.model, or allow the download",
            ) from exc
        return self._pipeline

    def _aligner(self, code: str) -> tuple[Any, Any] | None:
        """The alignment model of a language and its alphabet; None to take Whisper's times."""
        if code not in self._aligners:
            self._aligners[code] = self._find_aligner(code)
        return self._aligners[code]

    def _find_aligner(self, code: str) -> tuple[Any, Any] | None:
        if self.params.alignment == "never":
            return None
        self._piped()
        from whisperx import alignment

        name = self.params.align_model
        usual = alignment.DEFAULT_ALIGN_MODELS_TORCH | alignment.DEFAULT_ALIGN_MODELS_HF
        if not name and code not in usual:
            mend = "name one with recognition.whisperx.align_model, or set alignment to auto"
            if self.params.alignment == "always":
                raise EngineRefused(f"WhisperX has no alignment model for {code!r}", hint=mend)
            logging.getLogger(__name__).warning(
                "no alignment model for %r: words have Whisper's own times", code
            )
            return None
        self._teach_sentences(code)
        folder = str(self.params.align_dir) if self.params.align_dir else None
        if not name and self.runtime.offline and code in alignment.DEFAULT_ALIGN_MODELS_TORCH:
            self._require_bundle(alignment.DEFAULT_ALIGN_MODELS_TORCH[code], folder)
        try:
            with torch_device.silence():
                model, metadata = alignment.load_align_model(
                    code,
                    self._device,
                    model_name=name or None,
                    model_dir=folder,
                    model_cache_only=self.runtime.offline,
                )
                return model.eval(), metadata
        except Exception as exc:
            # The hub's client, torch.hub and transformers each raise errors of their own.
            short = " ".join(str(exc).split())[:300]
            raise AssetMissing(
                f"the alignment model {name or usual[code]!r} for {code!r} cannot be loaded: "
                f"{short}",
                hint="name a local folder with recognition.whisperx.align_model, allow the "
                "download, or set recognition.whisperx.alignment=never",
            ) from exc

    def _require_bundle(self, name: str, folder: str | None) -> None:
        """torchaudio downloads without being asked: offline its file must be there already."""
        import torch
        import torchaudio

        path = torchaudio.pipelines.__dict__[name]._path
        home = Path(folder) if folder else Path(torch.hub.get_dir()) / "checkpoints"
        if not (home / Path(path).name).is_file():
            torch_device.need_network(
                self.runtime, f"the alignment model {name}", "recognition.whisperx.align_model"
            )

    def _teach_sentences(self, code: str) -> None:
        """Give NLTK sentence rules, which WhisperX would download: OneVoice has its own.

        An untrained Punkt is four empty files. Real ones, where they are installed, are found
        first; which of them it is alters no word and no time.
        """
        import nltk
        from whisperx.utils import PUNKT_LANGUAGES

        home = self.runtime.models_dir / "nltk"
        folder = home / "tokenizers" / "punkt_tab" / PUNKT_LANGUAGES.get(code, "english")
        folder.mkdir(parents=True, exist_ok=True)
        for name in _SENTENCES:
            (folder / name).touch()
        if str(home) not in nltk.data.path:
            nltk.data.path.append(str(home))


def _prepared_clips() -> Any:
    """A voice activity detector for WhisperX that answers with the clips already found."""
    from whisperx.diarize import Segment
    from whisperx.vads import Vad

    class Prepared(Vad):  # type: ignore[misc]  # whisperx has no types
        def __init__(self) -> None:
            super().__init__(0.5)
            self.spans: list[Span] = []

        def __call__(self, audio: Any, **kwargs: Any) -> list[Any]:
            return [Segment(start, end, "") for start, end in self.spans]

        @staticmethod
        def preprocess_audio(audio: Any) -> Any:
            return audio

        @staticmethod
        def merge_chunks(
            segments: list[Any], chunk_size: float, onset: float, offset: float | None
        ) -> list[dict[str, Any]]:
            return [{"start": s.start, "end": s.end, "segments": []} for s in segments]

    return Prepared()


def _segment(text: dict[str, Any], words: tuple[_Word, ...]) -> _Segment:
    data = text["text"].encode()
    return _Segment(
        start=float(text["start"]),
        end=float(text["end"]),
        words=words,
        avg_logprob=float(text.get("avg_logprob", 0.0)),
        compression_ratio=len(data) / len(zlib.compress(data)),
    )


def _folder_digest(name: str) -> str:
    """A folder's weights by their contents, anything else by its name."""
    folder = Path(name) if name else None
    if folder is None or not folder.is_dir():
        return name
    files = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin", ".json"))
    return torch_device.digest_of(files)
