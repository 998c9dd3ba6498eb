import json
from pathlib import Path

import pytest

from onevoice.engines.base import CancelToken, Runtime
from onevoice.engines.translation.summary import join, parse, read_film, read_transcript, spread
from onevoice.engines.translation.windows import Reply
from onevoice.errors import EngineFailed
from onevoice.types import Segment, Summary
from tests.unit.engines.translation.fake_model import FakeModel

TRANSCRIPT = "Mary Smith bought a Canon camera in Canada."


def answer(**values: object) -> str:
    return json.dumps({"synopsis": "A camera.", "register": "informal", "terms": [], **values})


def test_parse() -> None:
    found = parse(answer(terms=["Canon", "Canada", "Nikon", "canada"]), TRANSCRIPT)
    assert found == Summary(synopsis="A camera.", register="informal", terms=("Canon", "Canada"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        '{"a":' * 3_000 + "}",
        '{"synopsis": 3, "register": "loud", "terms": "x"}',
        '{"a',
    ],
)
def test_odd_answers_make_an_empty_summary(text: str) -> None:
    assert parse(text, TRANSCRIPT) == Summary()


def test_odd_terms_are_left_out() -> None:
    found = parse(answer(terms=[None, 3, "", "...", "anon", "Mary Smith"]), TRANSCRIPT)
    assert found.terms == ("Mary Smith",)


def test_notes_are_of_speakers_that_were_heard() -> None:
    notes = [
        {"id": "S1", "note": "A host.\ud83d"},
        {"id": "", "note": "Nobody."},
        {"id": ["S1"], "note": "x"},
        {"id": "S9", "note": "x"},
        {"id": "S2", "note": None},
        "x",
    ]
    found = parse(answer(speakers=notes), TRANSCRIPT, {"S1", "S2", ""})
    assert found.speakers == {"S1": "A host."}


def test_what_a_model_says_is_bounded() -> None:
    long = "Canon " * 2_000
    found = parse(answer(synopsis=long, terms=[long.strip()]), long, ())
    assert len(found.synopsis) <= 600
    assert found.terms == ()


def test_thoughts_are_no_summary() -> None:
    assert parse("so {a} it is</think>" + answer(), TRANSCRIPT).synopsis == "A camera."


class Reads:
    """A model that says much of everything; keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, messages: list[dict[str, str]], **_: object) -> Reply:
        self.asked.append(messages[-1]["content"])
        data = json.loads(self.asked[-1])
        names = {line["speaker"] for line in data.get("transcript", [])}
        names |= {note["id"] for part in data.get("parts", []) for note in part["speakers"]}
        notes = [{"id": name, "note": "Talks a lot. " * 20} for name in sorted(names)]
        return Reply(text=answer(synopsis="A film. " * 80, terms=["Canada"], speakers=notes))


def test_three_hours_are_read_in_bounded_requests(tmp_path: Path) -> None:
    said = "We went to Canada and saw the lake, and then it rained again for hours."
    segments = tuple(
        Segment(id=f"s{n}", speaker=f"S{n % 4 + 1}", start=n * 4.0, end=n * 4 + 3.5, text=said)
        for n in range(2_700)
    )
    chat = Reads()
    runtime = Runtime(models_dir=tmp_path)
    found = read_film(chat, segments, language="en", runtime=runtime, at_once=1, part=2_500)
    assert max(map(len, chat.asked)) < 2 * 2_500
    whole = len(said) * len(segments)
    assert whole / 2_500 < len(chat.asked) < 4 * whole / 2_500
    assert set(found.speakers) == {"S1", "S2", "S3", "S4"}
    assert found.terms == ("Canada",)


def test_one_endless_segment_is_read_in_parts(tmp_path: Path) -> None:
    segment = Segment(id="s", speaker="S1", start=0, end=900, text="We saw Canada. " * 2_000)
    chat = Reads()
    runtime = Runtime(models_dir=tmp_path)
    read_film(chat, [segment], language="en", runtime=runtime, at_once=1, part=2_500)
    assert max(map(len, chat.asked)) < 2 * 2_500


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
        def complete(self, *args: object, **options: object) -> None:
            raise EngineFailed("broke")

    assert read_transcript(Broken("x"), ["Some text."], language="en", cancel=CancelToken()) == (
        Summary()
    )


def test_nothing_said_asks_nothing() -> None:
    model = FakeModel("x")
    assert read_transcript(model, [], language="en", cancel=CancelToken()) == Summary()
    assert model.asked == []
