"""The commands beside ``dub``: on real settings and stores, and fakes of engines and models."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from onevoice.cli import doctor as doctor_module
from onevoice.config import Settings
from onevoice.engines import assets, registry
from onevoice.engines.base import EngineBase, EngineInfo, Runtime, Voice
from onevoice.errors import AssetMissing, EngineUnavailable
from onevoice.pipeline.store import LocalStore

Run = Callable[..., Any]


# --- engines and voices ---------------------------------------------------------------------


class Speaker(EngineBase):
    info: ClassVar[EngineInfo] = EngineInfo(
        kind="synthesis",
        name="kokoro",
        summary="a speaker",
        licence="MIT",
        languages=frozenset({"es", "ko"}),
    )

    def voices(self, language: str) -> tuple[Voice, ...]:
        known = {
            "es": (Voice(name="ef_dora", language="es", sex="female", pitch_hz=201.7, rate=14.2),),
            "ko": (Voice(name="hm_omega", language="ko", note="borrowed"),),
        }
        return known.get(language, ())


class Broken(Speaker):
    @classmethod
    def check(cls, runtime: Runtime) -> None:
        raise EngineUnavailable("its model is not here", hint="pip install it")


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.load
    monkeypatch.setattr(
        registry, "load", lambda kind, name: Speaker if name == "kokoro" else real(kind, name)
    )


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", lambda kind, name: Broken)


@pytest.mark.usefixtures("speaker")
def test_voices_of_a_language(cli: Run) -> None:
    answer = cli("voices", "--lang", "Spanish", "--json")
    assert answer.json == {
        "schema": "onevoice.voices/1",
        "voices": [
            {
                "engine": "kokoro",
                "name": "ef_dora",
                "language": "es",
                "sex": "female",
                "pitch_hz": 201.7,
                "rate": 14.2,
                "licence": "",
                "note": "",
            }
        ],
    }
    shown = cli("voices", "--lang", "es").out
    assert "202 Hz" in shown
    assert "--voice S1=ef_dora" in shown


def test_a_name_that_a_shell_would_take_for_more_is_quoted(
    cli: Run, speaker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = Voice(name="Ann; rm x", language="es")
    monkeypatch.setattr(Speaker, "voices", lambda self, language: (voice,))
    assert "--voice 'S1=Ann; rm x'" in cli("voices", "--lang", "es").out


def test_a_plug_in_that_breaks_is_listed_with_the_others(
    cli: Run, speaker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(self: Speaker) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(Speaker, "ready", explode)
    rows = {row["name"]: row for row in cli("engines", "synthesis", "--json").json["engines"]}
    assert not rows["kokoro"]["available"]
    assert "RuntimeError: boom" in rows["kokoro"]["reason"]
    assert len(rows) > 5


def test_a_kind_with_a_dot_is_still_a_kind(cli: Run) -> None:
    assert "translation.llama" not in cli("engines", "translation.").out
    assert "firefox" in cli("engines", "translation.").out
    assert "PydanticUndefined" not in cli("engines", "translation.firefox").out


@pytest.mark.usefixtures("speaker")
def test_voices_of_every_language(cli: Run) -> None:
    names = [voice["name"] for voice in cli("voices", "--json").json["voices"]]
    assert names == ["ef_dora", "hm_omega"]


@pytest.mark.usefixtures("speaker")
def test_a_language_nobody_speaks(cli: Run) -> None:
    answer = cli("voices", "--lang", "es,fi", "--json")
    assert answer.status == 4
    assert answer.json["schema"] == "onevoice.error/1"
    assert answer.json["errors"][0]["code"] == "engine_refused"
    assert "Finnish" in answer.err


@pytest.mark.usefixtures("broken")
def test_voices_of_an_engine_that_is_not_here(cli: Run) -> None:
    answer = cli("voices", "--lang", "es")
    assert answer.status == 4
    assert "hint: pip install it" in answer.err


@pytest.mark.usefixtures("broken")
def test_engines_say_why_and_what_mends_it(cli: Run) -> None:
    answer = cli("engines")
    assert answer.status == 0
    assert "its model is not here" in answer.out
    assert "mend it: pip install it" in answer.out
    rows = cli("engines", "--json").json["engines"]
    kokoro = next(row for row in rows if row["name"] == "kokoro")
    assert set(kokoro) == {
        *("kind", "name", "available", "reason", "hint", "used", "summary", "licence"),
        *("quality", "gpu", "extra", "key", "languages", "pairs"),
        *("hosted", "price", "limits", "voices"),
    }
    assert kokoro["used"]
    assert not kokoro["available"]
    assert kokoro["languages"] == ["es", "ko"]


def test_one_engine_is_told_of_in_full(cli: Run) -> None:
    answer = cli("engines", "synthesis.elevenlabs")
    assert answer.status == 0
    for text in ("price: ", "voices: ", "key: ELEVENLABS_API_KEY", "licence: ", "limits: "):
        assert text in answer.out
    assert "synthesis.elevenlabs.model" in answer.out
    assert "pip install 'onevoice[cloud]'" in answer.out
    kinds = {row["kind"] for row in cli("engines", "synthesis", "--json").json["engines"]}
    assert kinds == {"synthesis"}
    for wrong, near in (("synthesis.elevenlab", "synthesis.elevenlabs"), ("sintesis", "synthesis")):
        answer = cli("engines", wrong)
        assert answer.status == 2
        assert near in answer.err


def test_the_engines_the_project_promises_are_all_listed(cli: Run) -> None:
    rows = cli("engines", "--json").json["engines"]
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["kind"], set()).add(row["name"])
    assert found["separation"] >= {"none", "deepfilter", "demucs", "elevenlabs"}
    assert found["recognition"] >= {"whisper", "openai", "elevenlabs", "whisperx"}
    assert found["diarization"] >= {"single", "camplus", "whisperx", "elevenlabs"}
    assert found["translation"] >= {"firefox", "llama", "openai", "subtitles"}
    assert found["synthesis"] >= {
        *("kokoro", "pico", "openai", "elevenlabs", "fish", "f5", "supertonic", "custom"),
    }
    for row in rows:
        assert row["summary"]
        assert row["licence"]
        if row["hosted"] and row["name"] != "custom":
            assert row["price"], row["name"]
            assert row["key"], row["name"]
            assert row["limits"], row["name"]
        if not row["available"]:
            assert row["reason"], row["name"]
            assert row["hint"], row["name"]


# --- doctor ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("broken")
def test_doctor_fails_when_something_needed_is_missing(cli: Run) -> None:
    answer = cli("doctor", "--json")
    assert answer.status == 4
    checks = {check["name"]: check for check in answer.json["checks"]}
    assert set(checks["python"]) == {"name", "state", "found", "hint"}
    assert checks["python"]["state"] == "ok"
    assert checks["synthesis: kokoro"]["state"] == "problem"
    assert checks["synthesis: kokoro"]["hint"] == "pip install it"
    shown = cli("doctor")
    assert shown.status == 4
    assert "to mend before a dub" in shown.out


def test_doctor_is_content_when_one_engine_of_a_chain_runs(
    cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        registry, "load", lambda kind, name: Broken if name == "firefox" else Speaker
    )
    monkeypatch.setattr(assets, "status", lambda name, runtime: "ready")
    monkeypatch.setattr(
        doctor_module, "_disk", lambda name, folder: doctor_module.Check(name, "ok", "")
    )
    monkeypatch.setattr(doctor_module, "_espeak", lambda: "1.52")
    answer = cli("doctor", "--json")
    states = {check["name"]: check["state"] for check in answer.json["checks"]}
    assert states["translation: firefox"] == "note"
    assert states["translation: llama"] == "ok"
    assert answer.status == 0
    assert "Ready to dub." in cli("doctor").out


def test_doctor_sees_a_cache_that_cannot_be_written(
    cli: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "file").write_bytes(b"")
    monkeypatch.setenv("ONEVOICE_CACHE_DIR", str(here / "file" / "below"))
    checks = {check["name"]: check for check in cli("doctor", "--json").json["checks"]}
    assert checks["cache"]["state"] == "problem"
    assert "ONEVOICE_CACHE_DIR" in checks["cache"]["hint"]


def test_doctor_sees_a_damaged_model(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    from onevoice.pipeline.engines import runtime_for

    states = {"kokoro-82m": "damaged", "kokoro-voices": "missing", "whisper-base": "missing"}
    monkeypatch.setattr(assets, "status", lambda name, runtime: states.get(name, "ready"))
    found = {
        check.name.removeprefix("model: "): check
        for check in doctor_module._models(runtime_for(Settings()))
    }
    assert found["kokoro-82m"].state == "problem"
    assert "models pull kokoro-82m" in found["kokoro-82m"].hint
    assert found["whisper-base"].state == "note"
    assert "kokoro-voices" not in found  # optional


# --- models ---------------------------------------------------------------------------------


def test_models_list(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "status", lambda name, runtime: "available")
    rows = cli("models", "list", "--json").json["models"]
    assert {row["name"] for row in rows} == {asset.name for asset in assets.catalog()}
    assert set(rows[0]) == {"name", "state", "purpose", "size", "licence", "origin", "optional"}
    assert "packed" in cli("models", "list").out


def test_models_pull_goes_on_after_a_failure(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ensure(runtime: Runtime, name: str) -> Path:
        asked.append(name)
        if name == "whisper-base":
            raise AssetMissing("whisper-base is nowhere", hint="pip install it")
        return runtime.models_dir / name

    monkeypatch.setattr(assets, "ensure", ensure)
    monkeypatch.setattr(
        assets, "status", lambda name, runtime: "missing" if name == "whisper-base" else "ready"
    )
    answer = cli("models", "pull", "--json")
    assert answer.status == 4
    assert asked == [asset.name for asset in assets.catalog() if not asset.optional]
    assert [error["code"] for error in answer.json["errors"]] == ["asset_missing"]
    assert cli("models", "pull", "kokoro-82m").out == "kokoro-82m: ready\n"


def test_models_verify_names_what_is_damaged(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"kokoro-82m": "damaged", "whisper-base": "missing"}
    monkeypatch.setattr(assets, "verify", lambda name, runtime: states.get(name, "ready"))
    monkeypatch.setattr(assets, "status", lambda name, runtime: states.get(name, "ready"))
    answer = cli("models", "verify")
    assert answer.status == 4
    assert "the model kokoro-82m is damaged" in answer.err
    assert "whisper-base is not here" not in answer.err  # not asked for by name
    assert cli("models", "verify", "whisper-base").status == 4
    assert cli("models", "verify", "qwen2.5-coder-1.5b").status == 0


@pytest.mark.parametrize("command", ["pull", "verify"])
def test_an_unknown_model_names_the_nearest(cli: Run, command: str) -> None:
    answer = cli("models", command, "kokoro-82")
    assert answer.status == 4
    assert "kokoro-82m" in answer.err


# --- cache ----------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path, here: Path) -> LocalStore:
    store = LocalStore(tmp_path / "cache" / "artifacts")
    for number in range(3):
        path = here / f"made{number}"
        path.write_bytes(bytes([number]) * 1000)
        store.put(f"{number:064x}", {"out": path}, meta={"stage": "mix"})
    return store


@pytest.mark.usefixtures("store")
def test_cache_ls(cli: Run) -> None:
    answer = cli("cache", "ls", "--json").json
    assert (answer["objects"], answer["size"]) == (3, 3000)
    (stage,) = answer["stages"]
    assert (stage["name"], stage["entries"], stage["size"]) == ("mix", 3, 3000)
    assert "3 files, 3.0 kB, in " in cli("cache", "ls").out


def test_cache_ls_of_an_empty_cache(cli: Run) -> None:
    assert cli("cache", "ls").out.startswith("0 files, 0 B, in ")


@pytest.mark.usefixtures("store")
def test_cache_gc_keeps_within_the_limit(cli: Run) -> None:
    answer = cli("cache", "gc", "--max-size", "2kB", "--json").json
    assert answer == {"schema": "onevoice.cache/1", "removed": 1, "freed": 1000}
    assert cli("cache", "gc", "--max-age", "1d").out == "removed 0 files, 0 B freed\n"
    assert cli("cache", "ls", "--json").json["objects"] == 2


def test_cache_gc_refuses_what_is_no_size(cli: Run) -> None:
    assert cli("cache", "gc", "--max-size", "lots").status == 2
    assert cli("cache", "gc", "--max-age", "-1d").status == 2


def test_cache_verify_finds_damage_and_removes_it(cli: Run, store: LocalStore) -> None:
    assert cli("cache", "verify").out == "checked 3 files: all sound\n"
    victim = next((store.root / "objects").glob("??/*"))
    victim.chmod(stat.S_IRUSR | stat.S_IWUSR)
    victim.write_bytes(b"damaged")
    answer = cli("cache", "verify", "--json")
    assert answer.status == 1
    assert answer.json["checked"] == 3
    assert len(answer.json["damaged"]) == 1
    assert cli("cache", "verify").status == 0


# --- config ---------------------------------------------------------------------------------


def test_config_show_names_every_source(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEVOICE_MIX__ATTACK", "0.3")
    Path("my.yaml").write_text("mix: {release: 0.5}")
    answer = cli("config", "show", "--config", "my.yaml", "--set", "mix.duck_db=-9", "--json")
    rows = {row["key"]: (row["value"], row["from"]) for row in answer.json["settings"]}
    assert rows["mix.duck_db"] == (-9.0, "--set")
    assert rows["mix.attack"] == (0.3, "ONEVOICE_MIX__ATTACK")
    assert rows["mix.release"] == (0.5, "file my.yaml")
    assert rows["mix.true_peak"] == (-1.0, "profile embedded")
    shown = cli("config", "show").out
    assert max(map(len, shown.splitlines())) <= 80
    assert "[firefox, llama]" in shown


def test_config_show_checks_what_it_shows(cli: Run) -> None:
    assert cli("config", "show", "--set", "mix.nope=1").status == 2
    assert cli("config", "show", "--set", "synthesis.engine=nope").status == 2


def test_config_profiles(cli: Run) -> None:
    names = [row["name"] for row in cli("config", "profiles", "--json").json["profiles"]]
    assert "embedded" in names
    assert "embedded: " in cli("config", "profiles").out


def test_json_answers_carry_a_version(cli: Run) -> None:
    for words in (("config", "show"), ("cache", "ls"), ("engines",), ("models", "list")):
        answer = cli(*words, "--json")
        assert json.loads(answer.out)["schema"] == f"onevoice.{words[0]}/1"
