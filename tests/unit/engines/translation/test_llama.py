"""The engine round the model: routes, long texts, refusals, identity, missing files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onevoice.engines import registry
from onevoice.engines.base import Runtime, TranslationRequest
from onevoice.engines.translation.firefox import Firefox
from onevoice.engines.translation.llama import Llama
from onevoice.engines.translation.model import check_file, fingerprint
from onevoice.errors import AssetDamaged, AssetMissing, Cancelled, ConfigError, EngineRefused
from onevoice.types import Segment, Summary
from tests.unit.engines.translation.fake_model import FakeModel


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    return Runtime(models_dir=tmp_path / "models", threads=1)


def engine(
    runtime: Runtime, fake: FakeModel, monkeypatch: pytest.MonkeyPatch, **params: Any
) -> Llama:
    """A Llama on a scripted model, and a Firefox that marks what went through it."""

    def sentence(self: Firefox, text: str, *, source: str, target: str) -> str:
        return {"pt": "Eu vi a casa.", "en": "I saw the house."}[target]

    monkeypatch.setattr(Firefox, "check", classmethod(lambda cls, runtime: None))
    monkeypatch.setattr(Firefox, "sentence", sentence)
    made = Llama(Llama.Params(**params), runtime)
    monkeypatch.setattr(made, "_loaded", lambda: fake)
    return made


def ask(made: Llama, *texts: str, source: str, target: str) -> list[str]:
    requests = [TranslationRequest(id=str(i), text=text) for i, text in enumerate(texts)]
    found = list(made.translate(requests, source=source, target=target, summary=Summary()))
    assert [result.id for result in found] == [request.id for request in requests]
    return [result.text for result in found]


def prompt(model: FakeModel, call: int = 0) -> str:
    text: str = model.asked[call]["messages"][-1]["content"]
    return text


def test_spanish_gets_the_portuguese_hint(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("Vi la casa.")
    made = engine(runtime, model, monkeypatch)
    assert ask(made, "I saw the house.", source="en", target="es") == ["Vi la casa."]
    assert prompt(model) == "English: I saw the house.\nPortuguese: Eu vi a casa.\nSpanish:"


def test_the_hint_can_be_switched_off(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("Vi la casa.")
    made = engine(runtime, model, monkeypatch, portuguese_hint=False)
    ask(made, "I saw the house.", source="en", target="es")
    assert "Portuguese" not in prompt(model)


def test_korean_gets_no_hint(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("저는 그 집을 봤어요.")
    made = engine(runtime, model, monkeypatch)
    ask(made, "I saw the house.", source="en", target="ko")
    assert prompt(model) == "I saw the house."


def test_portuguese_is_read_through_english(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("저는 그 집을 봤어요.")
    made = engine(runtime, model, monkeypatch)
    assert ask(made, "Eu vi a casa.", source="pt", target="ko") == ["저는 그 집을 봤어요."]
    assert prompt(model) == "I saw the house."


def test_portuguese_is_written_through_english(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("I saw the house.")
    made = engine(runtime, model, monkeypatch)
    assert ask(made, "저는 그 집을 봤어요.", source="ko", target="pt") == ["Eu vi a casa."]
    assert prompt(model) == "Korean: 저는 그 집을 봤어요.\nEnglish:"


def test_korean_reaches_spanish_through_english(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("I saw the house.", "Vi la casa.")
    made = engine(runtime, model, monkeypatch)
    assert ask(made, "저는 그 집을 봤어요.", source="ko", target="es") == ["Vi la casa."]
    assert "Portuguese: Eu vi a casa." in prompt(model, 1)


def test_no_pivot_without_firefox(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("저는 그 집을 봤어요.")
    made = engine(runtime, model, monkeypatch)

    def missing(cls: type[Firefox], runtime: Runtime) -> None:
        raise AssetMissing("no weights")

    monkeypatch.setattr(Firefox, "check", classmethod(missing))
    ask(made, "Eu vi a casa.", source="pt", target="ko")
    assert prompt(model) == "Eu vi a casa."


def test_text_without_words_asks_nothing(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("x")
    made = engine(runtime, model, monkeypatch)
    assert ask(made, "", "  ", "42", "♪♪", source="en", target="ko") == ["", "", "42", "♪♪"]
    assert model.asked == []


def test_long_texts_go_in_pieces(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel(lambda question: f"Es {'una cosa muy larga ' * (len(question) // 20)}.")
    made = engine(runtime, model, monkeypatch, portuguese_hint=False, retries=0)
    ask(made, "This is a long sentence about a thing. " * 50, source="en", target="es")
    assert len(model.asked) >= 4
    assert all(len(prompt(model, i)) < 500 for i in range(len(model.asked)))


def test_results_come_one_by_one(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("저는 그 집을 봤어요.")
    made = engine(runtime, model, monkeypatch)
    requests = [TranslationRequest(id=i, text="I saw the house.") for i in "ab"]
    results = made.translate(requests, source="en", target="ko", summary=Summary())
    next(results)
    assert len(model.asked) == 1


def test_cancel_between_sentences(runtime: Runtime, monkeypatch: Any) -> None:
    made = engine(runtime, FakeModel("저는 그 집을 봤어요."), monkeypatch)
    requests = [TranslationRequest(id=i, text="I saw the house.") for i in "ab"]
    results = made.translate(requests, source="en", target="ko", summary=Summary())
    next(results)
    runtime.cancel.cancel()
    with pytest.raises(Cancelled):
        next(results)


def test_one_language_is_refused(runtime: Runtime) -> None:
    made = Llama(Llama.Params(), runtime)
    assert not made.supports("pt-BR", "pt-PT")
    with pytest.raises(EngineRefused):
        made.translate([], source="es", target="es-419", summary=Summary())


def test_shorten_leaves_what_fits(runtime: Runtime, monkeypatch: Any) -> None:
    model = FakeModel("x")
    made = engine(runtime, model, monkeypatch)
    request = TranslationRequest(id="a", text="I saw it.", previous="Lo vi.", budget=20)
    (found,) = made.shorten([request], source="en", target="es", summary=Summary())
    assert (found.text, found.problems, model.asked) == ("Lo vi.", (), [])


class TestWindows:
    """A model that can do more than one sentence at a time."""

    TEXTS = ("I saw the house.", "Where is the garden?")

    def answer(self, *texts: str) -> str:
        lines = [{"id": n, "text": text} for n, text in enumerate(texts, 1)]
        return json.dumps({"lines": lines})

    def test_several_lines_are_one_question_in_a_schema(
        self, runtime: Runtime, monkeypatch: Any
    ) -> None:
        model = FakeModel(self.answer("Vi la casa.", "¿Dónde está el jardín?"))
        made = engine(runtime, model, monkeypatch, method="window")
        assert made.uses_context
        assert ask(made, *self.TEXTS, source="en", target="es") == [
            "Vi la casa.",
            "¿Dónde está el jardín?",
        ]
        (asked,) = model.asked
        assert asked["schema"]["required"] == ["lines"]
        assert (asked["temperature"], asked["seed"]) == (0.0, 0)

    def test_a_retry_is_asked_with_some_chance(self, runtime: Runtime, monkeypatch: Any) -> None:
        second = json.dumps({"lines": [{"id": 2, "text": "¿Dónde está el jardín?"}]})
        model = FakeModel(self.answer("Vi la casa."), second)
        made = engine(runtime, model, monkeypatch, method="window")
        assert ask(made, *self.TEXTS, source="en", target="es")[1] == "¿Dónde está el jardín?"
        assert model.asked[1]["temperature"] > 0
        assert model.asked[1]["seed"] == 1

    def test_review(self, runtime: Runtime, monkeypatch: Any) -> None:
        request = TranslationRequest(id="a", text=self.TEXTS[0], previous="Miré casa.")
        said = '{"lines": [{"id": 1, "issues": ["grammar"], "text": "Vi la casa."}]}'
        made = engine(runtime, FakeModel(said), monkeypatch, method="window")
        (found,) = made.review([request], source="en", target="es", summary=Summary())
        assert found.text == "Vi la casa."

    def test_the_carried_model_leaves_a_review_alone(
        self, runtime: Runtime, monkeypatch: Any
    ) -> None:
        request = TranslationRequest(id="a", text=self.TEXTS[0], previous="Miré casa.")
        model = FakeModel("x")
        made = engine(runtime, model, monkeypatch)
        (found,) = made.review([request], source="en", target="es", summary=Summary())
        assert (found.text, model.asked) == ("Miré casa.", [])

    def test_summary_with_notes_on_speakers(self, runtime: Runtime, monkeypatch: Any) -> None:
        notes = [{"id": "S1", "note": "A guide."}, {"id": "S7", "note": "Nobody."}]
        told = {"synopsis": "A tour.", "register": "formal", "terms": [], "speakers": notes}
        made = engine(runtime, FakeModel(json.dumps(told)), monkeypatch, method="window")
        segment = Segment(id="a", start=0, end=1, speaker="S1", text=self.TEXTS[0])
        assert made.summarize([segment], language="en").speakers == {"S1": "A guide."}

    def test_auto_is_windows_for_a_model_of_ones_own(self, runtime: Runtime) -> None:
        assert not Llama(Llama.Params(), runtime).uses_context
        assert Llama(Llama.Params(model="my.gguf"), runtime).uses_context
        own = Llama.Params(model="my.gguf", method="sentence")
        assert not Llama(own, runtime).uses_context


def test_a_missed_term_is_reported(runtime: Runtime, monkeypatch: Any) -> None:
    made = engine(runtime, FakeModel("Vi la casa."), monkeypatch)
    for becomes, problems in (("casa", ()), ("hogar", ("glossary",))):
        request = TranslationRequest(id="a", text="I saw the house.", terms=(("house", becomes),))
        (found,) = made.translate([request], source="en", target="es", summary=Summary())
        assert found.problems == problems


def test_unknown_setting_values_are_refused(runtime: Runtime) -> None:
    with pytest.raises(ConfigError, match=r"translation\.llama\.quality"):
        registry.parse_params("translation", "llama", Llama, {"quality": "superb"})


@pytest.mark.parametrize(
    ("content", "error"), [(None, AssetMissing), (b"", AssetDamaged), (b"hello" * 99, AssetDamaged)]
)
def test_a_model_path_that_is_no_model(
    tmp_path: Path, runtime: Runtime, content: bytes | None, error: type[Exception]
) -> None:
    path = tmp_path / "my model.gguf"
    if content is not None:
        path.write_bytes(content)
    made = Llama(Llama.Params(model=str(path)), runtime)
    request = TranslationRequest(id="a", text="I saw the house.")
    with pytest.raises(error) as caught:
        list(made.translate([request], source="en", target="ko", summary=Summary()))
    assert "my model.gguf" in str(caught.value)
    assert caught.value.hint


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(AssetMissing):
        check_file(tmp_path, mend="give a file")


def test_fingerprint_tells_files_apart(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in "abc")
    one.write_bytes(b"GGUF" + b"1" * 10)
    two.write_bytes(b"GGUF" + b"1" * 11)
    three.write_bytes(b"GGUF" + b"2" * 10)
    assert len({fingerprint(path) for path in (one, two, three)}) == 3
    assert fingerprint(one) == fingerprint(one)
    with pytest.raises(AssetMissing):
        fingerprint(tmp_path / "none")


def test_identity_changes_with_what_decides_the_answer(
    runtime: Runtime, monkeypatch: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    plain = engine(runtime, FakeModel("x"), monkeypatch).identity()
    best = engine(runtime, FakeModel("x"), monkeypatch, quality="best").identity()
    own = engine(runtime, FakeModel("x"), monkeypatch, model=str(path)).identity()
    unaided = engine(
        runtime, FakeModel("x"), monkeypatch, portuguese_hint=False, pivot=False
    ).identity()
    assert plain["firefox"] is not None
    assert unaided["firefox"] is None
    found = [plain, best, own, unaided]
    assert all(a != b for i, a in enumerate(found) for b in found[i + 1 :])
    assert str(tmp_path) not in repr(own)
