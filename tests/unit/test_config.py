from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from onevoice.config import (
    EngineSection,
    Override,
    Settings,
    cache_dir,
    load_settings,
    parse_set,
    profile_names,
    profile_path,
    trace_settings,
)
from onevoice.errors import ConfigError, UnknownSetting


def load(**options: Any) -> Settings:
    return load_settings(**{"environ": {}, **options})


def file(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name


# --- profiles -------------------------------------------------------------------------------


def test_the_default_profile_lists_every_setting() -> None:
    listed = set(flat(yaml.safe_load(profile_path("embedded").read_text(encoding="utf-8"))))
    assert listed == set(keys(Settings)) - {"profile"}


def test_the_default_profile_says_what_the_defaults_are() -> None:
    assert load() == Settings()


def test_every_setting_of_the_default_profile_has_a_comment() -> None:
    text = profile_path("embedded").read_text(encoding="utf-8")
    bare = [
        line
        for line in text.splitlines()
        if re.match(r"  \w+:", line) and "#" not in line and not line.startswith("  engine:")
    ]
    assert bare == []


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads_as_itself_and_names_engines_that_exist(name: str) -> None:
    from onevoice.engines import registry
    from onevoice.engines.base import KINDS

    settings = load(profile=name)
    assert settings.profile == name
    for kind in KINDS:
        section: EngineSection = getattr(settings, kind)
        assert set(section.engines) <= set(registry.names(kind))


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        load(profile="embeded")
    assert "embedded" in caught.value.hint


def test_a_profile_is_no_path() -> None:
    with pytest.raises(ConfigError):
        load(profile="../pyproject")


# --- precedence -----------------------------------------------------------------------------


def test_the_command_line_beats_the_environment_beats_the_file_beats_the_profile(
    tmp_path: Path,
) -> None:
    config = file(tmp_path, "mix: {duck_db: -3, attack: 0.2, release: 0.5, true_peak: -2}")
    settings = load(
        profile="fast",
        config=config,
        environ={"ONEVOICE_MIX__DUCK_DB": "-4", "ONEVOICE_MIX__ATTACK": "0.3"},
        overrides=[Override("mix.duck_db", -5, "--set")],
    )
    assert settings.mix.duck_db == -5
    assert settings.mix.attack == 0.3
    assert settings.mix.release == 0.5
    assert settings.separation.engine == "none"
    assert settings.mix.line_gain_limit == Settings().mix.line_gain_limit


def test_where_each_setting_came_from(tmp_path: Path) -> None:
    config = file(tmp_path, "profile: fast\nmix: {release: 0.5}\n")
    rows = trace_settings(
        config=config,
        environ={"ONEVOICE_MIX__ATTACK": "0.3"},
        overrides=[parse_set("synthesis.kokoro.speed=1.1")],
    )
    found = {row.key: (row.value, row.origin) for row in rows}
    assert found["profile"] == ("fast", f"file {config}")
    assert found["mix.release"] == (0.5, f"file {config}")
    assert found["mix.attack"] == (0.3, "ONEVOICE_MIX__ATTACK")
    assert found["synthesis.kokoro.speed"] == (1.1, "--set")
    assert found["separation.engine"] == ("none", "profile fast")
    assert found["mix.duck_db"] == (-6.0, "default")
    assert set(keys(Settings)) <= set(found)


@pytest.mark.parametrize(
    ("flag", "variable", "in_file", "expected"),
    [
        ("fast", "embedded", "embedded", "fast"),
        (None, "fast", "embedded", "fast"),
        (None, None, "fast", "fast"),
        (None, None, None, "embedded"),
    ],
)
def test_which_profile(
    tmp_path: Path, flag: str | None, variable: str | None, in_file: str | None, expected: str
) -> None:
    config = file(tmp_path, f"profile: {in_file}") if in_file else None
    environ = {"ONEVOICE_PROFILE": variable} if variable else {}
    assert load(profile=flag, config=config, environ=environ).profile == expected


def test_a_section_left_empty_changes_nothing(tmp_path: Path) -> None:
    assert load(config=file(tmp_path, "mix:\nvoices:\n")) == Settings()


def test_voices_merge_by_speaker(tmp_path: Path) -> None:
    config = file(tmp_path, "voices: {S1: ef_dora, S2: {es: em_alex}}")
    settings = load(config=config, environ={"ONEVOICE_VOICES__S2__KO": "hm_omega"})
    assert settings.voice_for("S1", "ko") == "ef_dora"
    assert settings.voice_for("S2", "ko") == "hm_omega"
    assert settings.voice_for("S2", "es") == "em_alex"
    assert settings.voice_for("S3", "es") is None


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("mix.duck_db=-9", "mix.duck_db", -9),
        ("output.subtitles=[vtt]", "output.subtitles", ("vtt",)),
        ("output.subtitles=vtt, srt", "output.subtitles", ("vtt", "srt")),
        ("output.subtitles=[]", "output.subtitles", ()),
        ("quality.fail_on=line_too_fast", "quality.fail_on", ("line_too_fast",)),
        ("summary.enabled=false", "summary.enabled", False),
        ("mix.loudness=-16", "mix.loudness", -16.0),
        ("mix.loudness=match", "mix.loudness", "match"),
        ("source.language=no", "source.language", "no"),
        ("synthesis.engine=[pico, kokoro]", "synthesis.engine", ("pico", "kokoro")),
        ("output.audio_bitrate=a=b", "output.audio_bitrate", "a=b"),
    ],
)
def test_set_takes_yaml(text: str, key: str, value: Any) -> None:
    settings: Any = load(overrides=[parse_set(text)])
    for part in key.split("."):
        settings = getattr(settings, part)
    assert settings == value


def test_engine_options_are_kept_for_the_engine() -> None:
    settings = load(
        overrides=[parse_set("synthesis.kokoro.speed=1.1")],
        environ={"ONEVOICE_SYNTHESIS__PICO__SPEED": "0.9"},
    )
    assert settings.synthesis.options("kokoro") == {"speed": 1.1}
    assert settings.synthesis.options("pico") == {"speed": 0.9}
    assert settings.synthesis.options("other") == {}


@pytest.mark.parametrize("text", ["", "mix.duck_db", "=1", " =1", "mix.duck_db=[1", "profile=fast"])
def test_set_refuses_what_is_no_setting(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_set(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mix.duck_db=3", "mix.duck_db"),
        ("mix.duck_db=loud", "mix.duck_db"),
        ("mix.loudness=quiet", "mix.loudness"),
        ("run.device=tpu", "run.device"),
        ("diarization.speakers=0", "diarization.speakers"),
        ("output.subtitles=[ssa]", "output.subtitles"),
        ("timing.fast_rate=2", "timing"),
        ("mix=3", "mix"),
        ("voices.S1=[a]", "voices"),
        ("mix.duck_db.x=3", "mix.duck_db is a value"),
    ],
)
def test_a_wrong_value_names_the_setting_as_it_is_written(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides=[parse_set(text)])
    assert caught.value.message.startswith((f"{says}: ", f"--set: {says}"))
    assert caught.value.hint


# --- unknown keys ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("mixx.duck_db=-9", "mix"),
        ("mix.duckdb=-9", "mix.duck_db"),
        ("synthesis.engin=kokoro", "synthesis.engine"),
        ("timing.max_rates=1.3", "timing.max_rate"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, text: str, nearest: str) -> None:
    key, value = text.split("=")
    section, _, name = key.partition(".")
    in_file = file(tmp_path, f"{section}:\n  {name}: {value}\n")
    for options in ({"overrides": [parse_set(text)]}, {"config": in_file}):
        with pytest.raises(UnknownSetting) as caught:
            load(**options)
        assert re.search(rf"did you mean {re.escape(nearest)}\b", caught.value.hint)
    assert str(in_file) in caught.value.message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ONEVOICE_MIX_DUCK_DB", "ONEVOICE_MIX__DUCK_DB"),
        ("ONEVOICE_MIXX__DUCK_DB", "ONEVOICE_MIX__DUCK_DB"),
        ("ONEVOICE_MIX__DUCKDB", "mix.duck_db"),
        ("ONEVOICE_CACHEDIR", "ONEVOICE_CACHE_DIR"),
    ],
)
def test_an_unknown_variable_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownSetting) as caught:
        load(environ={name: "-9"})
    assert name in caught.value.message
    assert nearest in caught.value.hint


def test_variables_that_are_no_settings_are_left_alone() -> None:
    environ = {
        "ONEVOICE_CACHE_DIR": "/x",
        "ONEVOICE_LOG": "debug",
        "ONEVOICE_ASSETS_DIR": "/y",
        "ONEVOICE_SERVER_DATABASE": "z",
        "PATH": "/bin",
    }
    assert load(environ=environ) == Settings()


# --- files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"mix: [", "line 1"),
        (b"a:\n\tb: 1\n", "line 2"),
        (b"- a\n- b\n", "no settings"),
        (b"\xff\xfe\x00", "cannot read"),
        (b"!!python/object/apply:os.system [echo]", "YAML"),
    ],
)
def test_a_file_that_holds_no_settings(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(config=path)
    assert says in caught.value.message
    assert str(path) in caught.value.message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError) as caught:
            load(config=path)
        assert str(path) in caught.value.message


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEVOICE_CACHE_DIR", "~/there")
    assert cache_dir() == Path.home() / "there"
    monkeypatch.delenv("ONEVOICE_CACHE_DIR")
    assert "onevoice" in str(cache_dir())
