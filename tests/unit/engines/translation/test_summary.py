import json

import pytest

from onevoice.engines.base import CancelToken
from onevoice.engines.translation.summary import join, parse, read_transcript, spread
from onevoice.errors import EngineFailed
from onevoice.types import Summary
from tests.unit.engines.translation.fake_model import FakeModel

TRANSCRIPT = "Mary Smith bought a Canon camera in Canada."


def answer(**values: object) -> str:
    return json.dumps({"synopsis": "A camera.", "register": "informal", "terms": [], **values})


def test_parse() -> None:
    found = parse(answer(terms=["Canon", "Canada", "Nikon", "canada"]), TRANSCRIPT)
    assert found == Summary(synopsis="A camera.", register="informal", terms=("Canon", "Canada"))


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "null", "{}", '{"synopsis": 3, "register": "loud", "terms": "x"}', '{"a'],
)
def test_odd_answers_make_an_empty_summary(text: str) -> None:
    assert parse(text, TRANSCRIPT) == Summary()


def test_odd_terms_are_left_out() -> None:
    found = parse(answer(terms=[None, 3, "", "...", "anon", "Mary Smith"]), TRANSCRIPT)
    assert found.terms == ("Mary Smith",)


def test_a_long_synopsis_is_two_sentences() -> None:
    assert parse(answer(synopsis="One. Two.\nThree."), TRANSCRIPT).synopsis == "One. Two."


def test_join_takes_first_synopsis_usual_register_and_all_terms() -> None:
    parts = [
        Summary(register="formal", terms=("A",)),
        Summary(synopsis="Two.", register="informal", terms=("B", "A")),
        Summary(synopsis="Three.", register="informal"),
    ]
    assert join(parts) == Summary(synopsis="Two.", register="informal", terms=("A", "B"))
    assert join([]) == Summary()


def test_spread() -> None:
    assert spread(list("abc"), 4) == ["a", "b", "c"]
    assert spread(list("abcdefgh"), 4) == ["a", "c", "e", "g"]


def test_long_transcripts_are_read_in_windows() -> None:
    texts = [f"Sentence number {i} is about Canada." for i in range(2_000)]
    model = FakeModel(answer(terms=["Canada"]))
    found = read_transcript(model, texts, language="en", cancel=CancelToken())
    assert len(model.asked) == 4
    assert found.terms == ("Canada",)


def test_a_failing_model_makes_an_empty_summary() -> None:
    class Broken(FakeModel):
        def complete(self, *args: object, **options: object) -> None:  # type: ignore[override]
            raise EngineFailed("broke")

    assert read_transcript(Broken("x"), ["Some text."], language="en", cancel=CancelToken()) == (
        Summary()
    )


def test_nothing_said_asks_nothing() -> None:
    model = FakeModel("x")
    assert read_transcript(model, [], language="en", cancel=CancelToken()) == Summary()
    assert model.asked == []
