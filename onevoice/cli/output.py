"""The only place that prints.

Results go to stdout, as tables for people or as one JSON object for programs; everything else
(progress, notes, warnings, errors) goes to stderr. Nothing printed is read as markup.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any, Literal

from onevoice.cli.text import literal
from onevoice.errors import OneVoiceError

if TYPE_CHECKING:
    from rich.console import Console


_debug = False


def console(*, stderr: bool = False) -> Console:
    """A console on the stream as it is now; it takes every text literally."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, how it is aligned, and whether it may be broken up."""

    title: str
    align: Literal["left", "right"] = "left"
    fold: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; columns marked ``fold`` give way when the terminal is narrow."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    for column in columns:
        grid.add_column(
            column.title, justify=column.align, overflow="fold", no_wrap=not column.fold
        )
    for row in rows:
        grid.add_row(*("" if cell is None else literal(cell) for cell in row))
    console().print(grid)


def line(text: str = "") -> None:
    """One line of a result, whole, however narrow the terminal."""
    console().print(literal(text), soft_wrap=True)


def paragraph(text: str, *, bullet: str = "") -> None:
    """Text broken at words to the width of the terminal, hanging under its first line."""
    from rich.table import Table
    from rich.text import Text

    if not bullet:
        console().print(Text(literal(text)))
        return
    grid = Table.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(literal(bullet), literal(text))
    console().print(grid)


def text_block(text: str) -> None:
    """A whole text, its line breaks kept (an exported subtitle file)."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def as_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout; readable UTF-8 where the stream and the names allow it."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    try:
        text.encode("utf-8")
        plain = encoding == "utf8"
    except UnicodeEncodeError:
        plain = False
    sys.stdout.write((text if plain else json.dumps(value, indent=2)) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Something to know, on stderr."""
    console(stderr=True).print(literal(text), soft_wrap=True)


def warning(text: str) -> None:
    _labelled("warning", text, "yellow")


def error(exc: OneVoiceError, *, about: str = "") -> None:
    """What happened (to which input) and what to do next, on stderr."""
    if _debug or os.environ.get("ONEVOICE_LOG", "").lower() == "debug":
        sys.stderr.writelines(traceback.format_exception(exc))
    _labelled("error", f"{about}: {exc.message}" if about else exc.message, "bold red")
    if exc.hint:
        _labelled("hint", exc.hint, "cyan")


def debug_on() -> None:
    """From now on, show with each error where it came from."""
    global _debug
    _debug = True


def _labelled(label: str, text: str, style: str) -> None:
    from rich.text import Text

    line = Text.assemble((f"{label}:", style), " ", literal(text))
    console(stderr=True).print(line, soft_wrap=True)


def error_json(exc: OneVoiceError, *, input: str | None = None) -> dict[str, Any]:
    """An error as it stands in every JSON answer."""
    return {"input": input, "code": exc.code, "message": exc.message, "hint": exc.hint}


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send to stderr whatever a library prints to stdout while the work is done.

    Model runtimes write to file descriptor 1 from C, past ``sys.stdout``; so both are turned.
    """
    sys.stdout.flush()
    try:
        out, err = sys.stdout.fileno(), sys.stderr.fileno()
        saved = os.dup(out)
    except (AttributeError, OSError, UnsupportedOperation):
        with redirect_stdout(sys.stderr):
            yield
        return
    os.dup2(err, out)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush_c_streams()
        os.dup2(saved, out)
        os.close(saved)


def _flush_c_streams() -> None:
    """Let go what C code printed and libc still holds, or it would follow at exit."""
    import ctypes

    with suppress(OSError, TypeError, AttributeError):  # no such function off POSIX
        ctypes.CDLL(None).fflush(None)


def tolerate_encodings() -> None:
    """A character that the terminal cannot show is spelled out instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        # A replaced stream (a test's, an IDE's) may have no such method: hence the ignore.
        with suppress(AttributeError, ValueError, UnsupportedOperation):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def show_cursor() -> None:
    """Undo what a progress display did to the terminal, before leaving at once."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h\n")
        sys.stderr.flush()
