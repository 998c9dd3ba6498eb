"""What bad input gets from the command line: a status, a code, a hint, and nothing lost.

Nothing here needs a model: all of it is refused, or fails, before one is loaded.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from onevoice.pipeline.project import Project


def dub(*arguments: str | Path, cache: Path, limit: int | None = None) -> tuple[int, dict, str]:
    """Run ``onevoice dub … --json``; ``limit`` is the most bytes a file may get (a full disk)."""

    def full_disk() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", "onevoice", "dub", *map(str, arguments), "--json"],
        env={**os.environ, "ONEVOICE_CACHE_DIR": str(cache)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=full_disk,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def mute(path: Path, ffmpeg: Callable[..., None], clip: Path) -> None:
    ffmpeg("-i", clip, "-an", "-c:v", "copy", path)


def cut_end(path: Path, ffmpeg: Callable[..., None], clip: Path) -> None:
    ffmpeg("-i", clip, "-c", "copy", "-movflags", "+faststart", path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def cut_index(path: Path, ffmpeg: Callable[..., None], clip: Path) -> None:
    data = clip.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path, ffmpeg, clip: None, "media_not_found"),
        (lambda path, ffmpeg, clip: path.mkdir(), "media_not_found"),
        (lambda path, ffmpeg, clip: path.write_bytes(b""), "media_unreadable"),
        (lambda path, ffmpeg, clip: path.write_text("Dear diary,\n" * 99), "media_unreadable"),
        (cut_end, "media_truncated"),
        (cut_index, "media_unreadable"),
        (mute, "media_no_audio"),
    ],
    ids=["missing", "empty folder", "empty", "text", "cut short", "no index", "no sound"],
)
def test_an_input_that_cannot_be_used(
    make: Callable[..., object],
    code: str,
    tmp_path: Path,
    clip: Path,
    cache: Path,
    ffmpeg: Callable[..., None],
) -> None:
    path = tmp_path / "odd name [red] 강연.mp4"
    make(path, ffmpeg, clip)
    status, answer, _ = dub(path, "--to", "es", cache=cache)
    assert status == 3
    (error,) = answer["errors"]
    assert error["code"] == code
    assert error["hint"]
    assert not list(tmp_path.glob("*.onevoice")), "nothing is left beside it"


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, clip: Path, cache: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    status, answer, _ = dub(bad, clip, "--to", "es", "--stop-after", "extract", cache=cache)
    assert status == 6
    assert [e["code"] for e in answer["errors"]] == ["media_unreadable"]
    assert [s["name"] for s in answer["results"][0]["stages"]] == ["extract"]


def test_a_truncated_file_is_salvaged_on_request(
    tmp_path: Path, clip: Path, cache: Path, ffmpeg: Callable[..., None]
) -> None:
    path = tmp_path / "cut.mp4"
    cut_end(path, ffmpeg, clip)
    status, answer, _ = dub(path, "--to", "es", "--salvage", "--stop-after", "extract", cache=cache)
    assert status == 0
    assert 3 < answer["results"][0]["duration_s"] < 8


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--to", "elvish"], "config_unknown_language"),
        (["--to", "es", "--set", "mix.duk_db=-3"], "config_unknown_setting"),
        (["--to", "es", "--set", "synthesis.engine=kokro"], "config"),
        (["--to", "es", "--stop-after", "mixx"], "config"),
    ],
)
def test_a_mistake_on_the_command_line(
    arguments: list[str], code: str, clip: Path, cache: Path
) -> None:
    status, answer, _ = dub(clip, *arguments, cache=cache)
    assert status == 2
    assert answer["errors"][0]["code"] == code
    assert answer["errors"][0]["hint"]


def test_an_output_folder_that_cannot_be_made(tmp_path: Path, clip: Path, cache: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    status, answer, _ = dub(clip, "--to", "es", "--out", tmp_path / "file" / "out", cache=cache)
    assert status == 2
    assert answer["errors"][0]["code"] == "output_unwritable"


def test_a_full_disk_says_so_and_leaves_nothing_half_done(clip: Path, cache: Path) -> None:
    status, answer, _ = dub(clip, "--to", "es", cache=cache, limit=500_000)
    assert status == 1
    (error,) = answer["errors"]
    assert error["code"] == "output_disk_full"
    assert "space" in error["hint"]
    assert sorted(p.name for p in clip.parent.glob("talk.*")) == ["talk.mp4", "talk.onevoice"]
    assert not list((cache / "artifacts" / "scratch").iterdir())
    status, _, _ = dub(clip, "--to", "es", "--stop-after", "extract", cache=cache)
    assert status == 0


def test_a_second_run_on_one_project_says_so(clip: Path, cache: Path) -> None:
    with Project(clip.parent / "talk.onevoice").hold():
        status, answer, _ = dub(clip, "--to", "es", cache=cache)
    assert status == 1
    assert answer["errors"][0]["code"] == "project_busy"
    assert answer["errors"][0]["hint"]


def test_a_foreign_file_is_not_overwritten(clip: Path, cache: Path) -> None:
    foreign = clip.parent / "talk.es.mp4"
    foreign.write_bytes(b"precious")
    status, answer, _ = dub(clip, "--to", "es", cache=cache)
    assert (status, answer["errors"][0]["code"]) == (2, "output_exists")
    assert foreign.read_bytes() == b"precious"


def test_a_damaged_model_is_never_loaded(
    clip: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The assets' own tests mend one; here no source is left, and the user has to hear of it."""
    given = tmp_path / "assets" / "deepfilternet3"
    given.mkdir(parents=True)
    (given / "DeepFilterNet3_onnx.tar.gz").write_bytes(b"not the model")
    monkeypatch.setenv("ONEVOICE_ASSETS_DIR", str(given.parent))
    status, answer, _ = dub(clip, "--to", "es", cache=cache)
    assert (status, answer["errors"][0]["code"]) == (4, "asset_damaged")
