"""Every sentence in the target language."""

from __future__ import annotations

import json
from typing import Any

from onevoice import languages
from onevoice.engines.base import TranslationRequest
from onevoice.pipeline.engines import EnginePool
from onevoice.pipeline.stage import Chosen, Stage, StageContext
from onevoice.pipeline.texts import translate_all
from onevoice.types import Summary, Transcript, load_json


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
    engine = ctx.engine("translation")
    wanted = [s for s in transcript.segments if not s.keep and s.text.strip()]
    # Neighbours are part of the cache key; only engines that read them get them.
    neighbours = bool(getattr(engine, "uses_context", False))
    requests = [
        TranslationRequest(
            id=segment.id,
            text=segment.text,
            before=wanted[i - 1].text if neighbours and i else "",
            after=wanted[i + 1].text if neighbours and i + 1 < len(wanted) else "",
        )
        for i, segment in enumerate(wanted)
    ]
    results = translate_all(
        ctx,
        engine,
        requests,
        verb="translate",
        summary=summary,
        done=lambda n: ctx.report(n, len(requests)),
    )
    for result in results:
        if result.problems:
            ctx.warn(
                "translation_doubtful",
                f"the translation may be wrong: {', '.join(result.problems)}",
                result.id,
            )
    info = engine.info
    if info.quality == "draft" and results:
        ctx.warn("translation_draft", f"translated by {info.name}, a draft: {info.advice}")
    texts = {result.id: result.text for result in results}
    ctx.output("texts").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")


STAGE = Stage(
    name="translate",
    version=1,
    inputs=("transcript", "summary"),
    outputs=("texts",),
    params=lambda settings: {"context": settings.summary.use_as_context},
    choose=choose,
    run=_run,
    per_language=True,
)
