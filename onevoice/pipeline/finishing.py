"""What comes after the last stage: measuring a finished language, judging it, the joint file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onevoice.config import Settings
from onevoice.errors import OneVoiceError
from onevoice.pipeline import delivery
from onevoice.pipeline.preparing import Prepared
from onevoice.pipeline.qc import dubbed
from onevoice.pipeline.qc import judge as judging
from onevoice.pipeline.qc.model import Report
from onevoice.pipeline.report import report_dub
from onevoice.pipeline.results import Deliverable, DubFailure, DubOutcome, DubResult
from onevoice.pipeline.runner import Scope


def measure(prepared: Prepared, scope: Scope, language: str, wanted: delivery.Targets) -> Report:
    """The report of the finished dub; the project then knows what later looks at it need."""
    job, project, together = prepared.job, prepared.project, prepared.together()
    made = dubbed.Made(
        original=str(job.source),
        output=str(wanted.main or together.all[0]),
        track=job.settings.source.audio_track,
        profile=job.settings.profile,
        retime=job.settings.output.retime,
        warnings=tuple(scope.warnings),
    )
    dubbed.note(project, language, made)
    # The file with all languages is made when the last of them is done.
    heard = None if wanted.main else delivery.sound_of(job, scope, together)
    return report_dub(job, project, language, output=heard)


def judge(result: DubResult, settings: Settings) -> None:
    """The quality gate: the dub stays, and the run says that it is not good enough."""
    programme = result.report.programme if result.report is not None else {}
    path = result.project / f"report.{result.language}.json"
    judging.gate(programme, result.warnings, settings.quality.fail_on, path)


def deliver_together(
    prepared: Prepared, scope: Scope, results: Sequence[DubResult], failures: Sequence[DubFailure]
) -> DubOutcome:
    """The outcome, with the file that holds every language where one is wanted."""
    job, made = prepared.job, prepared.together()
    done = [r.language for r in results if r.report]
    outputs: tuple[Deliverable, ...] = ()
    if done:
        try:
            outputs = delivery.deliver_together(job, prepared.project, scope, made, done)
        except OneVoiceError as exc:
            failures = [*failures, DubFailure(input=job.source, language=None, error=exc)]
    if outputs:
        main = outputs[0].path
        results = [replace(r, output=r.output or main) if r.report else r for r in results]
    return DubOutcome(results=tuple(results), failures=tuple(failures), outputs=outputs)
