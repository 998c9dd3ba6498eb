"""From what was typed to the files to work on."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from onevoice.cli.text import literal
from onevoice.cli.text import path as shown
from onevoice.errors import MediaError, MediaNotFound, MediaUnreadable, OneVoiceError, OutputExists

PROJECT_SUFFIX = ".onevoice"
STEMS_SUFFIX = ".stems"
TOGETHER = "multi"
"""In the place of a language: the file with all of them, ``talk.multi.mkv``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Something that was asked for and cannot be an input."""

    input: Path
    error: OneVoiceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """``files`` to work on in order; ``skipped`` are results of earlier runs among them."""

    files: tuple[Path, ...]
    rejected: tuple[Rejected, ...]
    skipped: tuple[Path, ...]


def find_inputs(
    given: Sequence[str], *, recursive: bool = False, out: Path | None = None
) -> Inputs:
    """Expand files, folders and glob patterns; nothing is opened yet.

    A file named in full is taken whatever its extension says. Folders give their media files in
    order of name, without hidden files, project folders and the results that lie beside one.
    Two inputs that would share one project folder cannot both be done: the later is rejected.
    """
    files: list[Path] = []
    rejected: list[Rejected] = []
    for text in given:
        try:
            files += _expand(text, recursive=recursive)
        except MediaError as exc:
            rejected.append(Rejected(input=Path(text), error=exc))
    files = _without_repeats(files)
    skipped = tuple(path for path in files if _made_from(path, files))
    kept, clashes = _without_clashes([path for path in files if path not in skipped], out)
    return Inputs(files=tuple(kept), rejected=(*rejected, *clashes), skipped=skipped)


def _expand(text: str, *, recursive: bool) -> list[Path]:
    path = Path(text)
    try:
        if text and path.is_dir():
            return _folder(path, recursive=recursive)
        if text and path.is_file():
            return [path]
        if text and path.exists():
            raise MediaUnreadable(f"{shown(path)} is not a file", hint="give a video or audio file")
    except OSError as exc:
        raise MediaUnreadable(
            f"{shown(path)} cannot be used: {exc.strerror}", hint="check the name and its access"
        ) from exc
    if not glob.has_magic(text):
        raise MediaNotFound(f"no such file: {shown(path)}", hint=_missing_hint(text))
    # Path.glob takes no absolute pattern.
    matches = sorted(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207
    found = [m for m in matches if m.is_file() and _is_media(m) and not _is_result(m)]
    if not found and "*" not in text and "?" not in text:
        raise MediaNotFound(f"no such file: {shown(path)}", hint=_missing_hint(text))
    if not found:
        raise MediaNotFound(
            f"no media file matches {literal(text)}", hint="check the pattern, or give a folder"
        )
    return found


def _missing_hint(text: str) -> str:
    if "://" in text:
        return "links are not supported: download the file first"
    return "check the name; a name with spaces needs quotes" if text else "give a file or a folder"


def _folder(folder: Path, *, recursive: bool) -> list[Path]:
    if is_project(folder):
        raise MediaNotFound(
            f"{shown(folder)} is a project folder, not a video",
            hint="give the video it was made from",
        )
    found = [f for f in _walk(folder, recursive=recursive) if _is_media(f) and not _is_result(f)]
    if not found:
        hint = "give a video or audio file" if recursive else "--recursive also looks further down"
        raise MediaNotFound(f"no media files in the folder {shown(folder)}", hint=hint)
    return found


def _walk(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """Files below a folder, by name, a folder's own before those of its sub-folders."""

    def refuse(exc: OSError) -> None:
        raise exc

    for root, folders, names in os.walk(folder, onerror=refuse):
        below = [n for n in folders if not n.startswith(".") and not _is_ours(Path(root, n))]
        folders[:] = sorted(below) if recursive else []
        yield from (Path(root, name) for name in sorted(names) if not name.startswith("."))


def _is_media(path: Path) -> bool:
    from onevoice.media import is_media

    return is_media(path)


def is_project(folder: Path) -> bool:
    """Whether a folder is one that ``dub`` made for a video."""
    return folder.suffix == PROJECT_SUFFIX


def _is_ours(folder: Path) -> bool:
    """A project, or the stems of a result: ``talk.es.stems`` with ``talk.onevoice`` beside it."""
    stems = folder.suffix == STEMS_SUFFIX and _source_stem(folder) is not None
    return is_project(folder) or stems


def _source_stem(path: Path) -> str | None:
    """``talk`` for ``talk.es.mp4`` with ``talk.onevoice`` beside it: one of our own results."""
    stem, dot, language = path.stem.rpartition(".")
    project = path.with_name(stem + PROJECT_SUFFIX)
    result = language == TOGETHER or _is_language(language)
    return stem if dot and result and project.is_dir() else None


def _is_result(path: Path) -> bool:
    return _source_stem(path) is not None


def _made_from(path: Path, files: Sequence[Path]) -> bool:
    """A result whose video is asked for too: the shell expanded ``*.mp4`` after an earlier run."""
    stem = _source_stem(path)
    return stem is not None and any(f.parent == path.parent and f.stem == stem for f in files)


def _is_language(text: str) -> bool:
    from onevoice.errors import UnknownLanguage
    from onevoice.languages import normalize

    try:
        return normalize(text) == text
    except UnknownLanguage:
        return False


def _without_repeats(files: Sequence[Path]) -> list[Path]:
    first: dict[Path, Path] = {}
    for path in files:
        first.setdefault(path.resolve(), path)
    return list(first.values())


def _without_clashes(
    files: Sequence[Path], out: Path | None
) -> tuple[list[Path], tuple[Rejected, ...]]:
    owners: dict[Path, Path] = {}
    clashes: list[Rejected] = []
    for path in files:
        home = (out or path.parent).resolve() / path.stem
        first = owners.setdefault(home, path)
        if first is not path:
            error = OutputExists(
                f"{shown(path)} and {shown(first)} would write the same results",
                hint="dub them one by one, each with a folder of its own (--out)",
            )
            clashes.append(Rejected(input=path, error=error))
    return list(owners.values()), tuple(clashes)
