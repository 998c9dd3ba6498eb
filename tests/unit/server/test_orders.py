"""What goes between a worker and the process of a dub, and what that process is given."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.errors import DiskFull, OutputExists
from onevoice.pipeline import events as pipeline
from onevoice.server.jobs.changes import changed_seconds
from onevoice.server.jobs.environment import environment, secrets_in
from onevoice.server.jobs.naming import for_users, inputs, safe_stem
from onevoice.server.jobs.observing import EventObserver
from onevoice.server.jobs.orders import (
    AnalysisFinished,
    Artifacts,
    Edit,
    ErrorFacts,
    Event,
    Failed,
    Finished,
    LanguageDone,
    LanguageFailed,
    Order,
    Remote,
    ResultFile,
    SpokenLine,
    StageFinished,
    StageProgress,
    StageRecord,
    StageStarted,
    Started,
    Warned,
    WarningFacts,
    read_event,
)
from onevoice.server.settings import ServerSettings
from onevoice.types import Warning_


def line(id_: str = "s1", start: float = 0.0, end: float = 2.5, **changes: object) -> SpokenLine:
    fields = {"speaker": "S1", "text": "Hola.", "voice": "low", **changes}
    return SpokenLine.model_validate({"id": id_, "start": start, "end": end, **fields})


def an_order(folder: Path) -> Order:
    return Order(
        source=folder / "source",
        name="Talk\nof \u2028 two.mp4",
        languages=("es", "ko"),
        profile="embedded",
        settings={"diarization": {"speakers": 2}, "glossary": [{"term": "OneVoice"}]},
        out=folder / "job",
        edits={"es": {"s1": Edit(text="Adiós.", keep=False)}},
        previous_lines={"es": (line(),)},
        max_usd=1.5,
        artifacts=Artifacts(local=folder / "cache", remote=Remote(prefix="accounts/usr_1")),
    )


# --- messages -------------------------------------------------------------------------------


def test_an_order_comes_over_as_one_line(tmp_path: Path) -> None:
    order = an_order(tmp_path)
    sent = order.encoded()
    assert sent.count(b"\n") == 1 and sent.endswith(b"\n")
    assert Order.model_validate_json(sent) == order
    assert order.edits["es"]["s1"].changes == {"text": "Adiós.", "keep": False}
    assert order.project == tmp_path / "job" / "video.onevoice"


@pytest.mark.parametrize(
    "wrong", [{"languages": ()}, {"max_usd": -1}, {"database_url": "postgresql://"}]
)
def test_an_order_with_something_wrong_in_it_is_none(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    fields = {**json.loads(an_order(tmp_path).encoded()), **wrong}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Order.model_validate(fields)


EVENTS: tuple[Event, ...] = (
    Started(duration=8.0, languages=("es",)),
    StageStarted(stage="extract", language=None),
    StageProgress(stage="translate", language="es", done=1, total=3),
    StageFinished(stage="mux", language="es", cached=True, seconds=0.1),
    Warned(language="es", code="too_fast", message="it is\nfast", line="s1"),
    AnalysisFinished(),
    LanguageDone(
        language="es",
        files=(ResultFile(kind="video", name="a.mp4", path=Path("/x"), media_type="video/mp4"),),
        lines=(line(),),
        measures={"phrases": 1, "loudness": {"source_lufs": [-20.0]}},
        warnings=(WarningFacts(code="a", message="b"),),
        stages=(StageRecord(name="mux", cached=False, seconds=1.0),),
        changed_seconds=3,
    ),
    LanguageFailed(language="fr", error=ErrorFacts(code="engine_refused", message="no voice")),
    Finished(usd=0.25),
    Failed(error=ErrorFacts(code="cancelled", message="stopped", retryable=True)),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.kind)
def test_an_event_comes_over_as_one_line(event: Event) -> None:
    sent = event.encoded()
    assert sent.count(b"\n") == 1
    assert read_event(sent) == event


@pytest.mark.parametrize("sent", [b"", b"noise\n", b"{}\n", b'{"kind": "paid"}\n'])
def test_what_is_no_event_is_refused(sent: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_event(sent)


# --- changed seconds ------------------------------------------------------------------------

BEFORE = (
    line("s1", 0.0, 2.5),
    line("s2", 3.0, 4.2, voice="high"),
    line("s3", 5.0, 6.1),
    line("s4", 7.0, 9.0, keep=True),
)


def but(id_: str, **changes: object) -> tuple[SpokenLine, ...]:
    return tuple(x.model_copy(update=changes) if x.id == id_ else x for x in BEFORE)


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (BEFORE, 0),
        (but("s1", text="  Hola. "), 0),
        (but("s1", source_text="Hello there.", speaker="S2"), 0),
        (but("s1", text="Adiós."), 3),
        (but("s2", text="Adiós."), 2),
        (but("s1", voice="high"), 3),
        (but("s1", keep=True), 3),
        (but("s4", keep=False), 2),
        (but("s4", text="never heard"), 0),
        (but("s1", text=""), 3),
        (but("s1", end=2.504), 0),
        (but("s1", end=2.9), 3),
        ((*BEFORE, line("s5", 10.0, 10.4)), 1),
        ((*BEFORE, line("s5", 10.0, 10.4, keep=True)), 0),
        (BEFORE[:2], 0),
        # s1 and s2 became one line: its whole window is spoken anew
        ((line("s1", 0.0, 4.2), *BEFORE[2:]), 5),
        # two at the same time: the second they share is one second of video
        ((*BEFORE, line("s5", 20.0, 22.0), line("s6", 21.0, 23.0)), 3),
    ],
)
def test_changed_seconds(now: tuple[SpokenLine, ...], seconds: int) -> None:
    assert changed_seconds(BEFORE, now) == seconds


def test_a_voice_for_a_speaker_counts_all_their_lines() -> None:
    now = [x.model_copy(update={"voice": "other"}) if x.voice == "low" else x for x in BEFORE]
    assert changed_seconds(BEFORE, now) == 4  # 2.5 + 1.1; the kept line stays as it is
    assert changed_seconds((), BEFORE) == 5


spans = st.tuples(st.integers(0, 600), st.integers(1, 140)).map(
    lambda t: (t[0] / 10, t[0] / 10 + t[1] / 10)
)


@given(st.lists(spans, max_size=12), st.sets(st.integers(0, 11)))
def test_changed_seconds_never_exceed_the_video(
    windows: list[tuple[float, float]], edited: set[int]
) -> None:
    before = [line(f"s{i}", *span) for i, span in enumerate(windows)]
    now = [x.model_copy(update={"text": "new"}) if i in edited else x for i, x in enumerate(before)]
    seconds = changed_seconds(before, now)
    touched = [span for i, span in enumerate(windows) if i in edited]
    assert seconds <= sum(end - start for start, end in touched) + 1
    assert seconds <= max((end for _, end in touched), default=0.0) + 1
    assert (seconds == 0) == (not touched)


# --- progress -------------------------------------------------------------------------------


def test_progress_is_told_four_times_a_second_and_language() -> None:
    told: list[Event] = []
    time = 0.0
    observer = EventObserver(told.append, clock=lambda: time)
    for tick in range(200):  # two seconds
        time = tick / 100
        for language in ("es", "ko"):
            observer.on_event(
                pipeline.StageProgress(stage="mix", language=language, done=tick, total=200)
            )
    assert [len([e for e in told if e.language == x]) for x in ("es", "ko")] == [8, 8]  # type: ignore[union-attr]


def test_everything_but_progress_is_told_at_once() -> None:
    told: list[Event] = []
    observer = EventObserver(told.append, str.upper, clock=lambda: 0.0)
    for stage in ("transcribe", "segment", "segment"):
        observer.on_event(
            pipeline.StageFinished(stage=stage, language=None, cached=True, seconds=0.0)
        )
    warning = Warning_(code="a", message="b", line="s1")
    observer.on_event(pipeline.Warned(language="es", warning=warning))
    assert [e.kind for e in told] == [
        "stage_finished", "stage_finished", "analysis_finished", "stage_finished", "warned",
    ]  # fmt: skip
    assert told[-1] == Warned(language="es", code="a", message="B", line="s1")


# --- names and messages ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("talk.mp4", "talk"),
        ("My talk (final).MOV", "My talk (final)"),
        ("v1.2 notes", "v1.2 notes"),
        ("../../etc/passwd", "passwd"),
        ("C:\\videos\\talk.mp4", "talk"),
        ('a"b\r\nX: y.mp4', "a-b--X- y"),
        ("발표 영상.mp4", "발표 영상"),
        ("भाषण.mp4", "भाषण"),
        ("\u202egpj.exe", "gpj.exe"),
        ("..", "video"),
        ("", "video"),
    ],
)
def test_safe_stem(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


@given(st.text())
def test_a_stem_is_always_one_harmless_name(name: str) -> None:
    stem = safe_stem(name)
    assert 0 < len(stem) <= 100
    assert not stem.startswith((".", " ", "-")) and not stem.endswith((".", " "))
    assert all(unicodedata.category(c)[0] in "LMN" or c in " ()_-." for c in stem)


def test_messages_name_the_video_as_the_user_does(tmp_path: Path) -> None:
    order = an_order(tmp_path).model_copy(update={"name": "Talk.mp4"})
    link = inputs(order) / "video.mp4"
    link.touch()
    error = OutputExists(f"{order.out / 'video.es.mp4'} exists", hint=f"look at {link}")
    shown = for_users(error, order)
    assert (shown.code, shown.message) == ("output_exists", "video.es.mp4 exists")
    assert shown.hint == "look at Talk"


# --- the environment ------------------------------------------------------------------------


def test_a_full_disk_is_no_fault_of_the_job(tmp_path: Path) -> None:
    order = an_order(tmp_path)
    facts = for_users(DiskFull(f"no room left for {order.out}", hint="free some space"), order)
    assert facts.retryable and facts.code == "output_disk_full"
    assert str(tmp_path) not in facts.message and "free" not in facts.hint


def test_the_environment_is_a_list_of_what_is_needed(tmp_path: Path) -> None:
    settings = ServerSettings(data_dir=tmp_path, s3_bucket="media", aws_region="eu-west-1")
    given = {
        "PATH": "/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "https_proxy": "http://proxy",
        "OPENAI_API_KEY": "sk-1", "FISH_SERVER_KEY": "fish", "AWS_PROFILE": "worker",
        "CUDA_VISIBLE_DEVICES": "0", "ONEVOICE_CACHE_DIR": "/cache",
    }  # fmt: skip
    kept_back = {
        "ONEVOICE_SERVER_DATABASE_URL": "postgresql://", "ONEVOICE_SERVER_TOKEN_KEYS": "k:v",
        "ONEVOICE_SERVER_ENVIRONMENT": "hosted", "ONEVOICE_SERVER_S3_BUCKET": "old",
        "ONEVOICE_SERVER_PADDLE_API_KEY": "pdl", "PADDLE_API_KEY": "pdl", "TEST_MODE": "1",
        "DATABASE_URL": "postgresql://", "PGPASSWORD": "x", "SECRET_KEY": "x", "LD_PRELOAD": "x",
    }  # fmt: skip
    made = environment({**given, **kept_back}, settings=settings, profile="embedded")
    assert made == {
        **given,
        "ONEVOICE_SERVER_DATA_DIR": str(tmp_path),
        "ONEVOICE_SERVER_AWS_REGION": "eu-west-1",
        "ONEVOICE_SERVER_S3_BUCKET": "media",
    }


def test_a_key_that_the_profile_names_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "own.yaml"
    profile.write_text(
        "translation: {engine: openai, openai: {key_variable: MY_LLM_KEY}}\n"
        'synthesis: {custom: {headers: {Authorization: "Bearer ${MY_TTS_KEY}"}}}\n'
    )
    monkeypatch.setattr("onevoice.server.jobs.environment.profile_path", lambda name: profile)
    settings = ServerSettings(data_dir=tmp_path)
    given = {"MY_LLM_KEY": "a", "MY_TTS_KEY": "b", "MY_OTHER_KEY": "c"}
    made = environment(given, settings=settings, profile="own")
    assert {"MY_LLM_KEY", "MY_TTS_KEY"} == made.keys() & given.keys()


def test_secrets_are_known_by_their_names() -> None:
    environ = {
        "A_API_KEY": "sk-123456",
        "AWS_SECRET_ACCESS_KEY": "x" * 40,
        "B_TOKEN": "1",
        "C": "y",
    }
    assert secrets_in(environ) == ("x" * 40, "sk-123456")
