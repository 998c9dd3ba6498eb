"""Subtitles that somebody brings become lines over the speech they translate."""

from __future__ import annotations

from onevoice.pipeline.bring import lines_from_cues
from onevoice.subtitles import Cue
from onevoice.types import Segment


def segment(id_: str, start: float, end: float, keep: bool = False) -> Segment:
    return Segment(id=id_, start=start, end=end, speaker="S1", text=f"said {id_}", keep=keep)


def test_one_to_one() -> None:
    made = lines_from_cues(
        [segment("a", 0, 2), segment("b", 3, 5)],
        [Cue(start=0.1, end=2.2, text="uno"), Cue(start=3, end=5, text="dos")],
    )
    assert [(line.id, line.text, line.start, line.end) for line in made.lines] == [
        ("a", "uno", 0, 2),
        ("b", "dos", 3, 5),
    ]
    assert made.silent == ()


def test_two_cues_for_one_sentence_are_joined() -> None:
    made = lines_from_cues(
        [segment("a", 0, 4)],
        [Cue(start=0, end=2, text="uno\ny medio"), Cue(start=2, end=4, text="dos")],
    )
    assert [line.text for line in made.lines] == ["uno y medio dos"]


def test_one_cue_for_two_sentences_covers_both() -> None:
    made = lines_from_cues(
        [segment("a", 0, 2), segment("b", 2.2, 4)], [Cue(start=0, end=4, text="todo")]
    )
    (line,) = made.lines
    assert (line.id, line.start, line.end, line.source) == ("a", 0, 4, "said a said b")


def test_a_segment_without_a_cue_keeps_its_sound_and_is_named() -> None:
    made = lines_from_cues(
        [segment("a", 0, 2), segment("b", 3, 5)], [Cue(start=0, end=2, text="uno")]
    )
    assert made.lines[1].keep
    assert made.silent == ("b",)


def test_a_cue_without_speech_has_its_own_times() -> None:
    made = lines_from_cues([segment("a", 0, 2)], [Cue(start=8, end=9, text="rótulo")])
    added = made.lines[-1]
    assert (added.text, added.start, added.end) == ("rótulo", 8, 9)


def test_a_kept_segment_stays_kept() -> None:
    made = lines_from_cues([segment("a", 0, 2, keep=True)], [Cue(start=0, end=2, text="uno")])
    assert made.lines[0].keep


def test_a_voice_that_a_person_silenced_is_silent_unless_a_cue_speaks() -> None:
    voice = Segment(id="k0001", start=3, end=4, speaker="S1", text="", reason="voice")
    made = lines_from_cues([segment("a", 0, 2), voice], [Cue(start=0, end=2, text="uno")])
    assert [(line.id, line.text, line.keep) for line in made.lines][1] == ("k0001", "", False)
    assert made.silent == ()


def test_japanese_gets_no_blanks_and_korean_does() -> None:
    said = [segment("s1", 0, 4)]
    for cues, text in (
        (("今日は、\n晴れ", "です。"), "今日は、晴れです。"),
        (("오늘 날씨가\n좋아요.", "네."), "오늘 날씨가 좋아요. 네."),
        (("Hola,\n amigos", ""), "Hola, amigos"),
    ):
        made = lines_from_cues(
            said, [Cue(start=2 * i, end=2 * i + 2, text=cue) for i, cue in enumerate(cues)]
        )
        assert [line.text for line in made.lines] == [text]
