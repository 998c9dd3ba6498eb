"""A picture shown a little slower: everything with a time in it follows, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from onevoice import media, subtitles
from onevoice.engines.base import CancelToken
from onevoice.pipeline.dubbing import dub
from onevoice.pipeline.planning import plan
from onevoice.pipeline.project import Project
from onevoice.pipeline.report import measuring, report_dub
from onevoice.pipeline.results import DubRequest, DubResult
from onevoice.pipeline.store import LocalStore
from tests import fakes
from tests.conftest import fake_tree
from tests.integration.test_deliveries import (
    ODD,
    Ffmpeg,
    deliver,
    mkvmerge,
    packets_of_sound,
    request_of,
    same_picture,
    samples,
)

SLOWER = 1.05


def pitch(sound: np.ndarray) -> float:
    """The strongest frequency of a sound at 48 kHz, in Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * 48_000 / len(sound))


def windows(result: DubResult, name: str) -> list[tuple[float, float]]:
    """The times of the entries of a file of the project."""
    tree = yaml.safe_load((result.project / f"{name}.yaml").read_text())
    rows = tree.get("segments") or tree["lines"]
    return [(row["start"], row["end"]) for row in rows]


def report(result: DubResult) -> dict[str, Any]:
    path = result.project / f"report.{result.language}.json"
    return dict(json.loads(path.read_text()))


@pytest.mark.parametrize("name", ODD)
def test_every_kind_of_film(
    name: str, tmp_path: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg
) -> None:
    file, make = ODD[name]
    source = tmp_path / file
    make(source, ffmpeg)
    request = request_of(
        source, "es", deliver=("per-language", "multitrack"), keep_original_audio=True,
        retime=SLOWER,
    )  # fmt: skip
    outcome = deliver(request, store)
    old = media.probe(source)
    film, together = outcome.results[0].output, outcome.outputs[0].path
    assert film is not None
    for path in (film, together):
        new = media.probe(path)
        same_picture(path, source, retime=SLOWER)
        assert new.duration == pytest.approx(SLOWER * old.duration, abs=0.03)
        assert [v.rotation for v in new.video] == [v.rotation for v in old.video]
        assert [v.attached_pic for v in new.video] == [v.attached_pic for v in old.video]
        for track in range(len(new.audio)):
            start, sound = samples(path, track)
            assert start == pytest.approx(0.0, abs=0.05)
            assert len(sound) / 48_000 == pytest.approx(SLOWER * old.duration, abs=0.1)
    # The original is as high as before: slowed down, not played slower.
    was, now = (pitch(samples(path, track)[1][96_000:240_000]) for path, track in
                ((source, 0), (film, 1)))  # fmt: skip
    assert now == pytest.approx(was, rel=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_chapters_and_subtitles_of_the_film_follow(
    suffix: str, tmp_path: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg
) -> None:
    plain, source, texts = (tmp_path / n for n in (f"p{suffix}", f"talk{suffix}", "chapters.txt"))
    ODD["subtitles"][1](plain, ffmpeg)
    texts.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=A\\=b\\; c\\\\d\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=8000\ntitle=둘째\n"
    )
    ffmpeg("-i", plain, "-f", "ffmetadata", "-i", texts, "-map", "0", "-map_chapters", "1",
           "-c", "copy", source)  # fmt: skip
    film = deliver(request_of(source, "es", retime=SLOWER), store).results[0].output
    assert film is not None
    found = [(c.start, c.end, c.title) for c in media.probe(film).chapters]
    assert found == [
        (0.0, pytest.approx(4.2), "A=b; c\\d"),
        (pytest.approx(4.2), pytest.approx(8.4, abs=0.05), "둘째"),
    ]
    shown = tmp_path / "shown.srt"
    ffmpeg("-i", film, "-map", "0:s:1", shown)
    assert [cue.start for cue in subtitles.read(shown)] == [pytest.approx(1.05, abs=0.002)]


def test_another_program_reads_the_slower_rate(
    tmp_path: Path, scene: fakes.Scene, store: LocalStore, ffmpeg: Ffmpeg
) -> None:
    source = tmp_path / "talk.mkv"
    ODD["subtitles-mkv"][1](source, ffmpeg)
    film = deliver(request_of(source, "es", retime=SLOWER), store).results[0].output
    assert film is not None
    frames = [mkvmerge(path)[0]["properties"]["default_duration"] for path in (source, film)]
    assert frames[1] == pytest.approx(SLOWER * frames[0], rel=1e-6)


def test_lines_are_on_the_new_clock_and_the_transcript_on_the_old(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    (before,) = deliver(request_of(clip, "es"), store).results
    was, lines = windows(before, "transcript"), windows(before, "lines.es")
    (after,) = deliver(request_of(clip, "es", retime=SLOWER), store).results
    assert windows(after, "transcript") == was
    assert windows(after, "lines.es") == [
        (pytest.approx(SLOWER * a, abs=0.002), pytest.approx(SLOWER * b, abs=0.002))
        for a, b in lines
    ]
    cached = {record.name for record in after.stages if record.cached}
    assert {"extract", "separate", "transcribe", "diarize", "segment"} <= cached


def test_the_report_counts_on_the_new_clock(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    settings = fake_tree(output={"retime": SLOWER}, quality={"page": True})
    (result,) = dub(
        DubRequest(input=clip, languages=("es",), settings=settings), store=store
    ).results
    told = report(result)
    assert told["settings"]["retime"] == SLOWER
    assert told["original"]["duration"] == pytest.approx(8 * SLOWER, abs=0.05)
    assert abs(told["programme"]["duration_delta"]["value"]) < 0.05
    assert [line["window"] for line in told["lines"]] == [
        [pytest.approx(t, abs=0.002) for t in window] for window in windows(result, "lines.es")
    ]
    assert "1.05×" in (result.project / "report.es.html").read_text()


def test_subtitles_that_somebody_brings_follow(
    clip: Path, tmp_path: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    brought = tmp_path / "es.srt"
    brought.write_text("1\n00:00:05,000 --> 00:00:07,000\nLa tercera.\n")
    request = DubRequest(
        input=clip,
        languages=("es",),
        settings=fake_tree(output={"retime": 1.1}),
        lines={"es": brought},
    )
    (result,) = dub(request, store=store).results
    spoken = [line for line in report(result)["lines"] if line["text"]]
    assert [(line["window"], line["text"]) for line in spoken] == [
        ([pytest.approx(5.5, abs=0.002), pytest.approx(7.7, abs=0.05)], "La tercera.")
    ]


def test_a_plan_knows_of_it(clip: Path, scene: fakes.Scene, store: LocalStore) -> None:
    request = request_of(clip, "es", retime=SLOWER)
    rows = {row.name: row for row in plan(request, store=store).stages}
    assert not rows["retime"].cached
    deliver(request, store)
    assert all(row.cached for row in plan(request, store=store).stages)
    assert "retime" not in {row.name for row in plan(request_of(clip, "es"), store=store).stages}


def test_each_language_is_looked_at_by_its_own_speed(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    (es,) = deliver(request_of(clip, "es", retime=SLOWER), store).results
    deliver(request_of(clip, "ko", retime=1.1), store)
    project = Project.open(es.project)
    with project.hold(), measuring(request_of(clip).settings, clip, CancelToken(), store) as job:
        assert report_dub(job, project, "es") == es.report


def test_languages_of_another_speed_do_not_join(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    deliver(request_of(clip, "es"), store)
    outcome = deliver(request_of(clip, "ko", deliver=("multitrack",), retime=SLOWER), store)
    assert [a.language for a in media.probe(outcome.outputs[0].path).audio] == ["kor", "eng"]


def test_at_its_own_speed_nothing_is_touched(
    clip: Path, scene: fakes.Scene, store: LocalStore
) -> None:
    request = request_of(clip, "es", keep_original_audio=True, retime=1.0)
    (result,) = deliver(request, store).results
    assert result.output is not None
    same_picture(result.output, clip)
    assert packets_of_sound(result.output, 1) == packets_of_sound(clip)
    assert "retime" not in {record.name for record in result.stages}
