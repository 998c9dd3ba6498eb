"""Any pair of languages through a language model in process, its answers checked and retried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

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
from onevoice.engines.translation import prompts, window_prompts
from onevoice.engines.translation.candidates import Candidate, Search
from onevoice.engines.translation.checks import badness, breaks_glossary
from onevoice.engines.translation.firefox import Firefox, carried_identity
from onevoice.engines.translation.model import (
    CONTEXT_TOKENS,
    LocalModel,
    check_file,
    fingerprint,
    import_runtime,
)
from onevoice.engines.translation.shortening import shorter
from onevoice.engines.translation.summary import read_film, read_transcript
from onevoice.engines.translation.window_cutting import Cut
from onevoice.engines.translation.windows import Reply, Task, Windows
from onevoice.engines.translation.wording import has_words, pieces, tidy
from onevoice.errors import AssetMissing, EngineRefused, EngineUnavailable
from onevoice.types import Segment, Summary

ASSET = "qwen2.5-coder-1.5b"
_HINTED = frozenset({"es"})
"""Targets for which the Portuguese translation beside the English helps (measured)."""
_LONGEST = 400
"""Characters a small model translates in one go without leaving out half of them."""

_WINDOW = Cut(lines=8, characters=900, overlap=2, context=200)
_WINDOW_CONTEXT = 6144
"""Tokens: rules, a window of the longest lines with all around it, and as much again to answer."""
_PART = 2_500
"""Characters of transcript read at once for the summary."""
_CHANCE = 0.6


class LlamaParams(Params):
    model: str = ""
    """Path of a GGUF instruction model; empty takes the carried one."""
    portuguese_hint: bool = True
    """Show the model Firefox's Portuguese when it translates English into Spanish."""
    pivot: bool = True
    """Go through English where Firefox helps on one half of the way: pt-any, any-pt, any-es."""
    quality: Literal["draft", "best"] = "draft"
    """best: five candidates a sentence, the one whose back-translation is closest (slow)."""
    retries: int = Field(default=3, ge=0, le=10)
    """Further attempts at a sentence whose answer fails a check."""
    method: Literal["auto", "sentence", "window"] = "auto"
    """sentence: one by one, what the carried model can do. window: several lines with their
    neighbours, for larger models. auto: window for a model given by its path."""


class Llama(EngineBase):
    """Translator and language model over one GGUF file."""

    info: ClassVar[EngineInfo] = EngineInfo(
        kind="translation",
        name="llama",
        summary="Qwen2.5-Coder-1.5B in process, or any GGUF instruction model; any languages",
        licence="MIT; carried weights Apache-2.0",
        extra="embedded",
        quality="draft",
        advice=(
            "the carried 1.5B model makes drafts: review the lines, or name a larger model with "
            "--set translation.llama.model=PATH.gguf"
        ),
    )
    Params: ClassVar[type[Params]] = LlamaParams
    params: LlamaParams

    def __init__(self, params: Any, runtime: Runtime) -> None:
        super().__init__(params, runtime)
        self._model: LocalModel | None = None
        self._firefox = Firefox(Firefox.Params(), runtime)
        self._firefox_there: bool | None = None

    @classmethod
    def check(cls, runtime: Runtime) -> None:
        import_runtime()
        assets.check(ASSET, runtime)

    def ready(self) -> None:
        """Raise EngineUnavailable unless the program is there, and AssetMissing for the model."""
        import_runtime()
        if self.params.model:
            path, mend = self._file()
            check_file(path, mend=mend)
        else:
            assets.check(ASSET, self.runtime)

    def identity(self) -> dict[str, Any]:
        from importlib.metadata import version

        path = self.params.model
        aided = (self.params.portuguese_hint or self.params.pivot) and not self.uses_context
        hinted = aided and self._has_firefox()
        found = {
            "engine": self.info.name,
            "xllamacpp": version("xllamacpp"),
            "model": fingerprint(Path(path).expanduser()) if path else assets.digest(ASSET),
            "prompts": prompts.VERSION,
            "params": self.params.model_dump(mode="json", exclude={"model", "method"}),
            "firefox": carried_identity() if hinted else None,
        }
        return {**found, "windows": window_prompts.VERSION} if self.uses_context else found

    @property
    def uses_context(self) -> bool:
        """In windows it reads what surrounds a line; a sentence by itself needs none."""
        if self.params.method == "auto":
            return bool(self.params.model)
        return self.params.method == "window"

    def supports(self, source: str, target: str) -> bool:
        return not languages.same(source, target)

    def translate(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """One result per request, in order, each yielded when it is known."""
        self._refuse_same(source, target)
        if self.uses_context:
            return self._windows("translate", requests, source, target, summary)
        return self._translate(requests, source, target, summary.synopsis)

    def shorten(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """Say ``previous`` within ``budget`` characters; the best answer, even if too long."""
        self._refuse_same(source, target)
        if self.uses_context:
            return self._windows("shorten", requests, source, target, summary)
        return self._shorten(requests, source, target)

    def review(
        self,
        requests: Sequence[TranslationRequest],
        *,
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        """Criticise ``previous`` and write it again, in windows.

        The carried model finds fault with good lines and none with bad ones: sentence by
        sentence everything stays as it is.
        """
        self._refuse_same(source, target)
        if self.uses_context:
            return self._windows("review", requests, source, target, summary)
        return (TranslationResult(id=r.id, text=tidy(r.previous)) for r in requests)

    def _shorten(
        self, requests: Sequence[TranslationRequest], source: str, target: str
    ) -> Iterator[TranslationResult]:
        for request in requests:
            self.runtime.cancel.check()
            text = tidy(request.text)
            previous = tidy(request.previous) or self._one(text, source, target, "").text
            if request.budget is None or len(previous) <= request.budget:
                yield TranslationResult(id=request.id, text=previous)
                continue
            best = shorter(
                self._loaded(),
                text,
                previous,
                source=source,
                target=target,
                budget=request.budget,
                attempts=1 + self.params.retries,
                cancel=self.runtime.cancel,
            )
            yield TranslationResult(id=request.id, text=best.text, problems=best.problems)

    def summarize(self, segments: Sequence[Segment], *, language: str) -> Summary:
        """What the film is about; an empty Summary where the model makes no sense of it."""
        if self.uses_context:
            chat = _LocalChat(self._loaded())
            return read_film(
                chat, segments, language=language, runtime=self.runtime, at_once=1, part=_PART
            )
        texts = [tidy(segment.text) for segment in segments if has_words(segment.text)]
        return read_transcript(self._loaded(), texts, language=language, cancel=self.runtime.cancel)

    def close(self) -> None:
        if self._model is not None:
            self._model.close()
            self._model = None
        self._firefox.close()

    def _windows(
        self,
        verb: window_prompts.Verb,
        requests: Sequence[TranslationRequest],
        source: str,
        target: str,
        summary: Summary,
    ) -> Iterator[TranslationResult]:
        how = replace(_WINDOW, attempts=1 + min(self.params.retries, 3))
        windows = Windows(_LocalChat(self._loaded()), how, runtime=self.runtime, at_once=1)
        task = Task(verb=verb, source=source, target=target, summary=summary)
        yield from windows.run(task, requests)

    def _translate(
        self, requests: Sequence[TranslationRequest], source: str, target: str, synopsis: str
    ) -> Iterator[TranslationResult]:
        for request in requests:
            self.runtime.cancel.check()
            parts = [
                self._one(piece, source, target, synopsis)
                for piece in pieces(tidy(request.text), _LONGEST)
            ]
            text = " ".join(part.text for part in parts)
            problems = dict.fromkeys(name for part in parts for name in part.problems)
            if text and breaks_glossary(text, request.terms):
                # A sentence by itself cannot be told a glossary: what it misses is reported.
                problems["glossary"] = None
            yield TranslationResult(
                id=request.id,
                text=text,
                problems=tuple(sorted(problems, key=lambda name: -badness([name]))),
            )

    def _one(self, text: str, source: str, target: str, synopsis: str) -> Candidate:
        """Best answer for one piece of text, along the best way there is."""
        if not has_words(text):
            return Candidate(text)
        start, end = languages.base(source), languages.base(target)
        if not self.params.pivot or "en" in (start, end) or not self._has_firefox():
            return self._search(text, source, target, synopsis)
        if start == "pt":
            text = self._firefox.sentence(text, source="pt", target="en")
            return self._search(text, "en", target, synopsis)
        if end == "pt":
            english = self._search(text, source, "en", synopsis)
            portuguese = self._firefox.sentence(english.text, source="en", target="pt")
            return Candidate(portuguese, english.problems)
        if end in _HINTED and self.params.portuguese_hint:
            english = self._search(text, source, "en", synopsis)
            return self._search(english.text, "en", target, synopsis)
        return self._search(text, source, target, synopsis)

    def _search(self, text: str, source: str, target: str, synopsis: str) -> Candidate:
        hint = ""
        if (
            self.params.portuguese_hint
            and languages.base(source) == "en"
            and languages.base(target) in _HINTED
            and self._has_firefox()
        ):
            hint = self._firefox.sentence(text, source="en", target="pt")
        search = Search(
            self._loaded(),
            source=source,
            target=target,
            synopsis=synopsis,
            cancel=self.runtime.cancel,
        )
        if self.params.quality == "best":
            return search.best(text, hint=hint)
        return search.first_clean(text, hint=hint, retries=self.params.retries)

    def _loaded(self) -> LocalModel:
        if self._model is None:
            path, mend = self._file()
            check_file(path, mend=mend)
            context = _WINDOW_CONTEXT if self.uses_context else CONTEXT_TOKENS
            self._model = LocalModel(path, self.runtime, mend=mend, context=context)
        return self._model

    def _file(self) -> tuple[Path, str]:
        """The GGUF file, and what mends it when it is not there or damaged."""
        given = self.params.model
        if given:
            return Path(given).expanduser(), f"check --set translation.llama.model={given}"
        folder = assets.ensure(self.runtime, ASSET)
        return folder / "model.gguf", f"onevoice models verify {ASSET}"

    def _has_firefox(self) -> bool:
        if self._firefox_there is None:
            try:
                Firefox.check(self.runtime)
                self._firefox_there = True
            except (EngineUnavailable, AssetMissing):
                self._firefox_there = False
        return self._firefox_there

    def _refuse_same(self, source: str, target: str) -> None:
        if not self.supports(source, target):
            raise EngineRefused(
                f"{source} and {target} are one language", hint="choose another target language"
            )


class _LocalChat:
    """The model as windows see it: answers forced into the schema, other words at a retry."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model

    def ask(
        self,
        messages: list[dict[str, str]],
        *,
        schema: dict[str, Any],
        longest: int,
        attempt: int,
        what: str,
    ) -> Reply:
        answer = self._model.complete(
            messages,
            # A Hangul syllable takes up to two tokens, a Latin letter a third of one.
            max_tokens=longest,
            temperature=_CHANCE if attempt > 1 else 0.0,
            seed=attempt - 1,
            schema=schema,
        )
        return Reply(text=answer.text)
