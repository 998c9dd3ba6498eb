from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onevoice.engines.synthesis.pace import PaceCurve

# Twice the setting is less than twice the pace, as with pauses that do not shrink.
CURVE = PaceCurve(speeds=(0.5, 1.0, 2.0), pace=(8.0, 14.0, 24.0), neutral=1.0)


@pytest.mark.parametrize(
    ("rate", "speed"),
    [
        (1.0, 1.0),
        (24 / 14, 2.0),
        (8 / 14, 0.5),
        (19 / 14, 1.5),
        (9.0, 2.0),
        (0.01, 0.5),
    ],
)
def test_speed_is_read_off_the_curve(rate: float, speed: float) -> None:
    assert CURVE.speed_for(rate) == pytest.approx(speed)


@settings(deadline=None)
@given(st.floats(0.1, 5), st.floats(0.1, 5))
def test_a_higher_rate_never_asks_for_a_lower_speed(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert CURVE.speed_for(low) <= CURVE.speed_for(high)


def test_natural_rate_is_the_pace_at_the_neutral_speed() -> None:
    assert PaceCurve(speeds=(1, 2), pace=(10, 20), neutral=1.5).natural == pytest.approx(15)


@pytest.mark.parametrize(
    ("speeds", "pace", "neutral"),
    [
        ((1.0,), (10.0,), 1.0),
        ((1.0, 2.0), (10.0, 10.0), 1.0),
        ((2.0, 1.0), (10.0, 20.0), 1.5),
        ((1.0, 2.0), (10.0, 20.0, 30.0), 1.0),
        ((1.0, 2.0), (10.0, 20.0), 2.5),
    ],
)
def test_a_curve_that_cannot_be_inverted_is_no_curve(
    speeds: tuple[float, ...], pace: tuple[float, ...], neutral: float
) -> None:
    with pytest.raises(ValueError):
        PaceCurve(speeds=speeds, pace=pace, neutral=neutral)
