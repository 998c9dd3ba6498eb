from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest

from onevoice.cli.progress import Bars, Display, Plain, amount, display
from onevoice.errors import EngineRefused
from onevoice.pipeline.events import (
    LanguageFailed,
    LanguageFinished,
    StageFinished,
    StageProgress,
    StageStarted,
    Warned,
)
from onevoice.pipeline.results import DubFailure, DubResult
from onevoice.types import Warning_


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def finished(output: Path | None) -> LanguageFinished:
    return LanguageFinished(
        result=DubResult(
            input=Path("d/a.mp4"), language="es", output=output, subtitles=(), project=Path("p"),
            duration=1.0, lines=1, stages=(), warnings=(),
        )
    )  # fmt: skip


FAILED = LanguageFailed(
    failure=DubFailure(input=Path("d/a.mp4"), language="fr", error=EngineRefused("no voice"))
)


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Inside the test: pytest puts its own stream back when a fixture ends."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [
        (0, 12, "line 1 of 12"),
        (3, 12, "line 4 of 12"),
        (12, 12, "line 12 of 12"),
        (0.25, 1.0, "25 %"),
        (0, 0, ""),
    ],
)
def test_how_far_a_stage_is(done: float, total: float, shown: str) -> None:
    assert amount(done, total) == shown


def test_the_display_suits_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    use_terminal(monkeypatch)
    assert isinstance(display(quiet=False), Bars)
    assert type(display(quiet=True)) is Display
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(display(quiet=False), Plain)


def test_bars_name_stage_line_and_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    from rich.cells import cell_len

    with Bars() as bars:
        bars.begin(Path("[red]a\nb.mp4"), 1, 2)
        bars.on_event(StageFinished(stage="extract", language=None, cached=True, seconds=0.1))
        bars.on_event(StageStarted(stage="synthesize", language="es"))
        bars.on_event(StageProgress(stage="synthesize", language="es", done=3, total=12))
        bars._bars.refresh()
        bars.on_event(Warned(language="es", warning=Warning_(code="x", message="y")))
        bars.on_event(StageFinished(stage="synthesize", language="es", cached=False, seconds=61))
        bars.on_event(StageFinished(stage="never-started", language=None, cached=False, seconds=1))
        bars.on_event(finished(Path("/films/[b]a.es.mp4")))
        bars.on_event(finished(None))
        bars.on_event(FAILED)
    shown = terminal.getvalue()
    assert r"[red]a\nb.mp4 (1 of 2)" in shown
    assert "line 4 of 12" in shown
    assert "synthesize (es)  1 min 01 s" in shown
    assert "1 stage already done earlier" in shown
    assert shown.count("  /films/[b]a.es.mp4") == 1
    assert "None" not in shown and "no voice" not in shown
    assert max(cell_len(line) for line in shown.replace("\r", "\n").split("\n")) <= 160  # + codes


def test_events_may_come_from_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    with Bars() as bars:

        def speak(language: str) -> None:
            for stage in range(20):
                bars.on_event(StageStarted(stage=f"s{stage}", language=language))
                bars.on_event(StageProgress(stage=f"s{stage}", language=language, done=1, total=2))
                bars.on_event(
                    StageFinished(stage=f"s{stage}", language=language, cached=False, seconds=0)
                )

        threads = [threading.Thread(target=speak, args=(tag,)) for tag in ("es", "ko", "pt")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bars._tasks == {}
    assert terminal.getvalue().count("s19 (ko)") >= 1


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Plain() as plain:
        plain.begin(Path("d/a.mp4"), 1, 1)
        plain.on_event(StageStarted(stage="mix", language="es"))
        plain.on_event(StageFinished(stage="mix", language="es", cached=False, seconds=2))
        plain.on_event(StageFinished(stage="extract", language=None, cached=True, seconds=2))
        plain.on_event(finished(Path.cwd() / "d" / "a.es.mp4"))
        plain.on_event(finished(None))
        plain.on_event(FAILED)
    assert capsys.readouterr().err == (
        "a.mp4: mix (es): 2.0 s\na.mp4: extract: cached\na.mp4: d/a.es.mp4\n"
    )
