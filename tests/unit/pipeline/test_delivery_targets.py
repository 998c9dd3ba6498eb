"""Which files a delivery is made of, and the kind of sound in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onevoice.config import Settings
from onevoice.errors import ConfigError, EngineUnavailable
from onevoice.media import AudioStream, MediaInfo, SubtitleStream, VideoStream, burning, fonts
from onevoice.pipeline.delivery.targets import multitrack_target, targets

KINDS = ("per-language", "multitrack", "audio", "stems")


def film(
    name: str,
    *,
    sound: tuple[str, ...] = ("aac",),
    texts: tuple[str, ...] = (),
    picture: bool = True,
) -> MediaInfo:
    path = Path("/films") / name
    kind = {".m4a": "mp4", ".m4v": "mp4"}.get(path.suffix, path.suffix[1:])
    video = VideoStream(
        index=0, codec="h264", width=16, height=16, frame_rate=25.0, rotation=0, start_time=0.0,
        duration=9.0, attached_pic=False,
    )  # fmt: skip
    audio = tuple(
        AudioStream(
            index=1, codec=codec, sample_rate=48_000, channels=2, layout="stereo", language="",
            title="", default=True, start_time=0.0, duration=9.0,
        )
        for codec in sound
    )  # fmt: skip
    return MediaInfo(
        path=path, container=kind, duration=9.0, start_time=0.0, truncated=False,
        video=(video,) if picture else (), audio=audio,
        subtitles=tuple(SubtitleStream(index=2, codec=c, language="", title="") for c in texts),
        chapters=(),
    )  # fmt: skip


def settings(**output: Any) -> Settings:
    return Settings.model_validate({"output": output})


def names(info: MediaInfo, **output: Any) -> list[str]:
    wanted = targets(info.path, None, "es", info, settings(**output))
    return [str(path.relative_to("/films")) for path in wanted.all]


def test_the_default_is_a_film_and_its_subtitles() -> None:
    assert names(film("talk.mp4")) == ["talk.es.mp4", "talk.es.srt", "talk.es.vtt"]


def test_every_kind_has_its_place() -> None:
    assert names(film("talk.mkv"), deliver=KINDS, subtitles="ass", audio_format="flac") == [
        "talk.es.mkv",
        "talk.es.flac",
        "talk.es.stems/dialogue.wav",
        "talk.es.stems/music-effects.wav",
        "talk.es.stems/mix.wav",
        "talk.es.ass",
    ]


def test_a_sound_file_is_not_delivered_twice() -> None:
    podcast = film("talk.m4a", picture=False)
    assert names(podcast, deliver=("per-language", "audio"), subtitles=()) == ["talk.es.m4a"]


def test_the_main_file_is_the_first_that_can_be_played() -> None:
    info = film("talk.mp4")
    for deliver, main in (
        (KINDS, "talk.es.mp4"),
        (("stems", "audio"), "talk.es.m4a"),
        (("stems",), "mix.wav"),
    ):
        path = targets(info.path, None, "es", info, settings(deliver=deliver)).main
        assert path is not None and path.name == main
    assert targets(info.path, None, "es", info, settings(deliver="multitrack")).main is None


@pytest.mark.parametrize(
    ("info", "container", "name", "codec"),
    [
        (film("talk.mp4"), "auto", "talk.multi.mp4", "aac"),
        (
            film("talk.mp4", sound=("aac", "ac3"), texts=("mov_text",)),
            "auto",
            "talk.multi.mp4",
            "aac",
        ),
        (film("talk.mp4", sound=("dts",)), "auto", "talk.multi.mkv", "aac"),
        (film("talk.mp4", texts=("dvd_subtitle",)), "auto", "talk.multi.mkv", "aac"),
        (film("talk.webm", sound=("opus",)), "auto", "talk.multi.webm", "opus"),
        (film("talk.webm", sound=("opus",)), "mkv", "talk.multi.mkv", "opus"),
        (film("talk.avi"), "auto", "talk.multi.mkv", "aac"),
        (film("talk.mkv"), "mp4", "talk.multi.mp4", "aac"),
        (film("talk.mp3", picture=False), "auto", "talk.multi.mka", "aac"),
        (film("talk.flac", picture=False), "auto", "talk.multi.mka", "flac"),
        (film("talk.m4a", picture=False), "auto", "talk.multi.m4a", "aac"),
        (film("talk.mp3", picture=False), "mp4", "talk.multi.m4a", "aac"),
    ],
)
def test_the_file_with_all_languages(
    info: MediaInfo, container: str, name: str, codec: str
) -> None:
    choice = settings(deliver="multitrack", container=container)
    wanted = multitrack_target(info.path, Path("/out"), info, choice)
    assert wanted.all == (Path("/out") / name,)
    assert wanted.codec == codec


def test_no_file_with_all_languages_unless_asked() -> None:
    info = film("talk.mp4")
    assert multitrack_target(info.path, None, info, settings()).all == ()


@pytest.mark.parametrize(
    ("info", "output"),
    [
        (film("talk.webm"), {"audio_codec": "flac"}),
        (film("talk.mp4"), {"deliver": "audio", "burn_subtitles": True}),
        (film("talk.mp4"), {"deliver": "multitrack", "burn_subtitles": True}),
        (film("talk.mp3", picture=False), {"burn_subtitles": True}),
        (film("talk.mp3", picture=False), {"retime": 1.05}),
    ],
)
def test_what_cannot_be_made_is_said_at_once(info: MediaInfo, output: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        targets(info.path, None, "es", info, settings(**output))
    assert error.value.hint


def test_an_ffmpeg_that_cannot_draw_is_found_out_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    info = film("talk.mp4")
    assert names(info, burn_subtitles=True, subtitles=()) == ["talk.es.mp4"]
    monkeypatch.setattr(burning, "_abilities", lambda _: frozenset({"libx264"}))
    with pytest.raises(EngineUnavailable, match="libass") as error:
        names(info, burn_subtitles=True)
    assert "--burn-subtitles" in error.value.hint


def test_a_machine_without_the_letters_is_found_out_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str]] = []

    def undrawable(letters: str, font: str) -> str:
        asked.append((letters, font))
        return letters if "한" in letters else ""

    monkeypatch.setattr(fonts, "undrawable", undrawable)
    info = film("talk.mp4")
    drawn = settings(burn_subtitles=True)
    assert targets(info.path, None, "es", info, drawn).main
    with pytest.raises(EngineUnavailable, match="letters of Korean") as error:
        targets(info.path, None, "ko", info, drawn)
    assert "fonts-noto-cjk" in error.value.hint
    assert asked[-1] == ("국어한", "Arial")
    assert targets(info.path, None, "ko", info, settings()).main


def test_letters_that_no_font_has_come_out_alike() -> None:
    nobody_has = "\U0010fffc"
    assert fonts.undrawable(f"aB{nobody_has}", "Arial") == nobody_has
