"""Money: what is held, what is spent, who is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from onevoice.engines.metering import (
    Meter,
    collecting,
    dollars,
    labelled,
    telling,
    total,
)
from onevoice.errors import BudgetExceeded
from onevoice.types import Usage


def used(usd: float) -> Usage:
    return Usage(engine="synthesis.x", model="m", unit="characters", quantity=1, usd=usd)


def test_without_a_limit_nothing_is_refused() -> None:
    meter = Meter()
    meter.record(used(1e6))
    with meter.hold(1e9, "a line"):
        assert meter.left is None
    assert meter.spent == 1e6


def test_the_limit_counts_what_is_spent_and_what_is_held() -> None:
    meter = Meter(1.0)
    meter.record(used(0.5))
    with meter.hold(0.3, "one"):
        assert meter.left == pytest.approx(0.2)
        with pytest.raises(BudgetExceeded, match=r"two would cost about \$0.25.*\$0.5 spent"):
            meter.require(0.25, "two")
        meter.require(0.2, "exactly what is left")
    meter.require(0.5, "what was held is free again")


def test_a_limit_of_nothing_refuses_everything_that_costs() -> None:
    meter = Meter(0.0)
    meter.require(0.0, "something free")
    with pytest.raises(BudgetExceeded):
        meter.require(0.0001, "something")


def test_what_is_held_is_freed_when_the_request_breaks() -> None:
    meter = Meter(1.0)
    with pytest.raises(ZeroDivisionError), meter.hold(1.0, "x"):
        _ = 1 / 0
    assert meter.left == 1.0


def test_collectors_are_nested_and_end() -> None:
    meter = Meter()
    with collecting() as outer:
        meter.record(used(1))
        with collecting() as inner:
            meter.record(used(2))
        meter.record(used(4))
    meter.record(used(8))
    assert total(outer) == 7
    assert total(inner) == 2
    assert meter.spent == 15


def test_labels_are_told_to_collectors_also_from_other_threads() -> None:
    meter = Meter()
    told: list[dict[str, str]] = []
    with (
        telling(lambda usage, labels: told.append(dict(labels))),
        labelled(stage="synthesize", language="es"),
        ThreadPoolExecutor(2) as threads,
    ):

        def work(line: str) -> None:
            with labelled(line=line):
                meter.record(used(0.1))

        for line in ("s1", "s2"):
            threads.submit(copy_context().run, work, line).result()
        meter.record(used(0.1))
    assert told == [
        {"stage": "synthesize", "language": "es", "line": "s1"},
        {"stage": "synthesize", "language": "es", "line": "s2"},
        {"stage": "synthesize", "language": "es"},
    ]


def test_many_threads_lose_no_cent() -> None:
    meter = Meter()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: meter.record(used(0.01)), range(1000)))
    assert meter.spent == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(0, "$0"), (0.0004, "$0.0004"), (0.25, "$0.25"), (0.9951, "$1.00"), (12.346, "$12.35")],
)
def test_dollars(usd: float, shown: str) -> None:
    assert dollars(usd) == shown
