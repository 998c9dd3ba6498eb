"""What a run would do, and why, without doing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onevoice import languages
from onevoice.errors import ConsentMissing, EngineError
from onevoice.pipeline import delivery
from onevoice.pipeline.analysis import (
    ANALYSIS,
    NO_SIGHT,
    NO_SUMMARY,
    looks,
    needs_summary,
    reads_summary,
    with_marks,
)
from onevoice.pipeline.costs import characters, stage_cost
from onevoice.pipeline.lines import preview_lines, wants_clones
from onevoice.pipeline.preparing import Prepared, prepare
from onevoice.pipeline.results import DubRequest, Plan, PlannedStage
from onevoice.pipeline.retiming import on_new_clock
from onevoice.pipeline.runner import Scope, resolve, source_artifact, stand_ins
from onevoice.pipeline.stage import Stage
from onevoice.pipeline.stages import (
    fit,
    look,
    mix,
    reference,
    retime,
    summarize,
    synthesize,
    translate,
)
from onevoice.pipeline.store import ArtifactStore
from onevoice.pipeline.words import put_context, put_words
from onevoice.types import Summary, Transcript, dump_json, load_json

SECONDS_PER_SECOND = {
    "extract": 0.01,
    "separate": 0.1,
    "transcribe": 0.1,
    "diarize": 0.03,
    "segment": 0.0,
    "look": 0.03,
    "summarize": 0.3,
    "retime": 0.02,
    "translate": 0.4,
    "synthesize": 0.2,
    "fit": 0.02,
    "mix": 0.02,
    "mux": 0.03,
    "multitrack": 0.005,
}
"""Work per second of video with the embedded profile on two cores (benchmarks/pipeline.py)."""


def plan(request: DubRequest, *, store: ArtifactStore | None = None) -> Plan:
    """Look every stage up as a run would; nothing is computed, nothing is written.

    A stage after one that has to run is expected to run too: its inputs are not known yet.
    """
    prepared = prepare(request, store=store)
    try:
        prepared.project.load()
        return _Planner(prepared).plan()
    finally:
        prepared.job.pool.close()


class _Planner:
    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.rows: list[PlannedStage] = []
        self.text = 0.0
        self.warnings: list[str] = []

    def plan(self) -> Plan:
        job, project = self.prepared.job, self.prepared.project
        given = job.settings.source.language
        scope = Scope(source_language="und" if given == "auto" else given)
        scope.artifacts["source"] = source_artifact(project, job.source, remember=False)
        put_words(job, scope)
        blocker = ""
        for stage in ANALYSIS:
            blocker = self._look_up(stage, scope, blocker)
        scope.artifacts["sight"] = job.store.add(NO_SIGHT)
        if looks(self.prepared):
            unseen = self._look_up(look.STAGE, scope, "")
            if not unseen:
                scope.artifacts["sight"] = scope.artifacts["look.sight"]
            blocker = blocker or unseen
        transcript = None
        if not blocker:
            data = job.store.path(scope.artifacts["segment.transcript"]).read_bytes()
            made = with_marks(job, scope, load_json(Transcript, data))
            transcript = project.preview_transcript(made)
            scope.source_language = transcript.language
            scope.artifacts["transcript"] = job.store.add(dump_json(transcript))
        self.text = characters(transcript, job.seconds)
        scope.artifacts["summary"] = job.store.add(NO_SUMMARY)
        if needs_summary(self.prepared, scope.source_language):
            unread = self._look_up(summarize.STAGE, scope, blocker)
            if not unread:
                data = job.store.path(scope.artifacts["summarize.summary"]).read_bytes()
                summary = project.summary.preview(load_json(Summary, data))
                scope.artifacts["summary"] = job.store.add(dump_json(summary))
            elif job.settings.summary.use_as_context:
                blocker = unread
        if job.settings.output.retime != 1.0:
            blocker = self._look_up(retime.STAGE, scope, blocker)
            if transcript and not blocker:
                self.prepared, transcript = on_new_clock(self.prepared, scope, transcript)
        waits = ""
        for language in self.prepared.languages:
            if transcript is None or not languages.same(language, transcript.language):
                child = scope.child(language)
                waits = self._language(child, transcript, language, blocker) or waits
        self._together(scope, waits)
        duration = self.prepared.info.duration
        return Plan(
            input=job.source,
            duration=round(duration, 3),
            speech_seconds=round(sum(s.end - s.start for s in transcript.segments if s.text), 3)
            if transcript
            else None,
            stages=tuple(self.rows),
            expected_seconds=round(sum(row.expected_seconds or 0.0 for row in self.rows), 1),
            expected_usd=None
            if any(row.expected_usd is None for row in self.rows)
            else round(sum(row.expected_usd or 0.0 for row in self.rows), 4),
            warnings=tuple(self.warnings),
        )

    def _language(
        self, scope: Scope, transcript: Transcript | None, language: str, blocker: str
    ) -> str:
        """Add the rows of a language; returns what the file with all languages waits for."""
        prepared, job = self.prepared, self.prepared.job
        brought = prepared.request.lines.get(language)
        if transcript and not reads_summary(prepared.job, transcript.language, language):
            scope.artifacts["summary"] = prepared.job.store.add(NO_SUMMARY)
        if brought is None:
            if transcript is not None:
                put_context(job, prepared.project, scope, transcript)
            blocker = self._look_up(translate.STAGE, scope, blocker)
        rest = [synthesize.STAGE, fit.STAGE, mix.stage(job.settings)]
        if not blocker and transcript is not None:
            try:
                blocker = self._lines(scope, transcript, brought)
            except (EngineError, ConsentMissing) as exc:
                blocker = rest.pop(0).name
                self._row(blocker, language, False, f"cannot run: {exc.message}", None)
        for stage in rest:
            blocker = self._look_up(stage, scope, blocker)
        cached = False
        why = f"{blocker} runs" if blocker else ""
        if not blocker:
            wanted = prepared.targets(language)
            parts = delivery.key_parts(prepared.job, scope, wanted)
            cached = delivery.is_delivered(prepared.project, parts, wanted)
            missing = [path.name for path in wanted.all if not path.exists()]
            if not cached:
                why = (
                    f"{missing[0]} is not there"
                    if missing
                    else self._why(delivery.NAME, language, parts)
                )
        self._row(delivery.NAME, language, cached, why)
        return f"{blocker} ({language}) runs" if blocker else ""

    def _together(self, scope: Scope, waits: str) -> None:
        """The row of the file with all languages, where one is wanted."""
        job, project, wanted = self.prepared.job, self.prepared.project, self.prepared.together()
        if not wanted.files:
            return
        parts = delivery.together_parts(job, project, scope, wanted, self.prepared.languages)
        cached = not waits and delivery.is_current(project, parts, wanted.all)
        missing = not wanted.all[0].exists()
        why = waits or (f"{wanted.all[0].name} is not there" if missing else "")
        if not cached and not why:
            why = self._why(delivery.TOGETHER, None, parts)
        self._row(delivery.TOGETHER, None, cached, why)

    def _look_up(self, stage: Stage, scope: Scope, blocker: str) -> str:
        """Add a row; returns the name of the first stage that has to run so far, or ''."""
        language = scope.language
        usd = stage_cost(stage, self.prepared, scope, self.text)
        self._note_stand_ins(stage, scope)
        if blocker:
            self._row(stage.name, language, False, f"{blocker} runs", usd)
            return blocker
        try:
            step = resolve(stage, self.prepared.job, scope)
        except EngineError as exc:
            self._row(stage.name, language, False, f"cannot run: {exc.message}", usd)
            return stage.name
        if step.entry is None:
            why = self._why(stage.name, language, step.parts)
            self._row(stage.name, language, False, why, usd)
            return stage.name
        for name, artifact in step.entry.outputs.items():
            scope.artifacts[f"{stage.name}.{name}"] = artifact
        self._row(stage.name, language, True, "")
        return ""

    def _note_stand_ins(self, stage: Stage, scope: Scope) -> None:
        pool = self.prepared.job.pool
        try:
            engines = stage.choose(pool, scope.source_language, scope.language)
        except EngineError:
            return  # the row says what is missing, or a later plan will
        said = stand_ins(engines, pool, scope.language)
        self.warnings += [message for message in said if message not in self.warnings]

    def _lines(self, scope: Scope, transcript: Transcript, brought: Path | None) -> str:
        """The lines, and the references of cloned voices; what blocks the stages after them.

        Raises EngineError and ConsentMissing as a run would.
        """
        job, project = self.prepared.job, self.prepared.project
        sheet = preview_lines(job, project, scope, transcript, brought=brought)
        if not wants_clones(job, project, scope, sheet):
            return ""
        blocker = self._look_up(reference.STAGE, scope, "")
        if not blocker:
            scope.artifacts["references"] = scope.artifacts["reference.references"]
        return blocker

    def _row(
        self,
        name: str,
        language: str | None,
        cached: bool,
        why: str,
        usd: float | None = 0.0,
    ) -> None:
        cost = SECONDS_PER_SECOND.get(name, 0.0) * self.prepared.info.duration
        expected = 0.0 if cached else round(cost, 1)
        self.rows.append(
            PlannedStage(
                name=name,
                language=language,
                cached=cached,
                why=why,
                expected_seconds=expected,
                expected_usd=0.0 if cached else usd,
            )
        )

    def _why(self, stage: str, language: str | None, parts: dict[str, Any]) -> str:
        before = self.prepared.project.recall("keys", f"{language or ''}/{stage}")
        return why_rerun(before, parts)


def why_rerun(before: dict[str, Any] | None, now: dict[str, Any]) -> str:
    """Name the first difference between what a key was made of and what it is made of now."""
    if before is None:
        return "it has not run yet"
    difference = _difference(before, now, "")
    return f"{difference} changed" if difference else "its result is no longer in the cache"


def _difference(before: Any, now: Any, path: str) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*now, *(k for k in before if k not in now)]:
            found = _difference(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))
            if found:
                return found
        return ""
    return "" if before == now else path
