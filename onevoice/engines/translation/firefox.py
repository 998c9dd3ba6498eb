"""Firefox Translations: small, fast neural models for English and Portuguese."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from onevoice import languages
from onevoice.engines import assets
from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    TranslationRequest,
    TranslationResult,
)
from onevoice.engines.translation.checks import find_problems
from onevoice.engines.translation.onethread import OneThread
from onevoice.engines.translation.wording import has_words, pieces, tidy
from onevoice.errors import AssetDamaged, EngineFailed, EngineRefused, EngineUnavailable
from onevoice.types import Summary

_PAIRS = frozenset({("en", "pt"), ("pt", "en")})
_LONGEST = 2_000


class Firefox(EngineBase):
    """Runs the weights of Mozilla's translation models by fxtranslate, in process."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="translation",
        name="firefox",
        summary="Firefox Translations models, English to and from Portuguese, very fast",
        licence="MPL-2.0",
        languages=frozenset({"en", "pt"}),
        pairs=_PAIRS,
        extra="embedded",
    )
    Params: ClassVar[type[Params]] = Params

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._models: _Models | None = None
        self._lock = Lock()

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        _import_runtime()
        for source, target in sorted(_PAIRS):
            assets.check(_asset(source, target), runtime)

    def identity(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            **super().identity(),
            "fxtranslate": version("fxtranslate"),
            "models": {_asset(*pair): assets.digest(_asset(*pair)) for pair in sorted(_PAIRS)},
        }

    def supports(self, source: str, target: str) -> bool:
        return (languages.base(source), languages.base(target)) in _PAIRS

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """One result per request, in order. Raises EngineRefused for another pair of languages."""
        if not self.supports(source, target):
            raise EngineRefused(
                f"firefox does not translate from {source} to {target}",
                hint="--set translation.engine=llama takes any pair of languages",
            )
        return self._translate(requests, source, target)

    def sentence(self, text: str, *, source: str, target: str) -> str:
        """Translate one text; what has no letters comes back as it is."""
        text = tidy(text)
        if not has_words(text):
            return text
        pair = (languages.base(source), languages.base(target))
        try:
            with self._lock:
                if self._models is None:
                    self._models = _Models(self.runtime)
                return self._models.translate(text, pair)
        except (ValueError, RuntimeError) as exc:
            raise EngineFailed(
                f"firefox could not translate {text[:60]!r}: {exc}",
                hint="run again; if it stays, --set translation.engine=llama",
            ) from exc

    def close(self) -> None:
        with self._lock:
            if self._models is not None:
                self._models.close()
                self._models = None

    def _translate(
        self, requests: Sequence[TranslationRequest], source: str, target: str
    ) -> Iterator[TranslationResult]:
        for request in requests:
            self.runtime.cancel.check()
            text = self.sentence(request.text, source=source, target=target)
            problems = find_problems(tidy(request.text), text, source=source, target=target)
            yield TranslationResult(id=request.id, text=text, problems=problems)


class _Models:
    """The loaded models, on the one thread that may touch them (fxtranslate insists on it)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._loaded: dict[tuple[str, str], Any] = {}
        self._thread = OneThread()
        # Runs before the thread ends: finalizers run in reverse order.
        self._free = weakref.finalize(self, self._thread.call, self._loaded.clear)

    def translate(self, text: str, pair: tuple[str, str]) -> str:
        if pair not in self._loaded:
            folder = assets.ensure(self._runtime, _asset(*pair))
            self._thread.call(_load, self._loaded, pair, folder)
        return self._thread.call(_translate_long, self._loaded, pair, text)

    def close(self) -> None:
        self._free()
        self._thread.close()


def _load(loaded: dict[tuple[str, str], Any], pair: tuple[str, str], folder: Path) -> None:
    vocabulary = (folder / "vocab.spm").read_bytes()
    try:
        loaded[pair] = _import_runtime()(
            (folder / "model.bin").read_bytes(),
            vocabulary,
            vocabulary,
            shortlist=(folder / "lex.bin").read_bytes(),
        )
    except ValueError as exc:
        raise AssetDamaged(
            f"{folder} holds no usable translation model: {exc}",
            hint=f"delete it and run: onevoice models pull {_asset(*pair)}",
        ) from exc


def _translate_long(loaded: dict[tuple[str, str], Any], pair: tuple[str, str], text: str) -> str:
    return " ".join(loaded[pair].translate_long(piece) for piece in pieces(text, _LONGEST))


def _asset(source: str, target: str) -> str:
    return f"firefox-{source}-{target}"


def _import_runtime() -> Any:
    try:
        from fxtranslate import Translator
    except ImportError as exc:
        raise EngineUnavailable(
            "firefox needs the package fxtranslate", hint="pip install 'onevoice[embedded]'"
        ) from exc
    return Translator
