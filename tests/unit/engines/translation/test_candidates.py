import pytest

from onevoice.engines.base import CancelToken
from onevoice.engines.translation.candidates import (
    Candidate,
    Search,
    closest,
    faithful_names,
    longest_answer,
)
from onevoice.engines.translation.model import Completion
from onevoice.errors import Cancelled
from tests.unit.engines.translation.fake_model import FakeModel


def search(model: FakeModel, source: str = "en", target: str = "ko") -> Search:
    return Search(model, source=source, target=target, synopsis="", cancel=CancelToken())


def last_turns(model: FakeModel) -> list[str]:
    return [call["messages"][-1]["content"] for call in model.asked]


def test_a_clean_first_answer_is_taken() -> None:
    model = FakeModel("저는 그걸 정말 좋아해요.")
    found = search(model).first_clean("I like it a lot.", hint="", retries=3)
    assert found == Candidate("저는 그걸 정말 좋아해요.")
    assert len(model.asked) == 1
    assert model.asked[0]["temperature"] == 0.0


def test_a_wrong_answer_is_retried_in_stricter_letters_then_with_chance() -> None:
    model = FakeModel(
        "그것은 flea 시장이었어요.", "그것은 flea 시장이에요.", "그것은 벼룩시장이었어요."
    )
    found = search(model).first_clean("It was a flea market.", hint="", retries=3)
    assert found == Candidate("그것은 벼룩시장이었어요.")
    assert [call["temperature"] for call in model.asked] == [0.0, 0.0, 0.6]
    assert "A-Za-z" in model.asked[0]["grammar"]
    assert "A-Za-z" not in model.asked[1]["grammar"]


def test_a_leaking_hint_is_left_out() -> None:
    model = FakeModel("Você pode ver el tiempo.", "Puedes ver la hora.")
    found = search(model, target="es").first_clean(
        "You can see the time.", hint="Você pode ver a hora.", retries=3
    )
    assert found == Candidate("Puedes ver la hora.")
    first, second = last_turns(model)
    assert "Portuguese: Você pode ver a hora." in first
    assert "Portuguese" not in second


def test_the_least_bad_answer_is_kept_and_named() -> None:
    model = FakeModel("OK", "그는 집에 일찍 돌아가서 푹 잤다.", "OK")
    found = search(model).first_clean("He went home early and slept well.", hint="", retries=2)
    assert found == Candidate("그는 집에 일찍 돌아가서 푹 잤다.", ("impolite",))


def test_without_retries_there_is_one_answer() -> None:
    model = FakeModel("OK")
    found = search(model).first_clean("Please say nothing but OK now.", hint="", retries=0)
    assert len(model.asked) == 1
    assert "length" in found.problems


def test_a_cut_answer_is_asked_again_against_repetition() -> None:
    model = FakeModel(Completion("네 네 " * 30, cut=True), "저는 거기에 가고 싶어요.")
    found = search(model).first_clean("I want to go there.", hint="", retries=2)
    assert found.problems == ()
    assert model.asked[1]["repeat_penalty"] > 1


def test_an_answer_that_the_model_doubts_is_compared() -> None:
    doubtful = Completion("그는 파란 집을 팔아요.", cut=False, confidence=-1.2)

    def back(question: str) -> str:
        return "I like the red car." if "빨간" in question else "He sells a blue house."

    model = FakeModel(doubtful, "저는 빨간 차를 좋아해요.", back)
    found = search(model).first_clean("I like the red car.", hint="", retries=1)
    assert found.text == "저는 빨간 차를 좋아해요."


def test_doubt_has_an_end() -> None:
    doubtful = [
        Completion(f"그는 집을 {n}채 팔아요.", cut=False, confidence=-1.2) for n in range(9)
    ]
    model = FakeModel(*doubtful)
    search(model).first_clean("He sells a house.", hint="", retries=8)
    answers, backs = 3, 3
    assert len(model.asked) == answers + backs


def test_best_takes_what_translates_back_closest() -> None:
    def back(question: str) -> str:
        return "I like the red car." if "빨간" in question else "He sells a blue house."

    model = FakeModel(
        "그는 파란 집을 팔아요.", "저는 빨간 차를 좋아해요.", *["그는 파란 집을 팔아요."] * 3, back
    )
    found = search(model).best("I like the red car.", hint="")
    assert found.text == "저는 빨간 차를 좋아해요."
    assert [call["seed"] for call in model.asked[:5]] == [0, 0, 1, 2, 3]


def test_control_tokens_never_reach_the_prompt_and_come_back() -> None:
    text = "The token <|im_end|> ends the turn."
    model = FakeModel("El símbolo ‹|im_end|› termina el turno.")
    found = search(model, target="es").first_clean(text, hint="", retries=0)
    assert all("<|" not in m["content"] for call in model.asked for m in call["messages"])
    assert found.text == "El símbolo <|im_end|> termina el turno."


def test_cancel_stops_between_attempts() -> None:
    cancel = CancelToken()
    model = FakeModel("OK")
    cancel.cancel()
    with pytest.raises(Cancelled):
        Search(model, source="en", target="ko", synopsis="", cancel=cancel).first_clean(
            "A sentence to translate.", hint="", retries=2
        )


def test_closest_prefers_the_first_of_equals() -> None:
    one, two = Candidate("가"), Candidate("나")
    assert closest("x", [one, two], lambda _: "same") is one


def test_names_must_sound_like_themselves() -> None:
    kept = Candidate("메리는 Canada에 가요.", ("latin_names",))
    wrong = Candidate("메리는 칼리나에 가요.")
    right = Candidate("메리는 캐나다에 가요.")
    text = "So Mary goes to Canada."
    assert faithful_names(text, [kept, wrong, right]) == [kept, right]
    assert faithful_names(text, [wrong]) == [wrong]


def test_longest_answer_grows_with_the_text() -> None:
    assert longest_answer("", "ko") > 8
    assert longest_answer("a" * 100, "ko") > longest_answer("a" * 100, "es") > 60
    assert longest_answer("가" * 40, "es") > longest_answer("a" * 40, "es")
