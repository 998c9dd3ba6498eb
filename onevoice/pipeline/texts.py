"""Translated texts, cached one by one, so that a stopped run loses none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from onevoice import languages
from onevoice.engines.base import TranslationRequest, TranslationResult
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.pipeline.stage import SCHEMA, StageContext
from onevoice.types import Summary, dump_json, load_json

_VERSION = 2


def translate_all(
    ctx: StageContext,
    engine: Any,
    requests: Sequence[TranslationRequest],
    *,
    verb: Literal["translate", "shorten", "review"],
    summary: Summary,
    done: Callable[[int], None] = lambda n: None,
) -> list[TranslationResult]:
    """Translate (or shorten, or review) each request, from the cache where it is there."""
    source, target = ctx.source_language, ctx.language or ""
    identity = engine.identity()
    context = summary if ctx.settings.summary.use_as_context else Summary()
    results: dict[int, TranslationResult] = {}
    waiting: list[tuple[int, str]] = []
    for index, request in enumerate(requests):
        key = _key(identity, verb, request, source, target, context)
        entry = ctx.store.get(key)
        if entry is None:
            waiting.append((index, key))
        else:
            data = ctx.store.path(entry.outputs["text"]).read_bytes()
            results[index] = replace(load_json(TranslationResult, data), id=request.id)
            ctx.book(key, request.id, results[index].usage)
    if waiting and getattr(engine, "uses_times", False):
        # Which text belongs where is decided among neighbours: all of them, or none.
        results = {}
        waiting = [
            (index, _key(identity, verb, request, source, target, context))
            for index, request in enumerate(requests)
        ]
    done(len(results))
    if waiting:
        asked = [requests[index] for index, _ in waiting]
        length = sum(len(request.text) for request in asked)
        ctx.afford(engine, length, f"the translation into {languages.name(target)}")
        with ctx.models(engine), ctx.store.scratch() as folder:
            answers: Iterator[TranslationResult] = getattr(engine, verb)(
                asked, source=source, target=target, summary=context
            )
            for (index, key), answer in zip(waiting, answers, strict=True):
                path = folder / "text.json"
                path.write_bytes(dump_json(answer))
                ctx.store.put(key, {"text": path}, meta={"stage": verb})
                results[index] = answer
                ctx.book(key, answer.id, answer.usage)
                ctx.facts["texts"] = ctx.facts.get("texts", 0) + 1
                done(len(results))
                ctx.cancel.check()
    return [results[index] for index in range(len(requests))]


def _key(
    identity: dict[str, Any],
    verb: str,
    request: TranslationRequest,
    source: str,
    target: str,
    summary: Summary,
) -> str:
    # What is not filled in is left out: a field added later must not make old keys differ.
    asked = {name: value for name, value in asdict(request).items() if name != "id" and value}
    return fingerprint(
        {
            "schema": SCHEMA,
            "item": verb,
            "version": _VERSION,
            "engine": identity,
            "request": asked,
            "languages": [source, target],
            "summary": asdict(summary),
        }
    )
