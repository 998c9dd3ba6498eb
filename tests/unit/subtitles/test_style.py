"""The style of subtitles as a setting."""

from __future__ import annotations

import pytest

from onevoice.config import Override, load_settings
from onevoice.errors import ConfigError, UnknownSetting
from onevoice.subtitles import SubtitleStyle


def test_it_is_set_like_any_other() -> None:
    overrides = [Override("output.subtitle_style.position", "top", "--set")]
    environ = {"ONEVOICE_OUTPUT__SUBTITLE_STYLE__BOX": "true"}
    settings = load_settings(overrides=overrides, environ=environ)
    assert settings.output.subtitle_style == SubtitleStyle(position="top", box=True)
    assert load_settings(environ={}).output.subtitle_style == SubtitleStyle()


def test_all_formats_can_be_asked_for() -> None:
    given = [Override("output.subtitles", "srt, vtt, ass", "--set")]
    assert load_settings(overrides=given, environ={}).output.subtitles == ("srt", "vtt", "ass")


@pytest.mark.parametrize(
    ("key", "value"), [("size", 2), ("font", "Arial,72"), ("position", "left"), ("margin", -1)]
)
def test_what_makes_no_sense_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"output.subtitle_style.{key}"):
        load_settings(overrides=[Override(f"output.subtitle_style.{key}", value, "--set")])


def test_a_misspelt_key_names_the_nearest() -> None:
    with pytest.raises(UnknownSetting) as caught:
        load_settings(overrides=[Override("output.subtitle_style.positon", "top", "--set")])
    assert "output.subtitle_style.position" in caught.value.hint
