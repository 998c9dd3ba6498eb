"""How far a dub is, from what its stages tell."""

from __future__ import annotations

from onevoice.pipeline.planning import SECONDS_PER_SECOND
from onevoice.server.jobs.orders import (
    AnalysisFinished,
    StageFinished,
    StageProgress,
    StageStarted,
)
from onevoice.server.jobs.progress import STEP, Progress

STAGES = list(SECONDS_PER_SECOND)


def finished(stage: str, language: str | None = None) -> StageFinished:
    return StageFinished(stage=stage, language=language, cached=False, seconds=1.0)


def test_it_only_grows_and_stays_below_one() -> None:
    progress = Progress(["es"])
    shares = []
    for stage in STAGES:
        language = None if STAGES.index(stage) < STAGES.index("translate") else "es"
        progress.take(StageStarted(stage=stage, language=language))
        for done in (1, 5, 10, 3):  # late news are no step back
            progress.take(StageProgress(stage=stage, language=language, done=done, total=10))
            shares += [share for _, share in progress.news().values()]
        progress.take(finished(stage, language))
        shares += [share for _, share in progress.news().values()]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] < 1


def test_the_analysis_counts_for_all_and_the_rest_for_one() -> None:
    progress = Progress(["es", "ko"])
    progress.take(finished("transcribe"))
    assert progress.news().keys() == {"es", "ko"}
    progress.take(finished("synthesize", "ko"))
    ((language, (stage, share)),) = progress.news().items()
    assert (language, stage) == ("ko", "synthesize") and share > 0.5
    assert progress.news() == {}, "nothing new"


def test_small_steps_are_not_told() -> None:
    progress = Progress(["es"])
    progress.take(StageStarted(stage="translate", language="es"))
    progress.news()
    told = 0
    for done in range(1000):
        progress.take(StageProgress(stage="translate", language="es", done=done, total=1000))
        told += bool(progress.news())
    assert 5 < told <= 1 / STEP


def test_what_it_does_not_know_is_left_out() -> None:
    progress = Progress(["es"])
    progress.take(AnalysisFinished())
    progress.take(StageStarted(stage="juggle", language="es"))
    progress.take(StageStarted(stage="translate", language="fr"))
    progress.take(StageProgress(stage="translate", language="es", done=1, total=0))
    assert set(progress.news()) == {"es"}
    progress.end("es")
    progress.end("es")
    progress.take(finished("translate", "es"))
    assert progress.news() == {}
