"""Every sentence in the target language."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from onevoice import languages
from onevoice.config import Settings
from onevoice.engines.base import Reviewer, TranslationRequest, TranslationResult
from onevoice.engines.translation.checks import breaks_glossary
from onevoice.glossary import Glossary
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.pipeline.texts import translate_all
from onevoice.types import Segment, Summary, Transcript, load_json

_SHORTEST_BUDGET = 8
"""Characters: nothing can be said in fewer, or in those of a second where each says more."""


def choose(pool: EnginePool, source: str, target: str | None) -> tuple[Chosen, ...]:
    """The first translator of the chain that knows the pair of languages."""

    def fits(engine: Any) -> str | None:
        if engine.supports(source, target or ""):
            return None
        return f"it does not translate {languages.name(source)} to {languages.name(target or '')}"

    name, engine = pool.choose("translation", fits)
    return (Chosen("translation", name, engine),)


def _run(ctx: StageContext) -> None:
    transcript = load_json(Transcript, ctx.read("transcript"))
    summary = load_json(Summary, ctx.read("summary"))
    memory = json.loads(ctx.read("memory"))
    engine = ctx.engine("translation")
    exact: dict[str, str] = memory["exact"]
    wanted = [s for s in transcript.segments if not s.keep and s.text.strip()]
    terms = _terms(ctx, wanted)
    known = {
        s.id: exact[s.id]
        for s in wanted
        # The glossary of today comes before what was accepted some films ago.
        if s.id in exact and not breaks_glossary(exact[s.id], terms[s.id])
    }
    examples = {s.id: [(s.text, exact[s.id])] for s in wanted if s.id in exact}
    asked = _requests(ctx, wanted, terms, {**memory["similar"], **examples})
    requests = [r for r in asked if r.id not in known]
    reflect = ctx.settings.translation.quality == "reflect"
    results = translate_all(
        ctx,
        engine,
        requests,
        verb="translate",
        summary=summary,
        done=lambda n: ctx.report(n, len(requests) * (1 + reflect)),
    )
    if reflect:
        results = _reviewed(ctx, engine, requests, results, summary)
    for result in results:
        if not result.text.strip():
            ctx.warn("line_missing", "there is no translation: the original stays", result.id)
        elif result.problems:
            ctx.warn(
                "translation_doubtful",
                f"the translation may be wrong: {', '.join(result.problems)}",
                result.id,
            )
    info = engine.info
    if info.quality == "draft" and results:
        ctx.warn("translation_draft", f"translated by {info.name}, a draft: {info.advice}")
    ctx.facts["remembered"] = len(known)
    texts = {**known, **{result.id: result.text for result in results}}
    ctx.output("texts").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")


_Pairs = Sequence[tuple[str, str]]


def _terms(ctx: StageContext, wanted: Sequence[Segment]) -> dict[str, _Pairs]:
    """By segment: the terms of the glossary in it, and what they must become."""
    glossary = Glossary.load(ctx.read("glossary"))
    source, target = ctx.source_language, ctx.language or ""
    return {segment.id: glossary.terms_in(segment.text, source, target) for segment in wanted}


def _requests(
    ctx: StageContext,
    wanted: Sequence[Segment],
    terms: Mapping[str, _Pairs],
    similar: Mapping[str, _Pairs],
) -> list[TranslationRequest]:
    """One request a segment. All of it is in the cache key: engines get what they read."""
    engine = ctx.engine("translation")
    rate = json.loads(ctx.read("pace"))["rate"] * ctx.settings.timing.preferred_rate
    context = bool(getattr(engine, "uses_context", False))
    times = bool(getattr(engine, "uses_times", False))
    shortest = min(_SHORTEST_BUDGET, math.ceil(rate))
    requests = []
    for i, segment in enumerate(wanted):
        request = TranslationRequest(
            id=segment.id, text=segment.text, terms=tuple(terms[segment.id])
        )
        if context:
            request = replace(
                request,
                before=wanted[i - 1].text if i else "",
                after=wanted[i + 1].text if i + 1 < len(wanted) else "",
                speaker=segment.speaker,
                budget=max(shortest, int((segment.end - segment.start) * rate)),
                examples=tuple((s, t) for s, t in similar.get(segment.id, ())),
            )
        if times:
            request = replace(request, start=segment.start, end=segment.end)
        requests.append(request)
    return requests


def _reviewed(
    ctx: StageContext,
    engine: Any,
    requests: Sequence[TranslationRequest],
    results: Sequence[TranslationResult],
    summary: Summary,
) -> list[TranslationResult]:
    """A second pass, where the engine can: every line criticised and written again."""
    if not isinstance(engine, Reviewer) or not getattr(engine, "uses_context", False):
        ctx.warn(
            "translation_not_reviewed",
            f"translation.quality is reflect, and {engine.info.name} cannot review translations",
        )
        return list(results)
    drafts = [
        replace(request, previous=result.text)
        for request, result in zip(requests, results, strict=True)
    ]
    return translate_all(
        ctx,
        engine,
        drafts,
        verb="review",
        summary=summary,
        done=lambda n: ctx.report(len(drafts) + n, 2 * len(drafts)),
    )


def _params(settings: Settings) -> dict[str, object]:
    return {
        "context": settings.summary.use_as_context,
        "quality": settings.translation.quality,
        "preferred_rate": settings.timing.preferred_rate,
    }


STAGE = Stage(
    name="translate",
    version=1,
    inputs=("transcript", "summary", "glossary", "pace", "memory"),
    outputs=("texts",),
    params=_params,
    choose=choose,
    run=_run,
    per_language=True,
)
