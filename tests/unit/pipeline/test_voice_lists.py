"""Voices of hosted engines are remembered; those of others are simply asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onevoice.config import cache_dir
from onevoice.engines.base import EngineBase, EngineInfo, Params, Runtime, Voice
from onevoice.errors import EngineError, EngineFailed, EngineRateLimited, EngineUnavailable
from onevoice.pipeline.voice_lists import voices_of


class Speaker(EngineBase):
    info = EngineInfo(kind="synthesis", name="x", summary="", licence="", hosted=True)
    trouble: EngineError | None = None
    asked = 0

    def voices(self, language: str) -> tuple[Voice, ...]:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return (Voice(name="ana", language=language, sex="female", pitch_hz=200.0),)


class Local(Speaker):
    info = EngineInfo(kind="synthesis", name="x", summary="", licence="")


def engine(kind: type[Speaker], tmp_path: Path, **runtime: Any) -> Speaker:
    return kind(Params(), Runtime(models_dir=tmp_path, **runtime))


@pytest.mark.parametrize("trouble", [EngineFailed("no answer"), EngineRateLimited("wait")])
def test_a_silent_service_is_answered_for(tmp_path: Path, trouble: EngineError) -> None:
    speaker = engine(Speaker, tmp_path)
    first = voices_of(speaker, "es")
    speaker.trouble = trouble
    assert voices_of(speaker, "es") == first
    with pytest.raises(type(trouble)):
        voices_of(speaker, "ko")  # never asked before


def test_a_refused_key_is_not_glossed_over(tmp_path: Path) -> None:
    speaker = engine(Speaker, tmp_path)
    voices_of(speaker, "es")
    speaker.trouble = EngineUnavailable("wrong key")
    with pytest.raises(EngineUnavailable):
        voices_of(speaker, "es")
    offline = engine(Speaker, tmp_path, offline=True)
    offline.trouble = EngineUnavailable("offline")
    assert voices_of(offline, "es")


def test_a_damaged_list_counts_as_none(tmp_path: Path) -> None:
    speaker = engine(Speaker, tmp_path)
    voices_of(speaker, "es")
    (path,) = (cache_dir() / "voices").iterdir()
    path.write_text("[{")
    speaker.trouble = EngineFailed("no answer")
    with pytest.raises(EngineFailed):
        voices_of(speaker, "es")
    speaker.trouble = None
    assert voices_of(speaker, "es")
    speaker.trouble = EngineFailed("no answer")
    assert voices_of(speaker, "es")


def test_local_engines_leave_nothing_behind(tmp_path: Path) -> None:
    voices_of(engine(Local, tmp_path), "es")
    assert not (cache_dir() / "voices").exists()
