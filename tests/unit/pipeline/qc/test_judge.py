from __future__ import annotations

import re
from pathlib import Path

import pytest

from onevoice.errors import ConfigError, QualityGateFailed
from onevoice.pipeline.qc import judge
from onevoice.pipeline.qc.measures import LINE_MEASURES, UNITS
from onevoice.pipeline.qc.model import Limit, LineReport, Measure, Verdict
from onevoice.pipeline.qc.thresholds import load_thresholds
from onevoice.types import Warning_

PACKAGE = Path(judge.__file__).parents[2]
HERE = Path("report.es.json")


@pytest.mark.parametrize(
    ("value", "limit", "verdict"),
    [
        (0.5, Limit(max=1), "pass"),
        (1.0004, Limit(max=1), "pass"),  # a thousandth is what reports show
        (1.001, Limit(max=1), "fail"),
        (0.9, Limit(min=1), "fail"),
        (1.5, Limit(min=1, max=2), "pass"),
        (None, Limit(max=1), "none"),
        (5.0, None, "none"),
        (5.0, Limit(), "none"),
    ],
)
def test_verdicts(value: float | None, limit: Limit | None, verdict: Verdict) -> None:
    assert judge.judge(value, limit) == verdict


def test_one_that_fails_fails_all() -> None:
    limits = {"cer": Limit(max=0.1), "coverage": Limit(min=0.8)}
    measures, verdict = judge.judged({"cer": 0.5, "coverage": 1.0}, limits)
    assert verdict == "fail"
    assert (measures["cer"].verdict, measures["coverage"].verdict) == ("fail", "pass")
    assert list(measures) == list(UNITS)
    assert judge.judged({}, {})[1] == "none"
    assert judge.judged({"cer": 0.0}, {"cer": Limit(max=0.1)})[1] == "pass"


def test_lines_are_flagged_by_the_measures_that_miss() -> None:
    line = LineReport(id="s1", window=(0, 1), rate=1.4, overlap=0.9, cer=None)
    limits = {"rate": Limit(max=1.25), "overlap": Limit(min=0.5), "cer": Limit(max=0.1)}
    assert judge.line_flags(line, limits) == ("rate",)


# --- the gate -------------------------------------------------------------------------------

PROGRAMME = {
    "cer": Measure(value=0.5, threshold=Limit(max=0.1), verdict="fail"),
    "overlap": Measure(value=0.9, threshold=Limit(min=0.5), verdict="pass"),
    "wer": Measure(value=None),
    "lra": Measure(value=12.0, unit="LU"),
}
WARNING = Warning_(code="line_too_fast", message="spoken at 1.30x", line="s0001")


@pytest.mark.parametrize(
    ("fail_on", "missed"),
    [
        ((), []),
        (("overlap",), []),
        (("cer",), ["cer"]),
        (("any",), ["cer"]),
        (("lra",), []),
        (("wer",), ["wer"]),  # named, and not known
        (("line_too_fast",), ["line_too_fast"]),
        (("line_empty",), []),
        (("any", "line_too_fast"), ["cer", "line_too_fast"]),
    ],
)
def test_what_the_gate_stops(fail_on: tuple[str, ...], missed: list[str]) -> None:
    found = judge.breaches(PROGRAMME, [WARNING], fail_on)
    assert [breach.name for breach in found] == missed


def test_the_gate_says_what_was_measured_and_what_was_asked_for() -> None:
    with pytest.raises(QualityGateFailed) as caught:
        judge.gate(PROGRAMME, [WARNING], ("cer", "line_too_fast"), HERE)
    assert "cer is 0.5, at most 0.1 is asked for (and 1 more)" in caught.value.message
    assert str(HERE) in caught.value.hint
    judge.gate(PROGRAMME, [], ("overlap",), HERE)


def test_a_name_that_gates_nothing_is_an_error() -> None:
    judge.check_names(("any", "cer", "line_too_fast"))
    with pytest.raises(ConfigError) as caught:
        judge.check_names(("overlop",))
    assert "did you mean overlap?" in caught.value.hint


def test_the_codes_of_warnings_are_those_of_the_code() -> None:
    warned = re.compile(
        r'(?:\bwarn\((?:\s*job,\s*scope,)?|(?:Warning_|WarningReport)\(\s*code=)\s*"([a-z_]+)"'
    )
    parts = ("pipeline", "engines", "media", "audio")
    files = [path for part in parts for path in (PACKAGE / part).rglob("*.py")]
    codes = {code for path in files for code in warned.findall(path.read_text(encoding="utf-8"))}
    assert codes == set(judge.WARNINGS)


# --- thresholds -----------------------------------------------------------------------------


def test_the_carried_thresholds_name_what_is_measured() -> None:
    limits = load_thresholds()
    assert limits.name == "default"
    assert set(limits.programme) <= set(UNITS)
    assert set(limits.lines) <= set(LINE_MEASURES) <= set(LineReport.model_fields)
    assert limits.programme["overlapped_seconds"].max == 0
    assert limits.programme["trimmed_words"].max == 0


def test_a_file_of_ones_own_changes_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "strict.yaml"
    path.write_text("programme:\n  cer: {max: 0.05}\n  coverage: {}\n", encoding="utf-8")
    limits = load_thresholds(path)
    assert limits.name == "strict.yaml"
    assert limits.programme["cer"].max == 0.05
    assert limits.programme["coverage"] == Limit()
    assert limits.programme["true_peak"] == load_thresholds().programme["true_peak"]
    assert limits.lines == load_thresholds().lines


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("programme: {cerr: {max: 1}}", "did you mean cer?"),
        ("lines: {lufs: {max: 1}}", "there is no measure 'lufs'"),
        ("programme: {cer: {most: 1}}", "Extra inputs"),
        ("nothing: {}", "Extra inputs"),
        ("- a list", "holds no thresholds"),
        ("a: [", "is no YAML"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_thresholds(path)
    assert says in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_thresholds(tmp_path / "none.yaml")
