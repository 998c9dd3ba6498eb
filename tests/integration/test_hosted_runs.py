"""Runs with engines that cost money: chains, budgets, bookings, cloning, words from outside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from onevoice.config import Settings
from onevoice.errors import BudgetExceeded, ConsentMissing, EngineFailed, EngineRefused
from onevoice.pipeline import clones, consent
from onevoice.pipeline.dubbing import dub, summarize_film
from onevoice.pipeline.engines import EnginePool, runtime_for
from onevoice.pipeline.planning import plan
from onevoice.pipeline.project import Project
from onevoice.pipeline.results import DubOutcome, DubRequest
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree

PAID = {"translation": {"engine": "paidmodel"}, "synthesis": {"engine": "paid"}}


@pytest.fixture
def request_(clip: Path) -> DubRequest:
    return DubRequest(input=clip, languages=("es",), settings=fake_tree(**PAID))


def setting(request: DubRequest, **sections: Any) -> DubRequest:
    """The same request with other settings laid over."""
    tree = request.settings.model_dump()
    for name, value in sections.items():
        tree[name] = {**tree[name], **value} if isinstance(value, dict) else value
    return replace(request, settings=Settings.model_validate(tree))


def done(outcome: DubOutcome) -> DubOutcome:
    assert not outcome.failures, outcome.failures[0].error.message
    return outcome


def warned(outcome: DubOutcome, code: str) -> list[str]:
    return [w.message for w in outcome.results[0].warnings if w.code == code]


def project(request: DubRequest) -> Path:
    return request.input.with_suffix(".onevoice")


def booked(request: DubRequest) -> list[dict[str, Any]]:
    path = project(request) / "usage.jsonl"
    return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]


# --- bookings -------------------------------------------------------------------------------


def test_what_was_paid_is_booked_at_once_and_per_line(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    outcome = done(dub(request_, store=store))
    rows = booked(request_)
    calls = scene.calls["translate"] + scene.calls["paid"]
    assert outcome.usd == pytest.approx(calls * 0.01)
    assert sum(row["usd"] for row in rows) == pytest.approx(outcome.usd)
    spoken = [row for row in rows if row["engine"] == "synthesis.paid"]
    assert {row["line"] for row in spoken} == {"s0001", "s0002", "s0003"} or len(spoken) >= 3
    assert all(row["language"] == "es" and row["stage"] in ("synthesize", "fit") for row in spoken)
    report = json.loads((project(request_) / "report.es.json").read_text(encoding="utf-8"))
    assert report["costs"]["total"] == pytest.approx(outcome.usd)
    assert len(report["costs"]["lines"]) == 3
    stages = {stage.name: stage.usd for stage in outcome.results[0].stages}
    assert stages["translate"] == pytest.approx(0.03)
    assert stages["mix"] == 0


def test_a_second_run_costs_nothing_and_still_tells_what_the_lines_cost(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    first = done(dub(request_, store=store))
    (project(request_) / "report.es.json").unlink()
    second = done(dub(request_, store=store))
    assert second.usd == 0
    assert len(booked(request_)) == scene.calls["translate"] + scene.calls["paid"]
    report = json.loads((project(request_) / "report.es.json").read_text(encoding="utf-8"))
    assert report["costs"]["total"] == pytest.approx(first.usd)


def test_what_was_bought_before_a_failure_is_not_bought_again(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.fail_on = "third"
    outcome = dub(request_, store=store)
    assert isinstance(outcome.failures[0].error, EngineFailed)
    bought = {request.text for request in scene.spoken}
    assert bought
    scene.fail_on = ""
    scene.spoken.clear()
    done(dub(request_, store=store))
    assert bought.isdisjoint(r.text for r in scene.spoken if r.rate == 1.0)


def test_the_same_words_twice_are_paid_for_once(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.sentences = [(0.5, 2.0, "Yes, of course."), (3.0, 4.5, "Yes, of course.")]
    done(dub(request_, store=store))
    assert scene.calls["paid"] == 1


def test_an_edit_pays_for_one_line_though_its_neighbours_were_told(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    done(dub(request_, store=store))
    assert [r.after for r in scene.spoken if "first" in r.text] == [
        "es, The second one follows it."
    ]
    assert [r.before for r in scene.spoken if "first" in r.text] == [""]
    before = scene.calls["paid"]
    folder = Project.open(project(request_))
    with folder.hold():
        folder.set_line("es", folder.lines("es")[1].id, text="Otra cosa.")
    outcome = done(dub(request_, store=store))
    assert scene.calls["paid"] == before + 1
    assert outcome.usd == pytest.approx(0.01)


def test_a_finished_film_does_not_need_its_service(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(dub(request_, store=store))

    def silent(self: Any, *_: Any) -> Any:
        raise EngineFailed("no answer", hint="wait")

    monkeypatch.setattr(fakes.PaidSynthesizer, "voices", silent)
    monkeypatch.setattr(fakes.PaidSynthesizer, "speak", silent)
    outcome = done(dub(request_, store=store))
    assert outcome.usd == 0
    assert not warned(outcome, "engine_replaced")


# --- budgets --------------------------------------------------------------------------------


def test_a_job_that_cannot_be_afforded_buys_nothing(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    with pytest.raises(BudgetExceeded, match="translating and speaking Spanish"):
        dub(setting(request_, run={"max_cost": 0.02}), store=store)
    assert scene.calls["translate"] == scene.calls["paid"] == 0


def test_the_budget_also_holds_during_the_run(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that charges more than it said is stopped at the next stage."""
    monkeypatch.setattr(fakes.PaidModel, "quote", lambda self, amount: 0.0)
    scene.usd = 1.0
    monkeypatch.setattr(fakes.PaidSynthesizer, "quote", lambda self, amount: 0.1)
    outcome = dub(setting(request_, run={"max_cost": 2.5}), store=store)
    assert isinstance(outcome.failures[0].error, BudgetExceeded)
    assert scene.calls["translate"] == 3
    assert scene.calls["paid"] == 0
    assert done(dub(request_, store=store)).usd == pytest.approx(3.0)  # the texts were kept


def test_a_plan_tells_the_cost_and_nothing_is_spent(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    before = plan(request_, store=store)
    assert before.expected_usd is not None
    assert before.expected_usd > 0.05  # nobody knows yet how little is said
    done(dub(replace(request_, stop_after="summarize"), store=store))
    known = plan(request_, store=store)
    assert known.expected_usd is not None
    characters = sum(len(text) for _, _, text in scene.sentences)
    assert known.expected_usd == pytest.approx(0.01 * characters * 2.15 / 25, abs=1e-3)
    assert scene.calls["paid"] == 0
    done(dub(request_, store=store))
    assert plan(request_, store=store).expected_usd == 0


# --- chains ---------------------------------------------------------------------------------


def test_the_next_of_a_chain_speaks_the_whole_film(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, synthesis={"engine": ["paid", "fake"]}, run={"requests_at_once": 1})
    scene.fail_on = "third"
    scene.seconds_per_character = 0.05
    # The free engine does not break: only the paid one is told to.
    fallback = fakes.FakeSynthesizer.speak

    def speak(self: fakes.FakeSynthesizer, asked: Any) -> Any:
        scene.fail_on = ""
        return fallback(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakes.FakeSynthesizer, "speak", speak)
        outcome = done(dub(request, store=store))
    (message,) = warned(outcome, "engine_replaced")
    assert message.startswith("fake instead of paid for synthesis: broke on")
    lines = Project.open(project(request)).lines("es")
    assert {line.voice for line in lines} <= {"low", "high"}
    assert len({r.text for r in scene.spoken if r.voice in ("low", "high")}) == len(lines) == 3


def test_a_voice_of_the_first_is_not_asked_of_the_second(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, synthesis={"engine": ["paid", "fake"]}, voices={"S1": "dear"})
    scene.down = "paid"
    outcome = done(dub(request, store=store))
    assert warned(outcome, "engine_replaced")
    assert {line.voice for line in Project.open(project(request)).lines("es")} == {"high"}


def test_the_next_translator_takes_over(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, translation={"engine": ["paidmodel", "fake"]})
    scene.down = "paidmodel"
    outcome = done(dub(request, store=store))
    assert "fake instead of paidmodel for translation" in warned(outcome, "engine_replaced")[0]


def test_without_a_next_one_its_own_error_is_told(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    scene.down = "paid"
    (failure,) = dub(request_, store=store).failures
    assert failure.error.message == "paid is out of order"
    assert failure.error.engine == ("synthesis", "paid")


# --- cloning --------------------------------------------------------------------------------


@pytest.fixture
def talkative(scene: fakes.Scene) -> fakes.Scene:
    """A speaker with 7 s in one go."""
    scene.sentences = [
        (0.3, 3.0, "The first sentence is here and it is long."),
        (3.2, 7.6, "The second one follows it, and it goes on and on for a while."),
    ]
    return scene


def test_nobody_is_cloned_without_consent(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    request = setting(request_, voices={"*": "clone"})
    (failure,) = dub(request, store=store).failures
    assert isinstance(failure.error, ConsentMissing)
    assert "onevoice consent add S1" in failure.error.hint
    assert talkative.calls["paid"] == 0
    paper = tmp_path / "signed.pdf"
    paper.write_bytes(b"I agree. S.")
    record = consent.add(project(request), "S1", paper, by="Sam")
    done(dub(request, store=store))
    references = {r.reference.digest: r.reference for r in talkative.spoken if r.reference}
    (reference,) = references.values()
    assert reference.speaker == "S1"
    assert reference.text == " ".join(text for _, _, text in talkative.sentences)
    assert 6.0 <= _seconds(reference.audio) <= 15.5
    assert (project(request) / record.document).read_bytes() == b"I agree. S."
    # A paper that was changed is no paper.
    (project(request) / record.document).write_bytes(b"something else")
    (failure,) = dub(request, store=store).failures
    assert isinstance(failure.error, ConsentMissing)
    assert consent.remove(project(request), "S1")
    assert not list((project(request) / "consent").iterdir())


def _seconds(path: Path) -> float:
    import soundfile as sf

    return float(sf.info(path).duration)


def test_copies_of_a_voice_go_when_consent_does(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    request = setting(request_, voices={"S1": "clone"})
    done(dub(replace(request, stop_after="translate", settings=request_.settings), store=store))
    paper = tmp_path / "signed.pdf"
    paper.write_bytes(b"I agree.")
    consent.add(project(request), "S1", paper)
    done(dub(request, store=store))
    assert len(talkative.copies) == 1
    opened = Project.open(project(request))
    pool = EnginePool(request.settings, runtime_for(request.settings))
    talkative.down = "paid"
    with opened.hold(), pytest.raises(EngineFailed):
        clones.forget(opened, "S1", pool)
    talkative.down = ""
    with opened.hold():
        assert clones.forget(opened, "S1", pool) == 1
        assert clones.forget(opened, "S1", pool) == 0
    assert not talkative.copies


def test_clone_is_given_to_nobody_who_did_not_ask(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore
) -> None:
    done(dub(request_, store=store))
    assert {r.voice for r in talkative.spoken} == {"dear"}
    assert all(r.reference is None for r in talkative.spoken)


def test_an_engine_that_cannot_clone_says_so(
    request_: DubRequest, talkative: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, synthesis={"engine": "fake"}, voices={"S1": "clone"})
    (failure,) = dub(request, store=store).failures
    assert isinstance(failure.error, EngineRefused)
    assert "does not clone" in failure.error.message


def test_a_speaker_of_few_words_cannot_be_cloned(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    scene.sentences = [(0.5, 2.0, "Too short."), (5.0, 6.0, "Far too short.")]
    request = setting(request_, voices={"S1": "clone"})
    done(dub(replace(request, stop_after="summarize"), store=store))
    paper = tmp_path / "p.txt"
    paper.write_text("yes")
    consent.add(project(request), "S1", paper)
    (failure,) = dub(request, store=store).failures
    assert "too little to clone" in failure.error.message
    assert "--voice S1=" in failure.error.hint


# --- words ----------------------------------------------------------------------------------


def test_the_glossary_reaches_recogniser_translator_and_voice(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    path = tmp_path / "terms.yaml"
    path.write_text(
        "- {term: sentence, translations: {es: frase}, pronunciation: {es: fraaase}}\n"
        "- {term: second, keep: true}\n",
        encoding="utf-8",
    )
    request = setting(request_, glossary=str(path))
    done(dub(request, store=store))
    assert set(scene.hints) == {"sentence", "second"}
    terms = {r.text: r.terms for r in scene.asked}
    assert terms["The first sentence is here."] == (("sentence", "frase"),)
    assert terms["The second one follows it."] == (("second", "second"),)
    assert terms["And a third one ends it all."] == ()
    # An entry that concerns one line translates and speaks that line again, no other.
    asked = len(scene.asked)
    path.write_text(path.read_text() + "- {term: third, translations: {es: tercero}}\n")
    done(dub(request, store=store))
    assert [r.text for r in scene.asked[asked:]] == ["And a third one ends it all."]


def test_translators_get_a_budget_and_the_neighbours(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    done(dub(request_, store=store))
    first, second, third = scene.asked
    assert (first.before, first.after) == ("", "The second one follows it.")
    assert (third.before, third.after) == ("The second one follows it.", "")
    assert second.speaker == "S1"
    # 1.4 s of speech at 17.5 characters a second, up to 1.1 times as fast.
    assert second.budget is not None
    assert 20 <= second.budget <= 30


def test_reflect_reviews_every_line_once(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, translation={"quality": "reflect"})
    done(dub(request, store=store))
    assert scene.calls["review"] == 3
    line = Project.open(project(request)).lines("es")[0]
    assert line.text == "ES: THE FIRST SENTENCE IS HERE."
    done(dub(request, store=store))
    assert scene.calls["review"] == 3
    plain = setting(request, translation={"engine": "fake"})
    outcome = done(dub(replace(plain, force=True), store=store))
    assert warned(outcome, "translation_not_reviewed")


def test_a_series_remembers_what_a_person_wrote(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore, tmp_path: Path
) -> None:
    request = setting(request_, series="show")
    done(dub(request, store=store))
    folder = Project.open(project(request))
    with folder.hold():
        folder.set_line("es", folder.lines("es")[0].id, text="Primera frase.")
    done(dub(request, store=store))
    episode = tmp_path / "two" / "episode2.mp4"
    episode.parent.mkdir()
    episode.write_bytes(request.input.read_bytes())
    scene.asked.clear()
    done(dub(replace(request, input=episode), store=store))
    lines = Project.open(episode.with_suffix(".onevoice")).lines("es")
    assert lines[0].text == "Primera frase."
    assert "The first sentence is here." not in {r.text for r in scene.asked}
    other = replace(setting(request, series="another"), input=episode, out=tmp_path / "three")
    done(dub(other, store=store))
    lines = Project.open(tmp_path / "three" / "episode2.onevoice").lines("es")
    assert lines[0].text != "Primera frase."


def test_the_summary_can_be_made_alone_edited_and_is_then_used(
    request_: DubRequest, scene: fakes.Scene, store: LocalStore
) -> None:
    request = setting(request_, summary={"use_as_context": True})
    opened, summary = summarize_film(request, store=store)
    assert summary.synopsis == "3 sentences"
    data = yaml.safe_load(opened.summary.path.read_text(encoding="utf-8"))
    data["synopsis"] = "A talk about sentences."
    data["speakers"] = {"S1": "an old man, dry"}
    opened.summary.path.write_text(yaml.safe_dump(data), encoding="utf-8")
    seen: list[Any] = []
    translate = fakes.PaidModel.translate

    def spy(self: Any, requests: Any, *, summary: Any, **rest: Any) -> Any:
        seen.append(summary)
        return translate(self, requests, summary=summary, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fakes.PaidModel, "translate", spy)
        done(dub(request, store=store))
    assert scene.calls["summarize"] == 1
    assert seen[0].synopsis == "A talk about sentences."
    assert seen[0].speakers == {"S1": "an old man, dry"}
    assert seen[0].register == "formal"
    kept = yaml.safe_load(opened.summary.path.read_text(encoding="utf-8"))
    assert kept["synopsis"] == "A talk about sentences."
