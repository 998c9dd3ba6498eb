import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.engines.translation.chrf import chrf


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("the cat", "the cat", 1.0),
        ("The  CAT", "the cat", 1.0),
        ("abc", "xyz", 0.0),
        ("", "abc", 0.0),
        ("", "", 1.0),
        # One order only: two of three letters shared, so precision = recall = F = 2/3.
        ("abx", "aby", None),
    ],
)
def test_known_values(hypothesis: str, reference: str, expected: float | None) -> None:
    if expected is None:
        assert chrf(hypothesis, reference, order=1) == pytest.approx(2 / 3)
    else:
        assert chrf(hypothesis, reference) == pytest.approx(expected)


def test_recall_weighs_more_than_precision() -> None:
    # By hand, order 1: "ab" against "abcd" has P=1, R=1/2; swapped P=1/2, R=1.
    assert chrf("ab", "abcd", order=1) == pytest.approx(5 * 0.5 / (4 * 1 + 0.5))
    assert chrf("abcd", "ab", order=1) == pytest.approx(5 * 0.5 / (4 * 0.5 + 1))


@given(st.text(max_size=40), st.text(max_size=40))
def test_is_a_share(a: str, b: str) -> None:
    assert 0.0 <= chrf(a, b) <= 1.0 + 1e-9
