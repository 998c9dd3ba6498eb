from __future__ import annotations

import os
from pathlib import Path

import pytest

from onevoice.cli.inputs import Inputs, find_inputs
from onevoice.errors import MediaNotFound, MediaUnreadable, OutputExists


def make(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(b"x")


def names(found: Inputs) -> list[str]:
    return [str(path) for path in found.files]


def reason(found: Inputs) -> Exception:
    (rejected,) = found.rejected
    assert rejected.error.hint
    return rejected.error


def test_files_are_taken_in_order_and_once() -> None:
    make("b.mp4", "a.mp4")
    assert names(find_inputs(["b.mp4", "a.mp4", "./b.mp4"])) == ["b.mp4", "a.mp4"]


def test_a_file_named_in_full_is_taken_whatever_it_is_called() -> None:
    make("talk.bin")
    assert names(find_inputs(["talk.bin"])) == ["talk.bin"]


@pytest.mark.parametrize(
    "name",
    ["a b.mp4", 'it\'s "x".mp4', "two\nlines.mp4", "이야기.mp4", "[red]x.mp4", "-x.mp4", "*.mp4"],
)
def test_odd_names_are_names(name: str) -> None:
    make(name, "other.mp4")
    assert names(find_inputs([name])) == [name]


def test_a_folder_gives_its_media_sorted_without_hidden_files() -> None:
    make("in/b.mp4", "in/a.wav", "in/.c.mp4", "in/notes.txt", "in/sub/d.mp4", "in/x.mp4.d/")
    assert names(find_inputs(["in"])) == ["in/a.wav", "in/b.mp4"]


def test_recursive_goes_down_but_not_into_projects_and_hidden_folders() -> None:
    make("in/b.mp4", "in/sub/a.mp4", "in/b.onevoice/x.mp4", "in/.hidden/y.mp4")
    assert names(find_inputs(["in"], recursive=True)) == ["in/b.mp4", "in/sub/a.mp4"]


def test_our_own_results_are_no_inputs_of_a_folder_or_pattern() -> None:
    make("talk.mp4", "talk.es.mp4", "talk.final.mp4", "talk.onevoice/state.json", "film.es.mp4")
    expected = ["film.es.mp4", "talk.final.mp4", "talk.mp4"]
    assert names(find_inputs(["."])) == expected
    assert names(find_inputs(["*.mp4"])) == expected


def test_stems_and_the_file_with_all_languages_are_results() -> None:
    make("talk.mp4", "talk.multi.mkv", "talk.es.m4a", "talk.es.stems/mix.wav",
         "talk.onevoice/state.json", "old.es.stems/mix.wav", "film.multi.mkv")  # fmt: skip
    found = find_inputs(["."], recursive=True)
    assert names(found) == ["film.multi.mkv", "talk.mp4", "old.es.stems/mix.wav"]


def test_a_result_beside_its_video_is_skipped_and_alone_it_is_taken() -> None:
    make("talk.mp4", "talk.es.mp4", "talk.onevoice/state.json")
    both = find_inputs(["talk.es.mp4", "talk.mp4"])
    assert names(both) == ["talk.mp4"]
    assert both.skipped == (Path("talk.es.mp4"),)
    assert names(find_inputs(["talk.es.mp4"])) == ["talk.es.mp4"]


def test_quoted_patterns_are_expanded() -> None:
    make("a1.mp4", "a2.mp4", "b.mp4", "deep/er/c.mp4", "a3.txt")
    assert names(find_inputs(["a?.*"])) == ["a1.mp4", "a2.mp4"]
    assert names(find_inputs(["**/*.mp4"])) == ["a1.mp4", "a2.mp4", "b.mp4", "deep/er/c.mp4"]


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ("none.mp4", MediaNotFound, "no such file: none.mp4"),
        ("a\nb.mp4", MediaNotFound, r"a\nb.mp4"),
        ("", MediaNotFound, "no such file"),
        ("none*.mp4", MediaNotFound, "no media file matches none*.mp4"),
        ("empty", MediaNotFound, "no media files in the folder empty"),
        ("talk.onevoice", MediaNotFound, "is a project folder"),
        ("https://example.org/a.mp4", MediaNotFound, "no such file"),
        ("x" * 300 + ".mp4", MediaUnreadable, "cannot be used"),
        (os.devnull, MediaUnreadable, "is not a file"),
    ],
)
def test_what_cannot_be_an_input(given: str, kind: type[Exception], says: str) -> None:
    make("empty/notes.txt", "talk.onevoice/state.json")
    error = reason(find_inputs([given]))
    assert isinstance(error, kind)
    assert says in str(error)


def test_one_bad_name_leaves_the_others() -> None:
    make("a.mp4")
    found = find_inputs(["none.mp4", "a.mp4"])
    assert names(found) == ["a.mp4"]
    assert isinstance(reason(found), MediaNotFound)


@pytest.mark.parametrize("out", [None, Path("results")])
def test_two_inputs_with_one_project_clash(out: Path | None) -> None:
    make("a/talk.mp4", "a/talk.wav", "b/talk.mp4")
    given = ["a/talk.mp4", "a/talk.wav"] if out is None else ["a/talk.mp4", "b/talk.mp4"]
    found = find_inputs(given, out=out)
    assert names(found) == ["a/talk.mp4"]
    assert isinstance(reason(found), OutputExists)


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("locked/a.mp4")

    def refuse(top: Path, onerror: object) -> list[object]:
        onerror(PermissionError(13, "Permission denied"))
        return []

    monkeypatch.setattr(os, "walk", refuse)
    error = reason(find_inputs(["locked"]))
    assert isinstance(error, MediaUnreadable)
    assert "Permission denied" in str(error)
