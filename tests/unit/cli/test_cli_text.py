from __future__ import annotations

from pathlib import Path

import pytest

from onevoice.cli import text
from onevoice.cli.parse import parse_age, parse_size, parse_time
from onevoice.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\ttab\r", r"two\nlines\ttab\r"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("[red]markup[/red]", "[red]markup[/red]"),
        ("이야기 “quoted” 'x'", "이야기 “quoted” 'x'"),
        ("bad\udc80byte", r"bad\udc80byte"),
        ("cod\u202e4pm.exe", r"cod\u202e4pm.exe"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_literal(given: str, shown: str) -> None:
    assert text.literal(given) == shown


def test_paths_below_the_current_folder_are_relative(here: Path) -> None:
    assert text.path(here / "a" / "b\n.mp4") == r"a/b\n.mp4"
    assert text.path(here.parent) == str(here.parent)
    assert text.path(Path("as given")) == "as given"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (59.7, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.9, "1 h 00 min"),
    ],
)
def test_seconds(value: float, shown: str) -> None:
    assert text.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0:00.0"), (59.96, "1:00.0"), (3723.5, "1:02:03.5")]
)
def test_clock(value: float, shown: str) -> None:
    assert text.clock(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (145_217_532, "145 MB"), (3.2e12, "3.2 TB")],
)
def test_size(value: float, shown: str) -> None:
    assert text.size(value) == shown


@pytest.mark.parametrize(
    ("given", "count"),
    [("5GB", 5_000_000_000), ("1.5 m", 1_500_000), ("0", 0), ("12", 12), ("3 KiB", 3000)],
)
def test_parse_size(given: str, count: int) -> None:
    assert parse_size(given) == count


@pytest.mark.parametrize(("given", "days"), [("30", 30), ("30d", 30), ("2w", 14), ("12h", 0.5)])
def test_parse_age(given: str, days: float) -> None:
    assert parse_age(given) == days


@pytest.mark.parametrize(
    ("given", "value"), [("12.5", 12.5), ("90", 90), ("1:02,5", 62.5), ("1:02:03", 3723)]
)
def test_parse_time(given: str, value: float) -> None:
    assert parse_time(given) == value


@pytest.mark.parametrize("parse", [parse_size, parse_age, parse_time])
@pytest.mark.parametrize("given", ["", "x", "-1", "1e3x", "1:2:3:4", "nan", "inf"])
def test_what_is_no_number_is_refused(parse: object, given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(given)
    assert caught.value.hint


def test_seconds_of_a_clock_time_end_at_60() -> None:
    with pytest.raises(ConfigError):
        parse_time("1:75")
