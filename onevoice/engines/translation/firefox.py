"""Firefox Translations: small, fast neural models, over English between any two languages."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from pydantic import Field

from onevoice.engines import assets
from onevoice.engines.assets import remote
from onevoice.engines.base import (
    EngineBase,
    EngineInfo,
    Params,
    Runtime,
    TranslationRequest,
    TranslationResult,
)
from onevoice.engines.translation.firefox_pairs import CARRIED, LANGUAGES, Pair, route
from onevoice.engines.translation.onethread import OneThread
from onevoice.engines.translation.window_answers import judge
from onevoice.engines.translation.wording import has_words, pieces, tidy
from onevoice.errors import (
    AssetDamaged,
    AssetMissing,
    EngineFailed,
    EngineRefused,
    EngineUnavailable,
)
from onevoice.types import Summary

_LONGEST = 2_000
_PATIENCE_S = 15.0
"""How long planning waits for the catalogue."""


class FirefoxParams(Params):
    """Settings under ``translation.firefox``."""

    download: bool = False
    """Download the models of other pairs than en-pt and pt-en on first use, 20 to 70 MB a leg."""
    base_url: str = ""
    """A Remote Settings server; empty is Mozilla's, which asks services to keep their own copy."""
    pins: dict[str, str] = Field(default_factory=dict)
    """Digest by pair (``en-ko``) as ``identity`` shows it: a model with another is not used."""


class Firefox(EngineBase):
    """Runs the weights of Mozilla's translation models by fxtranslate, in process."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="translation",
        name="firefox",
        summary="Firefox Translations models, very fast: English and Portuguese at once, "
        "the others (over English) where download is set",
        licence="MPL-2.0",
        languages=LANGUAGES,
        extra="embedded",
        limits="translation.firefox.download=true for pairs other than en-pt and pt-en; "
        "sees one sentence at a time; cannot be told terms, and reports those it missed",
    )
    Params: ClassVar[type[Params]] = FirefoxParams
    params: FirefoxParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._models: _Models | None = None
        self._catalogue = remote.Catalogue(self.params.base_url)
        self._silent = False
        self._lock = Lock()

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        _import_runtime()
        for source, target in sorted(CARRIED):
            assets.check(_asset(source, target), runtime)

    def identity(self) -> dict[str, Any]:
        found = carried_identity()
        noted = {model.name: model.digest for model in remote.all_noted(self.runtime, _asset(""))}
        return {**found, "models": found["models"] | noted}

    def supports(self, source: str, target: str) -> bool:
        """Whether the models of every leg are here, or may be downloaded.

        The first time a pair may be downloaded, the catalogue is asked, so that its digests are
        known (and part of the identity) before anything is translated. A catalogue that does not
        answer refuses nothing: :meth:`translate` says what is wrong.
        """
        legs = route(source, target)
        return bool(legs) and all(self._to_be_had(leg) for leg in legs)

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """One result per request, in order.

        Raises
        ------
        EngineRefused
            There is no model for the pair, or none that may be used.
        AssetMissing, AssetDamaged
            A model cannot be brought here, or is not the one that was noted or pinned.
        """
        if not self.supports(source, target):
            raise EngineRefused(
                f"firefox does not translate from {source} to {target}", hint=_mend(source, target)
            )
        return self._translate(requests, source, target)

    def sentence(self, text: str, *, source: str, target: str) -> str:
        """Translate one text; what has no letters comes back as it is."""
        text = tidy(text)
        if not has_words(text):
            return text
        try:
            with self._lock:
                if self._models is None:
                    self._models = _Models()
                for leg in route(source, target):
                    text = self._models.translate(text, leg, self._folder)
                return text
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
            problems = judge(
                tidy(request.text), text, source=source, target=target, terms=request.terms
            )
            yield TranslationResult(id=request.id, text=text, problems=problems)

    def _to_be_had(self, pair: Pair) -> bool:
        if pair in CARRIED:
            return True
        model = _known(self.runtime, pair)
        if model is not None and remote.is_here(self.runtime, model):
            return True
        if not self.params.download or self.runtime.offline:
            return False
        if model is not None or self._silent:
            return True
        hasty = replace(self.runtime, attempts=1, timeout=min(self.runtime.timeout, _PATIENCE_S))
        try:
            return self._catalogue.find(hasty, _asset(*pair), *pair) is not None
        except AssetMissing:
            self._silent = True
            return True

    def _folder(self, pair: Pair) -> Path:
        """Where a pair's verified model lies; brings it there first."""
        name = _asset(*pair)
        if pair in CARRIED:
            return assets.ensure(self.runtime, name)
        model = _known(self.runtime, pair) or self._catalogue.find(self.runtime, name, *pair)
        if model is None:
            raise EngineRefused(
                f"there is no model from {pair[0]} to {pair[1]} in the catalogue",
                hint=_mend(*pair),
            )
        pinned = self.params.pins.get("-".join(pair), model.digest)
        if pinned != model.digest:
            raise AssetDamaged(
                f"the model {name} has the digest {model.digest}, {pinned} is pinned",
                hint="correct translation.firefox.pins, or remove the model from "
                f"{self.runtime.models_dir}",
            )
        return remote.ensure(self.runtime, model)


class _Models:
    """The loaded models, on the one thread that may touch them (fxtranslate insists on it)."""

    def __init__(self) -> None:
        self._loaded: dict[Pair, Any] = {}
        self._thread = OneThread()
        # Runs before the thread ends: finalizers run in reverse order.
        self._free = weakref.finalize(self, self._thread.call, self._loaded.clear)

    def translate(self, text: str, pair: Pair, folder_of: Callable[[Pair], Path]) -> str:
        if pair not in self._loaded:
            self._thread.call(_load, self._loaded, pair, folder_of(pair))
        return self._thread.call(_translate_long, self._loaded, pair, text)

    def close(self) -> None:
        self._free()
        self._thread.close()


def carried_identity() -> dict[str, Any]:
    """The identity for English and Portuguese alone, whatever else was downloaded.

    No setting is in it: what is downloaded, and from where, shows in the digests.
    """
    from importlib.metadata import version

    return {
        "engine": Firefox.info.name,
        "params": {},
        "fxtranslate": version("fxtranslate"),
        "models": {_asset(*pair): assets.digest(_asset(*pair)) for pair in sorted(CARRIED)},
    }


def _known(runtime: Runtime, pair: Pair) -> remote.RemoteModel | None:
    """What was noted of a pair's model, or what the user put beside the cache."""
    name = _asset(*pair)
    return remote.noted(runtime, name) or remote.adopt(runtime, name, *pair)


def _load(loaded: dict[Pair, Any], pair: Pair, folder: Path) -> None:
    whole = folder / "vocab.spm"
    source, target = (
        (whole, whole) if whole.exists() else (folder / "source.spm", folder / "target.spm")
    )
    try:
        loaded[pair] = _import_runtime()(
            (folder / "model.bin").read_bytes(),
            source.read_bytes(),
            target.read_bytes(),
            shortlist=(folder / "lex.bin").read_bytes(),
        )
    except ValueError as exc:
        raise AssetDamaged(
            f"{folder} holds no usable translation model: {exc}",
            hint=f"delete {folder}, and run again",
        ) from exc


def _translate_long(loaded: dict[Pair, Any], pair: Pair, text: str) -> str:
    return " ".join(loaded[pair].translate_long(piece) for piece in pieces(text, _LONGEST))


def _asset(*pair: str) -> str:
    return "-".join(("firefox", *pair))


def _mend(source: str, target: str) -> str:
    llama = "--set translation.engine=llama takes any pair of languages"
    if not route(source, target):
        return llama
    return f"--set translation.firefox.download=true fetches the models; or {llama}"


def _import_runtime() -> Any:
    try:
        from fxtranslate import Translator
    except ImportError as exc:
        raise EngineUnavailable(
            "firefox needs the package fxtranslate", hint="pip install 'onevoice[embedded]'"
        ) from exc
    return Translator
