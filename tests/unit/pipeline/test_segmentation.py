"""Words become sentences: by punctuation, pauses and speaker."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from onevoice.config import SegmentationSettings
from onevoice.pipeline.segmentation import sane_words, segment
from onevoice.types import Diarization, Recognition, Segment, Speaker, Turn, Word

SETTINGS = SegmentationSettings(max_pause=1.2, min_pause=0.3, max_seconds=14.0)
ALONE = Diarization(speakers=(Speaker(id="S1"),), turns=())


def speech(text: str, *, word: float = 0.3, joined: bool = False) -> list[Word]:
    """Words of equal length, one after the other; "|1.5" in the text is a silence of 1.5 s."""
    words, at = [], 0.0
    for token in text.split():
        if token.startswith("|"):
            at += float(token[1:])
            continue
        words.append(Word(text=token, start=at, end=at + word, joined=joined and bool(words)))
        at += word
    return words


def segments(
    words: list[Word],
    *,
    language: str = "en",
    diarization: Diarization = ALONE,
    settings: SegmentationSettings = SETTINGS,
) -> tuple[Segment, ...]:
    recognition = Recognition(
        language=language,
        language_probability=1.0,
        words=tuple(words),
        duration=max((w.end for w in words), default=0.0) + 1.0,
    )
    return segment(recognition, diarization, settings)


def texts(text: str, language: str = "en", *, joined: bool = False) -> list[str]:
    return [s.text for s in segments(speech(text, joined=joined), language=language)]


def test_no_words_no_segments() -> None:
    assert segments([]) == ()
    assert segments([Word(text="  ", start=0.0, end=1.0)]) == ()


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "We have never |0.8 been to Disneyland in any other city. Have you been there?",
            ["We have never been to Disneyland in any other city.", "Have you been there?"],
        ),
        (
            "Yesterday Mr. Smith and Dr. Jones came. They left again.",
            ["Yesterday Mr. Smith and Dr. Jones came.", "They left again."],
        ),
        (
            "He lives in the U.S. Government pays him.",
            ["He lives in the U.S. Government pays him."],
        ),
        (
            "He lives in the U.S. |0.5 Nobody pays him now.",
            ["He lives in the U.S.", "Nobody pays him now."],
        ),
        ("Then came Mr. |0.5 Smith with her.", ["Then came Mr. Smith with her."]),
        ("She is older than I. Well she was.", ["She is older than I.", "Well she was."]),
        ("It grew by 3.5 percent this year.", ["It grew by 3.5 percent this year."]),
        ("Look at No. 5 over there. Now.", ["Look at No. 5 over there. Now."]),
        ("I said no. Five came back.", ["I said no.", "Five came back."]),
        ("At 5 p.m. today we will all go.", ["At 5 p.m. today we will all go."]),
        ("Well... maybe we should go now.", ["Well... maybe we should go now."]),
        ("Well then… maybe we should go.", ["Well then… maybe we should go."]),
        ("I am not sure... Maybe we should.", ["I am not sure...", "Maybe we should."]),
        ("“Why now?” he asked them all.", ["“Why now?” he asked them all."]),
        ("“Why not now?” They all said yes.", ["“Why not now?”", "They all said yes."]),
        ("Why not now? because I say so.", ["Why not now?", "because I say so."]),
        ("it was a long day |1.3 and then we slept", ["it was a long day", "and then we slept"]),
        ("He said yes! |0.1 She said no!", ["He said yes!", "She said no!"]),
    ],
)
def test_english_sentences(text: str, sentences: list[str]) -> None:
    assert texts(text) == sentences


@pytest.mark.parametrize(
    ("language", "text", "sentences"),
    [
        ("es", "Llegó el Sr. García. ¿Qué quiere él?", ["Llegó el Sr. García.", "¿Qué quiere él?"]),
        ("de", "Er kam am 3. Oktober zu uns.", ["Er kam am 3. Oktober zu uns."]),
        (
            "ko",
            "저는 학교에 갔어요 |0.7 친구를 만났어요",
            ["저는 학교에 갔어요", "친구를 만났어요"],
        ),
        ("ko", "저는 학교에 |0.7 갔어요 그리고 왔어요", ["저는 학교에 갔어요 그리고 왔어요"]),
        ("ko", "정말 그런가요? 네. 그래서 갔습니다.", ["정말 그런가요?", "네. 그래서 갔습니다."]),
        ("hi", "वह घर गया। हम भी गए।", ["वह घर गया।", "हम भी गए।"]),
    ],
)
def test_other_languages(language: str, text: str, sentences: list[str]) -> None:
    assert texts(text, language) == sentences


@pytest.mark.parametrize(
    ("language", "text", "sentences"),
    [
        ("ja", "今日 は 寒い 。 明日 も 寒い 。", ["今日は寒い。", "明日も寒い。"]),
        ("ja", "寒い で す |0.7 明日 も 寒い", ["寒いです", "明日も寒い"]),
        ("zh", "你 好 吗 ？ 我 很 好 。", ["你好吗？", "我很好。"]),
    ],
)
def test_languages_without_spaces(language: str, text: str, sentences: list[str]) -> None:
    assert texts(text, language, joined=True) == sentences


def test_ids_times_and_pauses() -> None:
    first, second = segments(speech("one two, |0.5 three |0.2 four five. |0.9 Six seven eight."))
    assert (first.id, second.id) == ("s0001", "s0002")
    assert (first.start, first.end) == (0.0, pytest.approx(2.2))
    (pause,) = first.pauses
    assert (pause.start, pause.end) == (pytest.approx(0.6), pytest.approx(1.1))
    assert first.text[: pause.offset] == "one two,"
    assert second.pauses == ()


# --- speakers ------------------------------------------------------------------------------


def turns(*spans: tuple[str, float, float]) -> Diarization:
    names = dict.fromkeys(name for name, _, _ in spans)
    return Diarization(
        speakers=tuple(Speaker(id=name) for name in names),
        turns=tuple(Turn(speaker=name, start=start, end=end) for name, start, end in spans),
    )


def by_speaker(text: str, *spans: tuple[str, float, float]) -> list[tuple[str, str]]:
    return [(s.speaker, s.text) for s in segments(speech(text), diarization=turns(*spans))]


def test_a_change_of_speaker_ends_a_sentence() -> None:
    spans = ("S1", 0.0, 0.9), ("S2", 0.9, 2.0)
    assert by_speaker("did you see no not me", *spans) == [
        ("S1", "did you see"),
        ("S2", "no not me"),
    ]


def test_a_word_goes_to_the_turn_that_covers_most_of_it_or_the_nearest() -> None:
    spans = ("S1", 0.0, 0.7), ("S2", 0.7, 1.2), ("S1", 9.0, 10.0)
    assert by_speaker("one two, three four, five. |1.3 late one here", *spans) == [
        ("S1", "one two,"),
        ("S2", "three four, five."),
        ("S2", "late one here"),
    ]


def test_a_flip_of_one_word_inside_a_sentence_is_smoothed() -> None:
    spans = ("S1", 0.0, 0.6), ("S2", 0.6, 0.9), ("S1", 0.9, 3.0)
    assert by_speaker("we went to the sea.", *spans) == [("S1", "we went to the sea.")]


def test_a_word_of_another_speaker_between_pauses_is_no_flip() -> None:
    spans = ("S1", 0.0, 0.8), ("S2", 1.0, 1.3), ("S1", 1.7, 3.0)
    assert by_speaker("we went |0.5 really |0.5 to the sea.", *spans) == [
        ("S1", "we went"),
        ("S2", "really"),
        ("S1", "to the sea."),
    ]


def test_a_turn_off_by_one_word_is_moved_to_the_sentence_end() -> None:
    spans = ("S1", 0.0, 0.95), ("S2", 0.95, 3.0)
    assert by_speaker("did you see it? No not me.", *spans) == [
        ("S1", "did you see it?"),
        ("S2", "No not me."),
    ]


def test_a_sentence_of_one_word_keeps_its_speaker() -> None:
    spans = ("S1", 0.0, 0.9), ("S2", 0.9, 1.2), ("S1", 1.2, 3.0)
    assert by_speaker("did you go? Yes. Was it good?", *spans) == [
        ("S1", "did you go?"),
        ("S2", "Yes."),
        ("S1", "Was it good?"),
    ]


# --- length --------------------------------------------------------------------------------


def test_a_long_sentence_is_cut_at_its_best_pause() -> None:
    text = " ".join(["so"] * 25 + ["|0.9"] + ["and"] * 30)
    first, second = segments(speech(text))
    assert set(first.text.split()) == {"so"}
    assert set(second.text.split()) == {"and"}


def test_without_a_pause_it_is_cut_at_a_comma_near_the_middle() -> None:
    text = " ".join(["so,"] + ["so"] * 24 + ["so,"] + ["and"] * 30)
    first, second = segments(speech(text))
    assert first.text.endswith("so so,")
    assert set(second.text.split()) == {"and"}


def test_without_either_it_is_cut_in_the_middle() -> None:
    first, second = segments(speech(" ".join(["so"] * 56)))
    assert len(first.text) == len(second.text)


def test_scraps_join_a_neighbour_only_across_a_breath_or_in_mid_sentence() -> None:
    assert texts("Yes. |0.1 I think it was.") == ["Yes. I think it was."]
    assert texts("Yes. |0.5 I think it was.") == ["Yes.", "I think it was."]
    assert texts("so |1.5 we all went home.") == ["so we all went home."]
    assert texts("so |1.9 we all went home.") == ["so", "we all went home."]


# --- times ---------------------------------------------------------------------------------


def test_a_stretched_first_word_keeps_its_end_and_a_last_one_its_start() -> None:
    words = [
        Word(text="So", start=0.0, end=4.0),
        Word(text="we", start=4.0, end=4.2),
        Word(text="went", start=4.2, end=4.5),
        Word(text="home.", start=4.5, end=9.0),
        Word(text="Then", start=9.0, end=9.3),
    ]
    so, _, _, home, _ = sane_words(words, 20.0)
    assert so.end == 4.0
    assert so.start > 3.5
    assert home.start == 4.5
    assert home.end < 5.5


def test_a_long_number_is_not_taken_for_a_stretched_word() -> None:
    words = [*speech("it cost them about"), Word(text="2,500,000", start=1.2, end=3.0)]
    assert sane_words(words, 5.0)[-1].end == 3.0


def test_broken_times_are_mended() -> None:
    words = [
        Word(text="a", start=-1.0, end=0.2),
        Word(text="b", start=0.1, end=0.1),
        Word(text="c", start=0.05, end=0.6),
        Word(text="d", start=0.5, end=0.4),
        Word(text="e", start=5.0, end=9.0),
        Word(text="f", start=9.0, end=9.0),
    ]
    sane = sane_words(words, 3.0)
    assert [w.text for w in sane] == list("abcdef")
    assert sane[0].start >= 0
    assert sane[-1].end <= 3.0


times = st.floats(-1.0, 40.0)
tokens = st.sampled_from(["so", "yes.", "Mr.", "why?", "3.5", "갔다", "네.", "。", "well...", "—"])


@run(max_examples=150, deadline=None)
@given(
    st.lists(
        st.builds(Word, text=tokens, start=times, end=times, joined=st.booleans()), max_size=40
    ),
    st.lists(
        st.builds(Turn, speaker=st.sampled_from(["S1", "S2"]), start=times, end=times), max_size=5
    ),
    st.sampled_from(["en", "ko", "ja", "de"]),
)
def test_no_word_is_lost_whatever_the_recogniser_says(
    words: list[Word], spans: list[Turn], language: str
) -> None:
    heard = Recognition(
        language=language, language_probability=1.0, words=tuple(words), duration=30.0
    )
    who = Diarization(speakers=(Speaker(id="S1"), Speaker(id="S2")), turns=tuple(spans))
    found = segment(heard, who, SETTINGS)
    assert "".join(s.text for s in found).replace(" ", "") == "".join(w.text for w in words)
    for s in found:
        assert 0 <= s.start < s.end <= 30.0 + 1e-9
        assert s.end - s.start <= SETTINGS.max_seconds or " " not in s.text
        for pause in s.pauses:
            assert s.start < pause.start < pause.end < s.end
            assert 0 < pause.offset < len(s.text)
    for a, b in pairwise(found):
        assert a.end <= b.start + 1e-9


def test_a_change_of_language_ends_a_sentence() -> None:
    words = speech("He greets her buenos días and then")
    words[3:5] = [replace(word, language="es") for word in words[3:5]]
    found = segments(words)
    assert [(s.text, s.language) for s in found] == [
        ("He greets her", ""),
        ("buenos días", "es"),
        ("and then", ""),
    ]


def test_a_scrap_in_another_language_stays_by_itself() -> None:
    words = speech("He says sí and leaves")
    words[2] = replace(words[2], language="es")
    assert [s.text for s in segments(words)] == ["He says", "sí", "and leaves"]
