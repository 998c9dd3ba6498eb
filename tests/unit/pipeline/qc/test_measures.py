"""Timelines whose measures are known beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onevoice.pipeline.qc import measures
from onevoice.pipeline.qc.measures import ScriptLine
from onevoice.pipeline.qc.spans import Span, common, distance, iou, length, union, without


def line(
    name: str, window: Span, *placements: Span, rate: float | None = None, kept: bool = False
) -> ScriptLine:
    return ScriptLine(
        id=name, window=window, placements=placements, text="one two three four", rate=rate,
        kept=kept, trimmed=0.0 if placements else None,
    )  # fmt: skip


TALK = (
    line("a", (1.0, 3.0), (1.2, 2.8), rate=1.0),
    line("b", (4.0, 6.0), (4.0, 6.5), rate=1.3),
    line("c", (7.0, 8.0), (6.9, 8.0), rate=1.25),
)
VOICE = ((1.0, 3.0), (4.0, 6.0), (7.0, 8.0))


# --- sets of time ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "shared"),
    [
        ([(0, 1)], [(1, 2)], []),
        ([(0, 2)], [(1, 3)], [(1, 2)]),
        ([(0, 10)], [(1, 2), (3, 4)], [(1, 2), (3, 4)]),
        ([(0, 1), (2, 5)], [(0.5, 3), (4, 9)], [(0.5, 1), (2, 3), (4, 5)]),
        ([], [(0, 1)], []),
    ],
)
def test_what_two_sets_share(a: list[Span], b: list[Span], shared: list[Span]) -> None:
    assert common(a, b) == shared
    assert common(b, a) == shared


def test_what_one_set_lacks_of_another() -> None:
    assert without([(0, 10)], [(1, 2), (9, 12)]) == [(0, 1), (2, 9)]
    assert without([(0, 1)], []) == [(0, 1)]
    assert without([(0, 1)], [(0, 1)]) == []


def test_seconds_covered_twice_count_once() -> None:
    assert length([(0, 2), (1, 3)]) == 3
    assert union([(2, 3)], [(0, 1), (1, 2)]) == [(0, 3)]


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        ([(0, 2)], [(0, 2)], 1.0),
        ([(0, 2)], [(1, 3)], 1 / 3),
        ([(0, 1)], [(2, 3)], 0.0),
        ([(0, 1), (2, 3)], [(0, 3)], 2 / 3),
        ([], [], None),
    ],
)
def test_intersection_over_union(a: list[Span], b: list[Span], share: float | None) -> None:
    assert iou(a, b) == (None if share is None else pytest.approx(share))


def test_distance_to_the_nearest_span() -> None:
    assert distance([(1, 2), (5, 6)], 1.5) == 0
    assert distance([(1, 2), (5, 6)], 4.0) == 1
    assert distance([], 4.0) == float("inf")


# --- lines ----------------------------------------------------------------------------------


def test_offsets_are_signed_and_gaps_too() -> None:
    a, b, c = TALK
    assert measures.start_offset(a) == pytest.approx(0.2)
    assert measures.end_offset(a) == pytest.approx(-0.2)
    assert measures.start_offset(c) == pytest.approx(-0.1)
    assert measures.end_offset(b) == pytest.approx(0.5)
    assert measures.gaps(TALK) == {"a": pytest.approx(1.2), "b": pytest.approx(0.4)}
    late = replace(b, placements=((4.0, 7.1),))
    assert measures.gaps((a, late, c))["b"] == pytest.approx(-0.2)
    assert measures.start_offset(line("d", (9, 10))) is None


def test_offsets_of_phrases_are_those_of_the_first_and_the_last() -> None:
    both = line("a", (1.0, 5.0), (1.1, 2.0), (3.0, 5.3))
    assert measures.start_offset(both) == pytest.approx(0.1)
    assert measures.end_offset(both) == pytest.approx(0.3)


def test_voice_activity_belongs_to_one_line_only() -> None:
    a, b = line("a", (1.0, 2.0)), line("b", (2.2, 3.0))
    voices = measures.voices_of([b, a], [(0.9, 3.2)])
    assert voices["a"][0] == pytest.approx((0.9, 2.1))
    assert voices["b"][0] == pytest.approx((2.1, 3.2))
    assert measures.voices_of([a], [(5.0, 6.0)])["a"] == []


# --- the programme --------------------------------------------------------------------------


def test_the_measures_of_a_known_timeline() -> None:
    found = measures.time_measures(TALK, VOICE)
    assert found["lines"] == 3
    assert found["coverage"] == pytest.approx(4.6 / 5)
    assert found["overlap"] == pytest.approx((1.6 / 2 + 2 / 2.5 + 1 / 1.1) / 3)
    assert found["start_offset_p50"] == pytest.approx(0.1)
    assert found["start_offset_p95"] == pytest.approx(0.2)
    assert found["end_offset_p95"] == pytest.approx(0.5)
    assert found["rate"] == pytest.approx((1 + 1.3 + 1.25) / 3)
    assert found["max_rate"] == 1.3
    assert found["too_fast"] == 1
    assert found["too_fast_share"] == pytest.approx(1 / 3)
    assert (found["holes"], found["hole_seconds"], found["longest_hole"]) == (0, 0, 0)
    assert (found["trimmed_seconds"], found["trimmed_words"]) == (0, 0)


def test_a_hole_is_speech_that_nobody_dubbed_or_kept() -> None:
    lines = (TALK[0], line("b", (4.0, 6.0)), TALK[2])
    assert measures.holes(lines, VOICE) == [(4.0, 6.0)]
    found = measures.time_measures(lines, VOICE)
    assert (found["holes"], found["hole_seconds"], found["longest_hole"]) == (1, 2, 2)
    assert found["coverage"] == pytest.approx(2.6 / 5)
    kept = (TALK[0], line("b", (4.0, 6.0), kept=True), TALK[2])
    assert measures.holes(kept, VOICE) == []
    assert measures.coverage(kept, VOICE) == pytest.approx(2.6 / 3)


@pytest.mark.parametrize(("seconds", "found"), [(0.49, 0), (0.5, 1), (0.8, 1)])
def test_half_a_second_makes_a_hole(seconds: float, found: int) -> None:
    lines = (line("a", (1.0, 3.0), (1.0, 3.0 - seconds)),)
    assert len(measures.holes(lines, [(1.0, 3.0)])) == found


def test_lines_that_were_said_in_turn_must_not_sound_at_once() -> None:
    in_turn = (line("a", (1, 2), (1, 2.5)), line("b", (2, 3), (2.2, 3)))
    assert measures.overlapped_seconds(in_turn) == pytest.approx(0.3)
    at_once = (line("a", (1, 2.6), (1, 2.5)), line("b", (2, 3), (2.2, 3)))
    assert measures.overlapped_seconds(at_once) == 0
    assert measures.overlapped_seconds(TALK) == 0


def test_overlap_is_found_beyond_the_next_line() -> None:
    lines = (line("a", (1, 2), (1, 9)), line("b", (3, 4), (3, 4)), line("c", (5, 6), (5, 6)))
    assert measures.overlapped_seconds(lines) == pytest.approx(2)


def test_a_word_that_is_begun_counts_as_cut() -> None:
    cut = replace(line("a", (1, 3), (1, 3)), trimmed=0.6)  # 0.3 of four words
    assert measures.trimmed_words((cut, TALK[1])) == 2
    assert measures.trimmed_words((line("a", (1, 3)),)) is None


def test_what_is_not_known_is_none() -> None:
    heard = tuple(replace(x, rate=None, trimmed=None) for x in TALK)
    found = measures.time_measures(heard, VOICE)
    for name in ("rate", "max_rate", "too_fast", "too_fast_share", "trimmed_seconds"):
        assert found[name] is None
    silent = measures.time_measures((line("a", (1, 2)),), ())
    assert silent["lines"] == 0
    for name in ("coverage", "overlap", "start_offset_p50"):
        assert silent[name] is None


@pytest.mark.parametrize(
    ("q", "value"), [(0.0, 1), (0.2, 1), (0.21, 2), (0.5, 3), (0.95, 5), (1.0, 5)]
)
def test_quantiles_are_values_that_were_measured(q: float, value: int) -> None:
    assert measures.quantile([5, 3, 1, 2, 4], q) == value
    assert measures.quantile([], q) is None
