"""Observers that show a run: bars in a terminal, one line per finished stage elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Self

from onevoice.cli import output
from onevoice.cli.text import literal, plural, seconds
from onevoice.cli.text import path as shown
from onevoice.pipeline.events import (
    Event,
    LanguageFailed,
    LanguageFinished,
    StageFinished,
    StageProgress,
    StageStarted,
    Warned,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """An observer of the pipeline that also hears which input is next. This one shows nothing."""

    def begin(self, path: Path, number: int, total: int) -> None:
        """The next input, the ``number``-th of ``total``."""

    def on_event(self, event: Event) -> None:
        """What the pipeline tells."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


def display(*, quiet: bool) -> Display:
    """The display that suits where stderr goes."""
    if quiet:
        return Display()
    return Bars() if sys.stderr.isatty() else Plain()


def stage_label(stage: str, language: str | None) -> str:
    """``translate (es)``; the language is left out for what all languages share."""
    return f"{stage} ({language})" if language else stage


def amount(done: float, total: float) -> str:
    """How far a stage is: ``line 3 of 12`` where it has lines, else a percentage."""
    if total > 1:
        return f"line {min(int(done) + 1, int(total))} of {int(total)}"
    return f"{100 * done / total:.0f} %" if total > 0 else ""


class Plain(Display):
    """One line per finished stage, and per finished file, for logs."""

    def __init__(self) -> None:
        self._name = ""

    def begin(self, path: Path, number: int, total: int) -> None:
        self._name = path.name

    def on_event(self, event: Event) -> None:
        if isinstance(event, StageFinished):
            took = "cached" if event.cached else seconds(event.seconds)
            output.note(f"{self._name}: {stage_label(event.stage, event.language)}: {took}")
        elif isinstance(event, LanguageFinished) and event.result.output:
            output.note(f"{self._name}: {shown(event.result.output)}")


class Bars(Display):
    """A bar per running stage with its time left; what is finished stays as lines above."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._lock = RLock()
        self._tasks: dict[tuple[str, str | None], TaskID] = {}
        self._cached = 0
        self._bars: Progress = Progress(
            TextColumn("  {task.description:<16}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]:>16}", markup=False),
            TimeRemainingColumn(compact=True, elapsed_when_finished=False),
            console=output.console(stderr=True),
            transient=True,
        )

    def begin(self, path: Path, number: int, total: int) -> None:
        self._note_cached()
        count = f" ({number} of {total})" if total > 1 else ""
        self._print(f"{literal(path.name)}{count}")

    def on_event(self, event: Event) -> None:
        match event:
            case StageStarted(stage=stage, language=language):
                self._start(stage, language)
            case StageProgress(stage=stage, language=language, done=done, total=total):
                with self._lock:
                    task = self._start(stage, language)
                    self._bars.update(
                        task, completed=done, total=total or None, amount=amount(done, total)
                    )
            case StageFinished():
                self._finish(event)
            case LanguageFinished(result=result):
                if result.output:
                    self._print(f"  {shown(result.output)}")
            case Warned() | LanguageFailed():
                pass  # told when all is done, where it can still be read at the end

    def _start(self, stage: str, language: str | None) -> TaskID:
        with self._lock:
            key = (stage, language)
            if key not in self._tasks:
                label = literal(stage_label(stage, language))
                self._tasks[key] = self._bars.add_task(label, total=None, amount="")
            return self._tasks[key]

    def _finish(self, event: StageFinished) -> None:
        with self._lock:
            task = self._tasks.pop((event.stage, event.language), None)
            if task is not None:
                self._bars.remove_task(task)
            if event.cached:
                self._cached += 1
            else:
                label = literal(stage_label(event.stage, event.language))
                self._print(f"  {label:<16} {seconds(event.seconds):>10}")

    def _note_cached(self) -> None:
        with self._lock:
            if self._cached:
                self._print(f"  {plural(self._cached, 'stage')} already done earlier")
            self._cached = 0

    def _print(self, text: str) -> None:
        self._bars.console.print(text, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._note_cached()
        self._bars.stop()
