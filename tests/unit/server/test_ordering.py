"""What a job may ask for, and what that costs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.config import Override, load_settings
from onevoice.errors import UnknownLanguage
from onevoice.server.billing.plans import Plans
from onevoice.server.errors import Invalid, PaymentRequired
from onevoice.server.jobs import offers, ordering
from onevoice.server.jobs.lines import changed_seconds
from onevoice.server.jobs.schemas import JobOptions
from onevoice.server.settings import ServerSettings

FREE = Plans.load().free


def test_languages_are_written_one_way_and_taken_once() -> None:
    assert ordering.wanted_languages(
        ["ES", "ko", "es", "pt-br"], "auto", Plans.load().plans[1]
    ) == [
        "es",
        "ko",
        "pt-BR",
    ]
    with pytest.raises(UnknownLanguage, match="xq"):
        ordering.wanted_languages(["xq"], "auto", FREE)
    with pytest.raises(Invalid, match="already speaks"):
        ordering.wanted_languages(["ko", "en-GB"], "en", FREE)
    with pytest.raises(PaymentRequired) as refused:
        ordering.wanted_languages(["es", "ko", "de"], "auto", FREE)
    assert refused.value.narrow_code == "plan_limit"
    assert len(ordering.wanted_languages(["es", "ES", "ko"], "auto", FREE)) == 2, "twice is once"


def test_a_profile_is_one_of_those_offered(tmp_path: Any) -> None:
    settings = ServerSettings(data_dir=tmp_path)
    assert ordering.wanted_profile(None, settings) == "embedded"
    for other in ("premium", "", "../embedded"):
        with pytest.raises(Invalid, match="offers no profile"):
            ordering.wanted_profile(other, settings)


def test_options_are_settings_of_the_engine() -> None:
    options = JobOptions(
        source_language="EN",
        speakers="auto",
        voices={"S1": {"es": "ef_dora"}, "*": "em_alex"},
        deliverables=["srt"],
    )
    tree = ordering.settings_of(options)
    read = load_settings(
        profile="embedded", overrides=[Override(key, value, "test") for key, value in tree.items()]
    )
    assert read.source.language == "en" and list(read.output.subtitles) == ["srt"]
    ordering.check_settings("embedded", ["es"], options)


def test_a_term_twice_is_refused() -> None:
    term = {"term": "One", "keep": True}
    with pytest.raises(Invalid, match=r"options.glossary, line 2: 'One'") as refused:
        ordering.check_settings(
            "embedded", ["es"], JobOptions.model_validate({"glossary": [term, term]})
        )
    assert "tmp" not in refused.value.message


@pytest.mark.parametrize(
    "text",
    ["a\u0085b", "\u2028", "😀", "한국어", "a: b # c", "!!python/object", "&x *x", '"', "\\"],
)
def test_a_term_is_text_whatever_it_says(text: str) -> None:
    """Between us and the engine lies YAML: nothing of it shows."""
    options = JobOptions.model_validate(
        {"glossary": [{"term": text, "translations": {"es": text}, "note": text}]}
    )
    try:
        ordering.check_settings("embedded", ["es"], options)
    except Invalid as exc:
        assert exc.narrow_code == "glossary", "refused with words, not with a crash"


def test_what_is_no_option() -> None:
    wrong: list[dict[str, Any]] = [
        {"speakers": 0},
        {"deliverables": []},
        {"voices": {"S1": 3}},
        {"quality": "best"},
        {"engine": "x"},
        {"glossary": [{"term": ""}]},
    ]
    for given_options in wrong:
        with pytest.raises(ValueError, match="validation error"):
            JobOptions.model_validate(given_options)


@pytest.mark.parametrize("voices", [
    {"S1": "ef_dorra"}, {"*": {"es": "ef_dorra"}}, {"S2": {"ko": "x"}, "S1": {"es": "ef_dorra"}},
    {"S1": {"es": "af_heart"}},
])  # fmt: skip
def test_a_voice_is_one_that_speaks_the_language(voices: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        ordering.check_settings("embedded", ["es"], JobOptions(voices=voices))
    assert refused.value.narrow_code == "voice_unknown"
    assert "Spanish" in refused.value.message
    assert "ef_dora" in (refused.value.hint or "")


def test_voices_of_other_languages_are_not_looked_at() -> None:
    voices = {"S1": {"es": "ef_dora", "ko": "nobody"}}
    ordering.check_settings("embedded", ["es"], JobOptions(voices=voices))
    with pytest.raises(Invalid, match="Korean"):
        ordering.check_settings("embedded", ["es", "ko"], JobOptions(voices=voices))


def test_the_voice_of_a_single_line_is_looked_at_alike() -> None:
    asyncio.run(ordering.accept_voices("embedded", "es", {"ef_dora", "em_alex"}))
    for voice, code in (("ef_dorra", "voice_unknown"), ("clone", "consent_missing")):
        with pytest.raises(Invalid) as refused:
            asyncio.run(ordering.accept_voices("embedded", "es", {"ef_dora", voice}))
        assert refused.value.narrow_code == code


def test_voices_of_a_vendor_are_left_to_the_dub() -> None:
    assert offers.known_voices("cloud", "es") is None
    ordering.check_settings("cloud", ["es"], JobOptions(voices={"S1": "whoever"}))


@given(st.integers(1, 10**9))
def test_begun_seconds_count(milliseconds: int) -> None:
    seconds = ordering.seconds_of(milliseconds)
    assert seconds >= 1 and 0 <= seconds * 1000 - milliseconds < 1000


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.integers(1, 5))
def test_groups_hold_so_many_languages(languages: list[str], size: int) -> None:
    groups = ordering.groups(languages, size)
    assert list(groups) == languages
    assert all(list(groups.values()).count(group) <= size for group in groups.values())
    assert sorted(set(groups.values())) == list(range(-(-len(languages) // size)))


def test_changed_lines_cost_their_windows() -> None:
    lines = [{"id": "a", "start": 0.0, "end": 1.4}, {"id": "b", "start": 2.0, "end": 2.2}]
    assert changed_seconds(lines, {"a"}) == 2
    assert changed_seconds(lines, {"a", "b"}) == 2
    assert changed_seconds(lines, {"b"}) == changed_seconds(lines, set()) == 1
