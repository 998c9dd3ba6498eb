"""The global fit: known answers for small films, and properties for any film."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from onevoice.config import TimingSettings
from onevoice.errors import DoesNotFit, StageError
from onevoice.timing import (
    Fit,
    Window,
    budget_characters,
    cost,
    fit,
    greedy,
    needed_rate,
)
from onevoice.types import Placement

SETTINGS = TimingSettings(
    min_rate=0.9,
    preferred_rate=1.1,
    fast_rate=1.25,
    max_rate=1.35,
    gap=0.08,
    breath=0.08,
    tolerance=0.2,
    off_screen_tolerance=0.2,
    start_weight=3.0,
    late_weight=10.0,
    end_weight=1.0,
    rate_weight=1.5,
    fast_weight=10.0,
)
CLOSE = 1e-5  # the solver's feasibility tolerance is 1e-7, results are rounded to 1e-6


def window(
    name: str,
    start: float,
    end: float,
    natural: float | None = None,
    *,
    speaker: str = "S1",
    on_screen: bool = True,
    latest_end: float = math.inf,
) -> Window:
    return Window(
        id=name,
        start=start,
        end=end,
        speaker=speaker,
        natural=end - start if natural is None else natural,
        on_screen=on_screen,
        latest_end=latest_end,
    )


def placed(result: Fit) -> dict[str, Placement]:
    return {p.line: p for p in result.placements}


# --- known answers -------------------------------------------------------------------------


def test_no_lines_need_no_programme() -> None:
    assert fit([], SETTINGS, end=10.0) == Fit(placements=())
    assert greedy([], SETTINGS, end=10.0) == ()


def test_lines_of_the_right_length_stay_where_they_are() -> None:
    windows = [window("a", 1.0, 3.0), window("b", 3.02, 5.0), window("c", 8.0, 9.5, speaker="S2")]
    result = fit(windows, SETTINGS, end=10.0)
    for line, p in zip(windows, result.placements, strict=True):
        assert (p.line, p.natural, p.stretch) == (line.id, line.natural, 1.0)
        assert p.start == pytest.approx(line.start, abs=CLOSE)
        assert p.end == pytest.approx(line.end, abs=CLOSE)
    assert result.cost == pytest.approx(0.0, abs=1e-6)
    assert result.too_fast == result.over_limit == ()


def test_a_short_line_is_slowed_no_further_than_min_rate() -> None:
    (p,) = fit([window("a", 2.0, 8.0, 1.8)], SETTINGS, end=10.0).placements
    assert p.start == pytest.approx(2.0, abs=CLOSE)
    assert p.rate >= SETTINGS.min_rate - 1e-4
    assert p.end < 4.1


@pytest.mark.parametrize(
    ("natural", "rate"),
    [(5.5, 1.0), (5.0, 1.0), (4.75, 0.95), (1.8, 0.9)],
)
def test_a_short_line_off_screen_is_slowed_only_where_it_leaves_a_hole(
    natural: float, rate: float
) -> None:
    line = window("a", 2.0, 8.0, natural, on_screen=False)
    (p,) = fit([line], SETTINGS, end=10.0).placements
    assert p.start == pytest.approx(2.0, abs=CLOSE)
    assert p.rate == pytest.approx(rate, abs=2e-3)
    assert needed_rate(line, 10.0, SETTINGS) == pytest.approx(rate)


def test_a_long_line_runs_on_into_silence_rather_than_fast() -> None:
    (p,) = fit([window("a", 2.0, 4.0, 4.0)], SETTINGS, end=20.0).placements
    assert p.start == pytest.approx(2.0, abs=CLOSE)
    assert p.rate <= SETTINGS.preferred_rate + 1e-4


def test_a_crowded_line_borrows_from_its_neighbours() -> None:
    """b alone would need 1.3x; its neighbours have room, so nobody is fast."""
    windows = [window("a", 1.0, 4.0, 2.2), window("b", 4.1, 6.1, 2.6), window("c", 6.2, 9.0, 2.4)]
    result = fit(windows, SETTINGS, end=12.0)
    assert result.too_fast == ()
    assert max(p.rate for p in greedy(windows, SETTINGS, end=12.0)) > SETTINGS.fast_rate


def test_speakers_may_overlap_as_far_as_the_source_did_and_no_further() -> None:
    windows = [window("a", 0.0, 5.0, 6.5), window("b", 4.5, 7.0, 3.5, speaker="S2")]
    p = placed(fit(windows, SETTINGS, end=8.0))
    assert p["a"].end - p["b"].start == pytest.approx(0.5, abs=CLOSE)
    same = placed(fit([windows[0], replace(windows[1], speaker="S1")], SETTINGS, end=12.0))
    assert same["a"].end <= same["b"].start + CLOSE


def test_an_interjection_inside_a_long_line_keeps_its_place() -> None:
    windows = [window("a", 0.0, 10.0), window("b", 3.0, 3.6, speaker="S2"), window("c", 10.5, 12.0)]
    p = placed(fit(windows, SETTINGS, end=13.0))
    assert p["b"].start == pytest.approx(3.0, abs=CLOSE)
    assert p["a"].end == pytest.approx(10.0, abs=CLOSE)


@pytest.mark.parametrize("latest_end", [5.0, 4.0])
def test_a_line_gets_faster_rather_than_run_over_a_cut(latest_end: float) -> None:
    line = window("a", 2.0, 4.0, 4.0)
    (free,) = fit([line], SETTINGS, end=20.0).placements
    assert free.end > 5.1
    result = fit([replace(line, latest_end=latest_end)], SETTINGS, end=20.0)
    (p,) = result.placements
    assert p.end == pytest.approx(latest_end, abs=CLOSE)
    assert p.rate <= SETTINGS.max_rate + 1e-4
    assert result.over_cut == ()


def test_a_cut_that_cannot_be_kept_is_reported() -> None:
    """Neither the film's begin nor max_rate leaves room before it."""
    result = fit([window("a", 0.5, 2.0, 4.0, latest_end=2.0)], SETTINGS, end=20.0)
    (p,) = result.placements
    assert result.over_cut == ("a",)
    assert p.start == pytest.approx(0.0, abs=CLOSE)
    assert p.rate == pytest.approx(SETTINGS.max_rate, abs=1e-4)
    assert result.over_limit == ()


@pytest.mark.parametrize("latest_end", [1.0, 3.0, 4.0])
def test_a_line_that_ran_over_the_cut_may_end_with_its_window(latest_end: float) -> None:
    result = fit([window("a", 2.0, 4.0, 2.6, latest_end=latest_end)], SETTINGS, end=9.0)
    (p,) = result.placements
    assert p.end == pytest.approx(4.0, abs=CLOSE)
    assert result.over_cut == ()


def test_a_latest_end_that_is_no_number_is_refused() -> None:
    with pytest.raises(StageError):
        fit([window("a", 0.0, 1.0, latest_end=math.nan)], SETTINGS, end=9.0)


@pytest.mark.parametrize(
    ("second", "speaker", "silence"),
    [
        (4.6, "S1", 0.3),  # 0.6 s in the source: a breath is kept
        (4.15, "S1", 0.15),  # never more than the source had
        (4.6, "S2", 0.3),
    ],
)
def test_a_breath_is_kept_where_the_source_had_one(
    second: float, speaker: str, silence: float
) -> None:
    settings = SETTINGS.model_copy(update={"breath": 0.3})
    windows = [window("a", 1.0, 4.0, 3.7), window("b", second, second + 3.0, speaker=speaker)]
    a, b = fit(windows, settings, end=20.0).placements
    assert b.start - a.end == pytest.approx(silence, abs=CLOSE)


def test_a_breath_gives_way_before_a_line_is_too_fast() -> None:
    settings = SETTINGS.model_copy(update={"breath": 0.5})
    room = 3.6 - SETTINGS.gap
    windows = [window("a", 1.0, 4.0, room * 1.25), window("b", 4.6, 7.6)]
    result = fit(windows, settings, end=20.0)
    a, b = result.placements
    assert b.start == pytest.approx(4.6, abs=CLOSE)
    assert SETTINGS.gap - CLOSE <= b.start - a.end < 0.5
    assert result.too_fast == ()


def test_off_screen_a_start_may_be_off_by_more() -> None:
    settings = SETTINGS.model_copy(update={"off_screen_tolerance": 0.6})

    def late(off: float, *, on_screen: bool) -> float:
        line = window("a", 1.0, 4.0, on_screen=on_screen)
        there = Placement(line="a", start=1.0 + off, length=3.0, natural=3.0)
        return cost([there], [line], settings, end=9.0)

    assert late(0.2, on_screen=False) == pytest.approx(late(0.2, on_screen=True) / 2)
    step_on = late(0.6, on_screen=True) - late(0.2, on_screen=True)
    step_off = late(0.6, on_screen=False) - late(0.2, on_screen=False)
    dearer = SETTINGS.start_weight + SETTINGS.late_weight + SETTINGS.end_weight
    assert step_on == pytest.approx(0.4 * dearer, rel=1e-2)
    assert step_off == pytest.approx(
        0.4 * 0.5 * (SETTINGS.start_weight + SETTINGS.end_weight), rel=1e-2
    )


def test_order_holds_between_speakers_who_overlapped() -> None:
    """p is long and holds a back; b may overlap p a little, and still must not overtake a."""
    windows = [
        window("p", 0.0, 1.4, 3.0),
        window("a", 1.3, 2.3),
        window("b", 1.35, 2.3, speaker="S2"),
    ]
    p = placed(fit(windows, SETTINGS, end=6.0))
    assert p["a"].start >= p["p"].end - CLOSE
    assert p["b"].start >= p["a"].start - CLOSE


def test_equal_deviations_of_two_lines_do_not_cost_exactly_the_same() -> None:
    """Or the optimum would not be unique, and an edit could move lines far away."""
    costs = [
        cost(
            [Placement(line=name, start=2.0, length=3.0, natural=3.0)],
            [window(name, 1.0, 4.0)],
            SETTINGS,
            end=9.0,
        )
        for name in ("s0001", "s0002")
    ]
    assert costs[0] != costs[1]
    assert costs[0] == pytest.approx(costs[1], rel=1e-3)


def test_an_empty_line_takes_no_time() -> None:
    windows = [window("a", 1.0, 2.0), window("b", 2.1, 3.0, 0.0), window("c", 3.1, 4.0)]
    p = placed(fit(windows, SETTINGS, end=5.0))
    assert (p["b"].length, p["b"].rate) == (0.0, 1.0)
    assert p["c"].start == pytest.approx(3.1, abs=CLOSE)


@pytest.mark.parametrize(
    ("line", "end"),
    [
        (window("a", 0.0, 100.0, 5.0), 6.0),
        (window("a", -3.0, 2.0, 2.0), 6.0),
        (window("a", 9.0, 12.0, 3.0), 6.0),
    ],
    ids=["longer than the film", "before it", "after it"],
)
def test_a_window_beyond_the_film_is_placed_inside(line: Window, end: float) -> None:
    (p,) = fit([line], SETTINGS, end=end).placements
    assert p.start >= 0
    assert p.end <= end + CLOSE
    assert p.rate <= SETTINGS.max_rate + 1e-4


def test_lines_without_room_are_reported_and_share_the_burden() -> None:
    windows = [window(f"l{i}", 2.0 * i, 2.0 * i + 1.9, 3.0) for i in range(4)]
    result = fit(windows, SETTINGS, end=8.0)
    assert set(result.over_limit) == {"l0", "l1", "l2", "l3"}
    assert set(result.too_fast) >= set(result.over_limit)
    # 12 s of speech in 8 s less three gaps is 1.56x; one step of the cost allows 1.6875x
    assert max(p.rate for p in result.placements) <= 1.6875 + 1e-3
    assert result.placements[-1].end <= 8.0 + CLOSE


def test_no_room_at_all_is_an_error_with_figures() -> None:
    with pytest.raises(DoesNotFit, match=r"1 lines? holds? 60\.0 s of speech.* 5\.0 s") as caught:
        fit([window("a", 0.0, 4.0, 60.0)], SETTINGS, end=5.0)
    assert "shorten" in caught.value.hint


@pytest.mark.parametrize("end", [0.0, -1.0, float("nan"), float("inf")])
def test_a_film_without_length_is_an_error(end: float) -> None:
    with pytest.raises(DoesNotFit):
        fit([window("a", 0.0, 1.0)], SETTINGS, end=end)


@pytest.mark.parametrize(
    "windows",
    [
        [window("a", 2.0, 1.0, 1.0)],
        [window("a", 0.0, 1.0, -1.0)],
        [window("a", float("nan"), 1.0, 1.0)],
        [window("a", 0.0, float("inf"), 1.0)],
        [window("a", 0.0, 1.0), window("a", 2.0, 3.0)],
    ],
    ids=["ends before it starts", "negative speech", "nan", "infinite", "same id twice"],
)
def test_what_is_no_window_is_refused(windows: list[Window]) -> None:
    with pytest.raises(StageError) as caught:
        fit(windows, SETTINGS, end=10.0)
    assert caught.value.hint


def test_weights_of_nothing_still_give_a_fit() -> None:
    careless = TimingSettings(
        start_weight=0, late_weight=0, end_weight=0, rate_weight=0, fast_weight=0, tolerance=0
    )
    windows = [window("a", 1.0, 2.0, 1.5), window("b", 2.1, 3.0, 1.0)]
    a, b = fit(windows, careless, end=6.0).placements
    assert a.end <= b.start + CLOSE


# --- a line by itself ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "next_start", "rate"),
    [
        (window("a", 0.0, 4.0, 4.2), 10.0, 1.05),  # fills its window
        (window("a", 0.0, 4.0, 6.0), 10.0, 1.1),  # then runs on
        (window("a", 0.0, 4.0, 6.0), 5.08, 1.2),  # 6 s in 5 s, and the gap
        (window("a", 0.0, 4.0, 6.0), 4.0, 1.5),  # not limited: shows what is missing
        (window("a", 0.0, 4.0, 6.0), 1.0, 1.5),  # its own window counts when others overlap it
        (window("a", 0.0, 4.0, 1.0), 10.0, 0.9),
        (window("a", 0.0, 4.0, 3.0, on_screen=False), 10.0, 1.0),
        (window("a", 0.0, 4.0, 2.85, on_screen=False), 10.0, 0.95),  # all but a second of it
        (window("a", 0.0, 4.0, 0.0), 10.0, 1.0),
        (window("a", 0.0, 4.0, 6.0, latest_end=5.0), 10.0, 1.2),  # until the cut
        (window("a", 0.0, 4.0, 6.0, latest_end=1.0), 10.0, 1.5),
        (window("a", 2.0, 2.0, 1.0), 10.0, 1.1),
        (window("a", 2.0, 2.0, 1.0), 2.0, float("inf")),
    ],
)
def test_needed_rate(line: Window, next_start: float, rate: float) -> None:
    assert needed_rate(line, next_start, SETTINGS) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("natural", "characters", "span", "budget"),
    [
        (4.0, 60, 4.0, 66),  # 15 characters a second, a tenth faster
        (4.0, 60, 2.0, 33),
        (0.0, 60, 2.0, 60),
        (4.0, 0, 2.0, 1),
        (4.0, 60, 0.0, 1),
    ],
)
def test_budget(natural: float, characters: int, span: float, budget: int) -> None:
    assert budget_characters(natural, characters, span, SETTINGS) == budget


# --- properties ----------------------------------------------------------------------------


@st.composite
def films(draw: st.DrawFn) -> tuple[list[Window], float]:
    """Up to ten lines of three speakers, touching, apart or overlapping, and the film's end."""
    at, windows = 0.0, []
    tenths = st.integers(0, 60).map(lambda n: n / 10)
    for i in range(draw(st.integers(1, 10))):
        start = max(0.0, at + draw(st.integers(-15, 30)) / 10)
        length, factor = draw(tenths), draw(st.sampled_from([0.0, 0.3, 0.8, 1.0, 1.17, 1.4, 2.1]))
        windows.append(
            window(
                f"s{i}",
                start,
                start + length,
                length * factor,
                speaker=draw(st.sampled_from(["S1", "S1", "S2", "S3"])),
                on_screen=draw(st.booleans()),
                latest_end=start + draw(st.sampled_from([0.5, 3.0, 6.5, math.inf, math.inf])),
            )
        )
        at = start + length
    last = max(w.end for w in windows)
    return windows, last + draw(st.sampled_from([0.1, 1.0, 20.0]))


def in_order(windows: list[Window]) -> list[Window]:
    return sorted(windows, key=lambda w: (w.start, w.end, w.id))


@run(max_examples=150, deadline=None)
@given(films())
def test_a_fit_keeps_its_promises(film: tuple[list[Window], float]) -> None:
    windows, end = film
    try:
        result = fit(windows, SETTINGS, end=end)
    except DoesNotFit:
        # only where three times max_rate is not enough, gaps included
        least = sum(w.natural for w in windows) / (3 * SETTINGS.max_rate)
        assert least + SETTINGS.gap * len(windows) > min(end, end - min(w.start for w in windows))
        return
    lines, places = in_order(windows), result.placements
    assert [p.line for p in places] == [w.id for w in lines]
    assert places[0].start >= 0
    assert all(p.end <= end + CLOSE for p in places)
    assert all(a.start <= b.start + CLOSE for a, b in pairwise(places))
    for i, (early, p) in enumerate(zip(lines, places, strict=True)):
        for late, q in zip(lines[i + 1 :], places[i + 1 :], strict=True):
            lead = 0.0 if early.speaker == late.speaker else max(0.0, early.end - late.start)
            assert p.end - q.start <= lead + CLOSE
    for (early, late), (p, q) in zip(pairwise(lines), pairwise(places), strict=True):
        gap = min(SETTINGS.gap, max(0.0, late.start - early.end))
        if early.end <= late.start:
            assert q.start - p.end >= gap - CLOSE
    for p in places:
        if p.natural > 0.05:
            assert p.rate >= SETTINGS.min_rate - 1e-3
            assert (
                p.rate <= SETTINGS.max_rate * (1 if p.line not in result.over_limit else 3) + 2e-3
            )
            assert (p.rate > SETTINGS.fast_rate + 2e-3) <= (p.line in result.too_fast)
    for line, p in zip(lines, places, strict=True):
        beyond = p.end - max(line.latest_end, line.end)
        assert (beyond > 2e-3) <= (line.id in result.over_cut) <= (beyond > 0.5e-3)
    assert result.cost == pytest.approx(cost(places, windows, SETTINGS, end=end), abs=1e-9)


@run(max_examples=150, deadline=None)
@given(films())
def test_never_worse_than_greedy(film: tuple[list[Window], float]) -> None:
    windows, end = film
    baseline = greedy(windows, SETTINGS, end=end)
    if baseline[-1].end > end or max(p.end for p in baseline) > end:
        end = max(p.end for p in baseline)  # room enough that the baseline is feasible
        baseline = greedy(windows, SETTINGS, end=end)
        end = max(end, *(p.end for p in baseline))
    best = fit(windows, SETTINGS, end=end)
    assert best.cost <= cost(baseline, windows, SETTINGS, end=end) + 1e-4


@run(max_examples=40, deadline=None)
@given(films(), st.integers(0, 2**32))
def test_the_order_of_the_input_does_not_matter(
    film: tuple[list[Window], float], seed: int
) -> None:
    windows, end = film
    shuffled = random.Random(seed).sample(windows, len(windows))
    try:
        assert fit(shuffled, SETTINGS, end=end) == fit(windows, SETTINGS, end=end)
    except DoesNotFit:
        with pytest.raises(DoesNotFit):
            fit(shuffled, SETTINGS, end=end)


@run(max_examples=60, deadline=None)
@given(films(), st.floats(0.0, 30.0))
def test_more_room_never_costs_more(film: tuple[list[Window], float], more: float) -> None:
    windows, end = film
    try:
        tight = fit(windows, SETTINGS, end=end).cost
    except DoesNotFit:
        return
    assert fit(windows, SETTINGS, end=end + more).cost <= tight + 1e-4


@run(max_examples=60, deadline=None)
@given(films(), films(), st.floats(0.0, 3.0))
def test_an_edit_moves_nothing_beyond_a_long_silence(
    first: tuple[list[Window], float], second: tuple[list[Window], float], factor: float
) -> None:
    silence = 200.0  # ten lines of at most 13 s cannot fill it
    far = [
        replace(w, id=f"far {w.id}", start=w.start + silence, end=w.end + silence)
        for w in second[0]
    ]
    end = 2 * silence + max(w.end for w in far)
    edited = [replace(first[0][0], natural=first[0][0].natural * factor), *first[0][1:]]
    before = placed(fit([*first[0], *far], SETTINGS, end=end))
    after = placed(fit([*edited, *far], SETTINGS, end=end))
    for w in far:
        assert after[w.id].start == pytest.approx(before[w.id].start, abs=CLOSE)
        assert after[w.id].length == pytest.approx(before[w.id].length, abs=CLOSE)


def test_thousands_of_lines_are_one_programme() -> None:
    """Two thousand lines, a tenth too long for their slot: still no overlap and few are fast."""
    draw = random.Random(1)
    windows, at = [], 0.0
    for i in range(2000):
        length = draw.uniform(0.8, 6.0)
        windows.append(window(f"s{i:04d}", at, at + length, length * draw.uniform(0.9, 1.35)))
        at += length + draw.uniform(0.1, 1.5)
    result = fit(windows, SETTINGS, end=at)
    assert all(a.end <= b.start + CLOSE for a, b in pairwise(result.placements))
    assert len(result.too_fast) < 0.05 * len(windows)
    assert result.over_limit == ()
