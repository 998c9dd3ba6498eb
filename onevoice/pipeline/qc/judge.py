"""Pass or fail: figures against their thresholds, and a report against what must not fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from onevoice.errors import ConfigError, QualityGateFailed
from onevoice.pipeline.qc.measures import UNITS
from onevoice.pipeline.qc.model import Limit, LineReport, Measure, Verdict, WarningReport
from onevoice.types import Warning_

ANY = "any"
"""In ``fail_on``: every measure that has a threshold."""
WARNINGS = (
    "edit_lost",
    "engine_replaced",
    "kept_song",
    "kept_voice",
    "language_uncertain",
    "line_after_end",
    "line_empty",
    "line_language",
    "line_missing",
    "line_over_cut",
    "line_over_limit",
    "line_too_fast",
    "line_too_long",
    "loudness_not_reached",
    "not_looked",
    "picture_unreadable",
    "round_trip_missing",
    "source_silent",
    "speakers_counted",
    "stems_not_separated",
    "translation_doubtful",
    "translation_draft",
    "translation_not_reviewed",
)
"""Codes of all warnings; a test looks for them in the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Something that ``fail_on`` names and that is not as it should be."""

    name: str
    message: str


def judge(value: float | None, limit: Limit | None) -> Verdict:
    """The verdict on one figure; without a figure or a limit there is none."""
    if value is None or limit is None or (limit.min is None and limit.max is None):
        return "none"
    return "pass" if limit.holds(value) else "fail"


def judged(
    values: Mapping[str, float | None], limits: Mapping[str, Limit]
) -> tuple[dict[str, Measure], Verdict]:
    """All measures of the programme with their verdicts, and the verdict on the whole."""
    measures = {
        name: Measure(
            value=values.get(name),
            unit=unit,
            threshold=limits.get(name),
            verdict=judge(values.get(name), limits.get(name)),
        )
        for name, unit in UNITS.items()
    }
    return measures, overall(measure.verdict for measure in measures.values())


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Of several: one that fails fails all; none that passes is none."""
    found = set(verdicts)
    return "fail" if "fail" in found else "pass" if "pass" in found else "none"


def line_flags(line: LineReport, limits: Mapping[str, Limit]) -> tuple[str, ...]:
    """Measures of a line that miss their limit."""
    return tuple(
        name for name, limit in limits.items() if judge(getattr(line, name), limit) == "fail"
    )


def breaches(
    programme: Mapping[str, Measure],
    warnings: Sequence[Warning_ | WarningReport],
    fail_on: Sequence[str],
) -> list[Breach]:
    """What of ``fail_on`` is not as it should be: measures by name, and warnings by code.

    A measure that is named and could not be taken counts as missed: a gate that cannot see must
    not let anything through.
    """
    found: list[Breach] = []
    for name, measure in programme.items():
        if measure.verdict == "fail" and (name in fail_on or ANY in fail_on):
            found.append(Breach(name=name, message=told(name, measure)))
        elif measure.value is None and name in fail_on:
            found.append(Breach(name=name, message=f"{name} could not be measured"))
    found += [Breach(name=w.code, message=w.message) for w in warnings if w.code in fail_on]
    return found


def gate(
    programme: Mapping[str, Measure],
    warnings: Sequence[Warning_ | WarningReport],
    fail_on: Sequence[str],
    report: Path,
) -> None:
    """Raise QualityGateFailed for a breach; ``report`` is where a person reads on."""
    missed = breaches(programme, warnings, fail_on)
    if missed:
        more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        raise QualityGateFailed(
            f"the dub misses what --fail-on names: {missed[0].message}{more}", hint=f"see {report}"
        )


def check_names(fail_on: Sequence[str]) -> None:
    """Raise ConfigError for a name that is no measure and no warning: it would gate nothing."""
    known = (ANY, *UNITS, *WARNINGS)
    for name in fail_on:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise ConfigError(
                f"there is no measure or warning called {name!r} to fail on",
                hint=f"did you mean {near[0]}?" if near else f"measures: {', '.join(UNITS)}",
            )


def needs_round_trip(fail_on: Sequence[str]) -> bool:
    """Whether a gate asks for what only a recogniser can tell."""
    return bool({"cer", "wer"} & set(fail_on))


def told(name: str, measure: Measure) -> str:
    """A measure in words: ``cer is 0.31, at most 0.15 is asked for``."""
    unit = f" {measure.unit}" if measure.unit else ""
    wanted = f", {measure.threshold} is asked for" if measure.threshold else ""
    value = "not known" if measure.value is None else f"{measure.value:g}{unit}"
    return f"{name} is {value}{wanted}"
