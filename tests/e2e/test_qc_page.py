"""The page of a report in a real browser, opened from disk, as its reader opens it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.pipeline.qc import page
from onevoice.pipeline.qc.model import (
    Hole,
    Limit,
    LineReport,
    Measure,
    MediaReport,
    Report,
    SettingsReport,
)
from tests.e2e.browser import Tab, browser, program

pytestmark = pytest.mark.skipif(
    program() is None, reason="there is no Chromium here, and the page is looked at in one"
)
SECONDS = 12.0
EVIL = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"


def a_report() -> Report:
    def line(number: int, rate: float, speaker: str, text: str) -> LineReport:
        start = 1.0 + 3 * number
        return LineReport(
            id=f"s{number}", speaker=speaker, source_text=text, text=text, heard=f"{text} more",
            window=(start, start + 2), placements=((start + 0.1, start + 1.9),),
            start_offset=0.1, end_offset=-0.1, overlap=0.9, rate=rate, cer=0.1,
            source_loudness=-20.0, dub_loudness=-21.0, flags=("rate",) if rate > 1.25 else (),
        )  # fmt: skip

    return Report(
        version="1",
        verdict="fail",
        source_language="en",
        language="ar",
        original=MediaReport(name=EVIL, duration=SECONDS),
        dub=MediaReport(name="dub.wav", duration=SECONDS),
        settings=SettingsReport(profile="embedded"),
        programme={
            "max_rate": Measure(value=1.5, unit="x", threshold=Limit(max=1.3), verdict="fail")
        },
        line_limits={"rate": Limit(max=1.25)},
        lines=(
            line(0, 1.1, "Ada", EVIL),
            line(1, 1.5, "Grace", "مرحبا بالعالم"),
            line(2, 1.3, "Ada", "Donaudampfschifffahrtsgesellschaft" * 4),
        ),
        holes=(Hole(start=10.0, end=11.0),),
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    tone = (0.2 * np.sin(np.arange(int(SECONDS * 16_000)) / 8)).astype(np.float32)
    for name in ("original.wav", "dub.wav"):
        soundfile.write(folder / name, tone, 16_000)
    out = folder / "report.ar.html"
    page.write(
        a_report(), original=(folder / "original.wav", 0), dub=(folder / "dub.wav", 0), out=out
    )
    return out


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(chromium: Tab) -> Iterator[Tab]:
    """The tab, which must neither complain nor ask for anything beside the page itself."""
    chromium.requests.clear()
    chromium.complaints.clear()
    yield chromium
    assert chromium.complaints == []
    beside = [u for u in chromium.requests if not u.startswith(("blob:", "data:", "file:///"))]
    assert beside == []
    assert len({u for u in chromium.requests if u.startswith("file:")}) == 1


def shown(tab: Tab) -> list[str]:
    ids: list[str] = tab.run(
        "[...document.querySelectorAll('.lines tbody tr:not([hidden]) .id')].map(n => n.innerText)"
    )
    return ids


def test_it_sorts_by_click_worst_first(tab: Tab, file: Path) -> None:
    tab.open(file)
    assert shown(tab) == ["s1", "s2", "s0"]
    tab.click("[data-sort=time]")
    assert shown(tab) == ["s0", "s1", "s2"]
    assert tab.run("document.querySelector('th.time').ariaSort") == "ascending"
    tab.click("[data-sort=time]")
    assert shown(tab) == ["s2", "s1", "s0"]
    assert tab.run("document.querySelector('th.time').ariaSort") == "descending"
    assert tab.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_it_filters_by_text_flag_and_speaker(tab: Tab, file: Path) -> None:
    tab.open(file)
    tab.click("#find")
    tab.call("Input.insertText", text="MCHIFFFAHRT".replace("MC", "SC"))
    assert shown(tab) == ["s2"]
    choose = "(q, v) => { const n = document.querySelector(q); n.value = v;"
    choose += " n.dispatchEvent(new Event('input', {bubbles: true})); }"
    tab.run(f"({choose})('#find', '')")
    tab.run(f"({choose})('#flag', 'rate')")
    assert shown(tab) == ["s1", "s2"]
    tab.run(f"({choose})('#speaker', '1')")
    assert shown(tab) == ["s1"]
    assert tab.run("document.querySelector('#count b').innerText") == "1"


def test_keys_walk_through_the_lines_and_play(tab: Tab, file: Path) -> None:
    tab.open(file)
    at = "document.querySelector('.lines [aria-current] .id').innerText"
    for key, name in (("j", "s1"), ("j", "s2"), ("j", "s0"), ("j", "s0"), ("k", "s2")):
        tab.press(key)
        assert tab.run(at) == name
    assert tab.run("document.querySelector('#clock').innerText") == "0:07.00"
    tab.press(" ")
    end = time.monotonic() + 20
    while tab.run("document.querySelector('#sound-1').currentTime") < 7.2:
        assert time.monotonic() < end, "the dub does not play"
        time.sleep(0.05)
    tab.press("x")
    playing = "[...document.querySelectorAll('audio')].map(a => !a.paused)"
    assert tab.run(playing) == [True, False]
    tab.press(" ")
    assert tab.run(playing) == [False, False]


def test_both_sounds_are_as_long_as_the_film_and_a_click_seeks(tab: Tab, file: Path) -> None:
    tab.open(file)
    lengths = tab.run(
        "Promise.all([...document.querySelectorAll('audio')].map(a => a.duration ||"
        " new Promise(done => a.addEventListener('loadedmetadata', () => done(a.duration)))))"
    )
    assert lengths == pytest.approx([SECONDS, SECONDS], abs=0.05)
    tab.click("#detail")
    assert float(tab.run("overview.ariaValueNow")) == pytest.approx(SECONDS / 2, abs=0.02)
    tab.click("[data-seek]")
    assert float(tab.run("overview.ariaValueNow")) == 10.0
    inked = tab.run(
        "(() => { const c = document.querySelector('#detail canvas'); const d ="
        " c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return d.filter((v, i) => i % 4 === 3 && v).length / (d.length / 4); })()"
    )
    assert inked > 0.3, "the waveforms are drawn"


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_only_down_and_nothing_runs(tab: Tab, file: Path, dark: bool) -> None:
    tab.open(file, width=360, height=780, dark=dark)
    assert tab.run("document.documentElement.scrollWidth") == 360
    assert "ran" not in tab.run("document.title").split("→")[-1]
    assert tab.run("document.title") != "ran"
    assert tab.run("document.querySelectorAll('img').length") == 0
    tab.click(".lines tbody tr .hear")
    assert tab.run("document.querySelector('.lines [aria-current]') !== null")


def test_it_speaks_the_language_of_its_reader(tab: Tab, file: Path) -> None:
    tab.open(file, language="ko-KR")
    assert tab.run("document.documentElement.lang") == "ko"
    assert tab.run("document.querySelector('h2').innerText") == "전체"
    assert tab.run("document.querySelector('[data-language=ar]').innerText") == "아랍어"
    tab.open(file, language="fr-FR")
    assert tab.run("document.documentElement.lang") == "en"


def test_paper_has_every_line_and_no_players(tab: Tab, file: Path) -> None:
    tab.open(file, dark=True)
    tab.run("document.querySelector('.lines tbody tr').hidden = true")
    tab.call("Emulation.setEmulatedMedia", media="print")
    assert len(tab.run(
        "[...document.querySelectorAll('.lines tbody tr')].filter(r => r.offsetHeight)"
        ".map(r => r.dataset.n)"
    )) == 3  # fmt: skip
    assert tab.run("[...document.querySelectorAll('button')].every(b => !b.offsetHeight"
                   " || b.closest('thead, section:last-of-type'))")  # fmt: skip
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.call("Emulation.setEmulatedMedia", media="")
    assert tab.print().startswith(b"%PDF-")
