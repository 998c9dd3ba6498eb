from __future__ import annotations

import json
from pathlib import Path

import pytest

from onevoice.engines.base import CancelToken, Runtime, TranslationRequest, TranslationResult
from onevoice.engines.registry import parse_params
from onevoice.engines.translation.subtitles import Subtitles
from onevoice.errors import (
    Cancelled,
    ConfigError,
    EngineRefused,
    MediaNotFound,
    MediaUnreadable,
    UnknownSetting,
)
from onevoice.types import Summary


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"00:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def srt(*cues: tuple[float, float, str]) -> str:
    return "\n".join(
        f"{n}\n{clock(start)} --> {clock(end)}\n{text}\n"
        for n, (start, end, text) in enumerate(cues, start=1)
    )


def build(tmp_path: Path, cancel: CancelToken | None = None, **options: object) -> Subtitles:
    params = parse_params("translation", "subtitles", Subtitles, dict(options))
    return Subtitles(params, Runtime(models_dir=tmp_path, cancel=cancel or CancelToken()))


def ask(*times: tuple[float, float]) -> list[TranslationRequest]:
    return [
        TranslationRequest(id=f"s{n}", text=f"text {n}", start=start, end=end)
        for n, (start, end) in enumerate(times)
    ]


def translate(engine: Subtitles, *times: tuple[float, float]) -> list[TranslationResult]:
    results = engine.translate(ask(*times), source="en", target="es", summary=Summary())
    return list(results)


CASES = [
    ("one for one", [(1, 2, "a"), (3, 4, "b")], [(1, 2), (3, 4)], ["a", "b"]),
    ("a sentence over two cues", [(1, 2, "a"), (2, 4, "b")], [(1, 4)], ["a b"]),
    ("two lines in a cue", [(1, 2, "a\nb")], [(1, 2)], ["a b"]),
    ("a cue goes where most of it is", [(1, 4, "a")], [(0, 2), (2, 5)], ["", "a"]),
    ("as long in both: the first", [(1, 3, "a")], [(1, 2), (2, 3)], ["a", ""]),
    ("touching is not sharing", [(1, 2, "a")], [(2, 3)], [""]),
    ("hardly shared", [(1, 3, "a")], [(2.7, 5)], [""]),
    ("hanging over two, mostly in neither", [(0, 10, "a")], [(-6.5, 3.4), (6.5, 15)], ["", "a"]),
    ("a short cue inside", [(2, 2.3, "a")], [(0, 9)], ["a"]),
    ("a short sentence inside", [(0, 9, "a")], [(2, 2.3)], ["a"]),
    ("late by a little", [(1.4, 2.4, "a")], [(1, 2)], ["a"]),
    ("no speech under it", [(50, 51, "a"), (1, 2, "b")], [(1, 2)], ["b"]),
    (
        "two sentences in a cue",
        [(1, 4, "Sí. Todos van.")],
        [(1, 1.6), (1.8, 4)],
        ["Sí.", "Todos van."],
    ),
    ("their end is late", [(1, 9, "Sí. Todos van.")], [(1, 1.6), (1.8, 4)], ["", "Sí. Todos van."]),
    ("only one is said", [(1, 9, "Sí. Todos van.")], [(1, 4)], ["Sí. Todos van."]),
    ("three over two", [(0, 6, "Uno.\nDos. Tres!")], [(0, 4), (4, 6)], ["Uno. Dos.", "Tres!"]),
    ("without blanks", [(0, 4, "行く。来る。")], [(0, 2), (2, 4)], ["行く。", "来る。"]),
    ("two speakers at once", [(1, 2, "a"), (1, 4, "b")], [(1, 4), (1, 2)], ["b", "a"]),
]


@pytest.mark.parametrize(
    ("cues", "times", "texts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_cues_are_matched_by_time(
    tmp_path: Path,
    cues: list[tuple[float, float, str]],
    times: list[tuple[float, float]],
    texts: list[str],
) -> None:
    (tmp_path / "es.srt").write_text(srt(*cues), encoding="utf-8")
    found = translate(build(tmp_path, files={"es": str(tmp_path / "es.srt")}), *times)
    assert [result.text for result in found] == texts
    assert [result.id for result in found] == [f"s{n}" for n in range(len(times))]
    assert [result.problems for result in found] == [() if t else ("no_subtitle",) for t in texts]


def test_files_and_template_by_language(tmp_path: Path) -> None:
    for name in ("talk.es.srt", "talk.pt-BR.srt", "talk.old.srt", "talk.srt", "other.ko.srt"):
        (tmp_path / name).write_text(srt((1, 2, name)))
    engine = build(
        tmp_path,
        path=str(tmp_path / "talk.{language}.srt"),
        files={"Korean": str(tmp_path / "other.ko.srt")},
    )
    asked = ("es", "es-419", "pt", "pt-BR", "ko", "fr", "de", "en")
    assert [t for t in asked if engine.supports("en", t)] == list(asked[:5])
    assert not engine.supports("es", "es-419")
    (found,) = engine.translate(ask((1, 2)), source="en", target="pt", summary=Summary())
    assert found.text == "talk.pt-BR.srt"


def test_a_template_may_have_the_language_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a [1]" / "es").mkdir(parents=True)
    (tmp_path / "a [1]" / "es" / "talk.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nhola\n")
    engine = build(tmp_path, path=str(tmp_path / "a [1]" / "{language}" / "talk.vtt"))
    assert [result.text for result in translate(engine, (1, 2))] == ["hola"]


def test_norwegian_survives_yaml(tmp_path: Path) -> None:
    (tmp_path / "no.srt").write_text(srt((1, 2, "hei")))
    assert build(tmp_path, files={False: str(tmp_path / "no.srt")}).supports("en", "nb")


def test_identity_is_what_the_files_hold(tmp_path: Path) -> None:
    one, two = tmp_path / "one.srt", tmp_path / "two.srt"
    one.write_text(srt((1, 2, "a")))
    two.write_text(srt((1, 2, "a")))
    first = build(tmp_path, files={"es": str(one)}).identity()
    assert build(tmp_path, files={"es": str(two)}).identity() == first
    assert str(tmp_path) not in json.dumps(first)
    two.write_text(srt((1, 2, "b")))
    assert build(tmp_path, files={"es": str(two)}).identity() != first
    assert build(tmp_path, files={"pt": str(one)}).identity() != first


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"path": "talk.srt"}, ConfigError, "{language} once"),
        ({"path": "{language}.{language}.srt"}, ConfigError, "{language} once"),
        ({"path": "{language}.{0.__class__}"}, ConfigError, "{language} once"),
        ({"files": {"qqqq": "a.srt"}}, ConfigError, "'qqqq' is no language"),
        ({"files": ["a.srt"]}, ConfigError, "files"),
        ({"file": {"es": "a.srt"}}, UnknownSetting, "file"),
    ],
)
def test_wrong_settings(
    tmp_path: Path, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        build(tmp_path, **options)
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = build(tmp_path, files={"es": str(tmp_path / "none.srt")})
    assert missing.supports("en", "es")  # it is named: a wrong name must not pass unnoticed
    with pytest.raises(MediaNotFound, match=r"none\.srt"):
        missing.identity()
    with pytest.raises(MediaNotFound, match=r"none\.srt"):
        translate(missing, (1, 2))
    (tmp_path / "empty.srt").write_text("")
    empty = build(tmp_path, files={"es": str(tmp_path / "empty.srt")})
    with pytest.raises(MediaUnreadable, match="no subtitles"):
        translate(empty, (1, 2))
    with pytest.raises(MediaUnreadable):
        build(tmp_path, files={"es": str(tmp_path)}).identity()


def test_requests_without_times_are_refused(tmp_path: Path) -> None:
    (tmp_path / "es.srt").write_text(srt((1, 2, "a")))
    engine = build(tmp_path, files={"es": str(tmp_path / "es.srt")})
    requests = [TranslationRequest(id="a", text="Hello", start=1.0)]
    with pytest.raises(EngineRefused, match="when 'Hello' is said"):
        list(engine.translate(requests, source="en", target="es", summary=Summary()))


def test_stops_when_asked_to(tmp_path: Path) -> None:
    (tmp_path / "es.srt").write_text(srt((1, 2, "a")))
    token = CancelToken()
    engine = build(tmp_path, cancel=token, files={"es": str(tmp_path / "es.srt")})
    token.cancel()
    with pytest.raises(Cancelled):
        translate(engine, (1, 2))
