"""Runs with hosted engines where something changes on the way: engines, edits, papers, words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml

from onevoice.errors import BudgetExceeded, ConfigError, ConsentMissing
from onevoice.pipeline import consent
from onevoice.pipeline.dubbing import dub, summarize_film
from onevoice.pipeline.events import StageFinished, Warned
from onevoice.pipeline.planning import plan
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import DubRequest
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree
from tests.integration.test_hosted_runs import PAID, booked, done, project, setting, warned


@pytest.fixture
def request_(clip: Path) -> DubRequest:
    return DubRequest(input=clip, languages=("es",), settings=fake_tree(**PAID))


@pytest.fixture
def talkative(scene: fakes.Scene) -> fakes.Scene:
    """A speaker with 7 s in one go."""
    scene.sentences = [
        (0.3, 3.0, "The first sentence is here and it is long."),
        (3.2, 7.6, "The second one follows it, and it goes on and on for a while."),
    ]
    return scene


def edit(request: DubRequest, name: str, old: str, new: str) -> None:
    """What a person does in an editor."""
    path = project(request) / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def agree(request: DubRequest, *speakers: str) -> None:
    paper = request.input.with_name("signed.pdf")
    paper.write_bytes(b"I agree.")
    for speaker in speakers:
        consent.add(project(request), speaker, paper)


def todo(request: DubRequest, store: LocalStore) -> dict[str, str]:
    return {row.name: row.why for row in plan(request, store=store).stages if not row.cached}


# --- who speaks -----------------------------------------------------------------------------


class HoldKoreanBack:
    """Lets Korean go on from its speech to its fit only when Spanish has changed engines."""

    def __init__(self) -> None:
        self.changed = Event()

    def on_event(self, event: Any) -> None:
        if isinstance(event, Warned) and event.warning.code == "engine_replaced":
            if event.language == "es":
                self.changed.set()
            return
        if isinstance(event, StageFinished) and (event.stage, event.language) == (
            "synthesize",
            "ko",
        ):
            assert self.changed.wait(20)


def test_a_language_keeps_the_engine_that_another_gave_up(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = replace(
        setting(request_, synthesis={"engine": ["paid", "fake"]}), languages=("es", "ko")
    )
    broken = fakes.PaidSynthesizer.speak

    def speak(self: fakes.PaidSynthesizer, asked: Any) -> Any:
        scene.down = "paid" if asked.language == "es" else ""
        return broken(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakes.PaidSynthesizer, "speak", speak)
        patch.setattr(fakes.PaidSynthesizer, "lines_at_once", 1)
        outcome = done(dub(request, store=store, observer=HoldKoreanBack()))
    folder = Project.open(project(request))
    assert {line.voice for line in folder.lines("es")} <= {"low", "high"}
    assert {line.voice for line in folder.lines("ko")} == {"dear"}
    korean = outcome.results[1]
    assert not [w for w in korean.warnings if w.code == "engine_replaced"]
    assert {r.voice for r in scene.spoken if r.language == "ko"} == {"dear"}


def test_a_voice_given_to_a_line_waits_for_its_engine(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fakes.PaidSynthesizer,
        "voices",
        lambda self, language: (
            fakes.Voice(name="dear", language=language),
            fakes.Voice(name="dearer", language=language),
        ),
    )
    request = setting(request_, synthesis={"engine": ["paid", "fake"]})
    done(dub(request, store=store))
    folder = Project.open(project(request))
    with folder.hold():
        folder.set_line("es", "s0001", voice="dearer", text="Otra cosa.")
    scene.down = "paid"
    outcome = done(dub(request, store=store))
    assert warned(outcome, "engine_replaced")
    assert {r.voice for r in scene.spoken if r.text == "Otra cosa."} <= {"low", "high"}
    assert Project.open(project(request)).lines("es")[0].voice == "dearer"
    scene.down = ""
    outcome = done(dub(request, store=store))
    assert not warned(outcome, "engine_replaced")
    assert [x.voice for x in Project.open(project(request)).lines("es")] == [
        "dearer",
        "dear",
        "dear",
    ]


def test_a_takeover_says_everything_once(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, synthesis={"engine": ["paid", "fake"]})
    done(dub(request, store=store))
    edit(request, "lines.es.yaml", "text: 'es: And a third one ends it all.'", "text: Mine.")
    scene.sentences = scene.sentences[:2]
    scene.down = "paid"
    # The sentence is gone from what is heard, so from the lines, too.
    outcome = done(dub(setting(request, source={"language": "en"}), store=store))
    said = [(w.code, w.message, w.line) for w in outcome.results[0].warnings]
    assert ("edit_lost", "an edit belongs to a line that is gone", "s0003") in said
    assert len(said) == len(set(said))


def test_an_engine_under_another_name_ends_no_run_in_a_loop(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plug-in registered as ``paidmodel`` may call itself something else."""
    info = replace(fakes.PaidModel.info, name="Paid Model 2")
    monkeypatch.setattr(fakes.PaidModel, "info", info)
    scene.down = "paidmodel"
    request = setting(request_, translation={"engine": ["paidmodel", "fake"]})
    outcome = done(dub(request, store=store))
    assert "fake instead of paidmodel for translation" in warned(outcome, "engine_replaced")[0]


def test_an_engine_that_refuses_one_language_is_asked_for_the_next(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    voices = fakes.PaidSynthesizer.voices

    def refuse(self: fakes.PaidSynthesizer, language: str) -> Any:
        if language == "es":
            raise fakes.EngineRefused("no Spanish in this plan", hint="upgrade")
        return voices(self, language)

    monkeypatch.setattr(fakes.PaidSynthesizer, "voices", refuse)
    request = setting(request_, synthesis={"engine": ["paid", "fake"]})
    outcome = done(dub(replace(request, languages=("es", "ko")), store=store))
    messages = ["fake instead of paid for synthesis: no Spanish in this plan"]
    assert warned(outcome, "engine_replaced") == messages
    assert not [w for w in outcome.results[1].warnings if w.code == "engine_replaced"]
    folder = Project.open(project(request))
    assert {line.voice for line in folder.lines("es")} == {"high"}
    assert {line.voice for line in folder.lines("ko")} == {"dear"}


def test_what_the_one_who_broke_was_paid_counts(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    translate = fakes.PaidModel.translate

    def breaks(self: Any, requests: Any, **rest: Any) -> Any:
        yield next(iter(translate(self, requests, **rest)))
        raise fakes.EngineFailed("broke in the middle", hint="wait")

    monkeypatch.setattr(fakes.PaidModel, "translate", breaks)
    request = setting(request_, translation={"engine": ["paidmodel", "fake"]})
    outcome = done(dub(request, store=store))
    stages = {stage.name: stage.usd for stage in outcome.results[0].stages}
    assert stages["translate"] == pytest.approx(0.01)
    assert sum(stages.values()) == pytest.approx(outcome.usd)


def test_one_who_breaks_in_the_middle_of_the_fit_has_no_part_in_the_film(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak = fakes.PaidSynthesizer.speak

    def breaks(self: fakes.PaidSynthesizer, asked: Any) -> Any:
        if asked.rate > 1.0:
            raise fakes.EngineFailed("broke in the fit", hint="wait")
        return speak(self, asked)

    monkeypatch.setattr(fakes.PaidSynthesizer, "speak", breaks)
    scene.seconds_per_character = 0.09
    request = setting(
        request_,
        synthesis={"engine": ["paid", "fake"]},
        translation={"shorten": False},
    )
    outcome = done(dub(request, store=store))
    assert warned(outcome, "engine_replaced") == [
        "fake instead of paid for synthesis: broke in the fit"
    ]
    assert {line.voice for line in Project.open(project(request)).lines("es")} <= {"low", "high"}
    assert outcome.usd == pytest.approx(0.06)  # three texts, and three lines for nothing
    report = json.loads((project(request) / "report.es.json").read_text(encoding="utf-8"))
    assert report["costs"]["total"] == pytest.approx(0.03)


# --- plans ----------------------------------------------------------------------------------


def test_after_a_run_with_everything_a_plan_has_nothing_to_do(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    terms = tmp_path / "terms.yaml"
    terms.write_text("- {term: sentence, translations: {es: sentence}}\n", encoding="utf-8")
    request = setting(
        request_,
        glossary=str(terms),
        series="show",
        voices={"S1": {"es": "clone"}},
        summary={"use_as_context": True},
        translation={"quality": "reflect"},
    )
    opened, _ = summarize_film(request, store=store)
    agree(request, "S1")
    data = yaml.safe_load(opened.summary.path.read_text(encoding="utf-8"))
    opened.summary.path.write_text(yaml.safe_dump({**data, "register": "rude"}), encoding="utf-8")
    done(dub(request, store=store))
    assert todo(request, store) == {}
    edit(request, "lines.es.yaml", "ES: THE FIRST", "LO PRIMERO")
    done(dub(request, store=store))
    assert todo(request, store) == {}  # what was remembered for the series came from here
    spoken = talkative.calls["paid"]
    assert done(dub(request, store=store)).usd == 0
    assert talkative.calls["paid"] == spoken
    # It was and stays a person's: without the series it is there still.
    done(dub(setting(request, series=""), store=store))
    assert Project.open(project(request)).lines("es")[0].text.startswith("LO PRIMERO")


def test_a_plan_says_what_a_run_would_refuse(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, voices={"S1": "clone"})
    agree(request, "S1")
    done(dub(request, store=store))
    consent.remove(project(request), "S1")
    rows = {row.name: row for row in plan(request, store=store).stages}
    assert "may not be cloned" in rows["synthesize"].why
    assert not rows["mux"].cached
    (failure,) = dub(request, store=store).failures
    assert isinstance(failure.error, ConsentMissing)
    assert (request.input.with_name("talk.es.mp4")).exists()


def test_a_plan_of_lines_that_nobody_can_speak(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, synthesis={"engine": "fake"})
    done(dub(request, store=store))
    edit(request, "lines.es.yaml", "S1: high", "S1: clone")
    rows = [row for row in plan(request, store=store).stages if row.name == "synthesize"]
    assert [row.why for row in rows] == ["cannot run: fake does not clone voices"]


def test_a_plan_knows_why_a_reference_is_cut_again(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, voices={"S1": "clone"})
    agree(request, "S1")
    done(dub(request, store=store))
    spoken = talkative.calls["paid"]
    edit(request, "transcript.yaml", "it is long.", "it is very long.")
    done(dub(replace(request, stop_after="translate"), store=store))
    assert todo(request, store)["reference"] == "inputs.transcript changed"
    done(dub(request, store=store))
    assert talkative.calls["paid"] == spoken + 1  # the sound of the reference is the same


def test_what_a_missing_engine_would_cost_is_not_known(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    done(dub(request_, store=store))
    request = replace(setting(request_, synthesis={"engine": "fake"}), languages=("zh",))
    assert plan(request, store=store).expected_usd is None


# --- money ----------------------------------------------------------------------------------


def test_a_budget_that_is_spent_lets_finished_work_through(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    done(dub(request_, store=store))
    scene.usd = 0.2
    request = replace(setting(request_, run={"max_cost": 0.5}), languages=("es", "pt"))
    with pytest.raises(BudgetExceeded, match="translating and speaking Portuguese would"):
        dub(request, store=store)
    from onevoice.engines.metering import Meter
    from onevoice.types import Usage

    meter = Meter(0.5)
    meter.record(Usage(engine="x", model="m", unit="seconds", quantity=1, usd=0.6))
    done(dub(setting(request_, run={"max_cost": 0.5}), store=store, meter=meter))


def test_a_booking_after_one_that_was_cut_short_is_a_line_of_its_own(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    project(request_).mkdir()
    (project(request_) / "usage.jsonl").write_text('{"when": "2026', encoding="utf-8")
    outcome = done(dub(request_, store=store))
    rows = (project(request_) / "usage.jsonl").read_text(encoding="utf-8").splitlines()
    assert rows[0] == '{"when": "2026'
    assert len(rows) - 1 == round(outcome.usd / 0.01)


def test_a_book_that_cannot_be_written_says_so(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    (project(request_) / "usage.jsonl").mkdir(parents=True)
    (failure,) = dub(request_, store=store).failures
    assert failure.error.code == "output_unwritable"
    with pytest.raises(IsADirectoryError):
        booked(request_)


# --- people ---------------------------------------------------------------------------------


def test_a_speaker_renamed_by_hand_is_a_speaker(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore
) -> None:
    done(dub(replace(request_, stop_after="summarize"), store=store))
    edit(request_, "transcript.yaml", "speaker: S1", "speaker: ../Ann & Bo")
    name = "../Ann & Bo"
    assert name in {s.id for s in Project.open(project(request_)).transcript().speakers}
    request = setting(request_, voices={name: "clone"})
    (failure,) = dub(request, store=store).failures
    assert isinstance(failure.error, ConsentMissing)
    assert "consent add '../Ann & Bo'" in failure.error.hint
    agree(request, name)
    done(dub(request, store=store))
    assert {r.reference.speaker for r in talkative.spoken if r.reference} == {name}
    assert Project.open(project(request)).transcript().speakers[0].pitch_hz is not None
    inside = project(request).resolve()
    for record in consent.read(inside).values():
        assert (inside / record.document).resolve().is_relative_to(inside / "consent")


def test_a_summary_that_was_not_written_in_time_is_nobodys_edit(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    opened, _ = summarize_film(request_, store=store)
    old = opened.summary.path.read_text(encoding="utf-8")
    folder = project(request_) / "transcript.yaml"
    text = folder.read_text(encoding="utf-8")
    folder.write_text(text.replace("\n  keep: false", "\n  keep: true", 1), encoding="utf-8")
    _, second = summarize_film(request_, store=store)
    assert second.synopsis == "2 sentences"
    opened.summary.path.write_text(old, encoding="utf-8")  # killed between its two writes
    _, third = summarize_film(request_, store=store)
    assert third.synopsis == "2 sentences"


# --- words ----------------------------------------------------------------------------------


def test_the_name_of_a_series_is_checked_before_any_work(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    with pytest.raises(ConfigError, match="name of a series"):
        dub(setting(request_, series="../show"), store=store)
    assert not scene.calls


def test_a_remembered_translation_gives_way_to_the_glossary(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    request = setting(request_, series="show")
    done(dub(request, store=store))
    edit(request, "lines.es.yaml", "'es: The first sentence is here.'", "La primera frase.")
    done(dub(request, store=store))
    terms = tmp_path / "terms.yaml"
    terms.write_text("- {term: sentence, translations: {es: oración}}\n", encoding="utf-8")
    episode = tmp_path / "two" / "talk.mp4"
    episode.parent.mkdir()
    episode.write_bytes(request.input.read_bytes())
    later = setting(replace(request, input=episode), glossary=str(terms))
    scene.asked.clear()
    done(dub(later, store=store))
    asked = {r.text: r for r in scene.asked}["The first sentence is here."]
    assert asked.examples == (("The first sentence is here.", "La primera frase."),)
    done(dub(setting(later, glossary=""), store=store))
    first = Project.open(episode.with_suffix(".onevoice")).lines("es")[0]
    assert first.text == "La primera frase."


def test_a_sentence_without_a_translation_keeps_its_sound_and_says_so(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    translate = fakes.PaidModel.translate

    def forgetful(self: Any, requests: Any, **rest: Any) -> Any:
        for answer in translate(self, requests, **rest):
            yield replace(answer, text=" ") if "second" in answer.text else answer

    monkeypatch.setattr(fakes.PaidModel, "translate", forgetful)
    outcome = done(dub(request_, store=store))
    (warning,) = [w for w in outcome.results[0].warnings if w.code == "line_missing"]
    assert warning.line == "s0002"
    assert Project.open(project(request_)).lines("es")[1].keep


def test_a_budget_for_characters_that_say_more(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = [(0.5, 1.1, "Yes, of course."), (3.0, 5.0, "A longer sentence is here.")]
    done(dub(replace(request_, languages=("zh", "es")), store=store))
    by_text = {(r.text, r.terms): r.budget for r in scene.asked}
    assert by_text  # both languages ask with the same text: told apart by their budgets
    budgets = sorted(r.budget for r in scene.asked if r.text.startswith("Yes") and r.budget)
    assert budgets[0] < 8 < budgets[1]
