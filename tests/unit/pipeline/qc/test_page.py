"""The page of a report: what it says, and what it must not let through."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from onevoice.pipeline.qc import clips, page
from onevoice.pipeline.qc.clips import Track
from onevoice.pipeline.qc.measures import LINE_MEASURES, UNITS
from onevoice.pipeline.qc.model import (
    Limit,
    LineReport,
    Measure,
    MediaReport,
    Report,
    SettingsReport,
)
from onevoice.pipeline.qc.peaks import PeakMeter, Peaks
from onevoice.pipeline.qc.showing import Piece, differences, visible

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"' \u202egpj.exe"


def line(name: str = "s1", start: float = 1.0, **known: object) -> LineReport:
    fields = {"id": name, "window": (start, start + 1), "placements": ((start, start + 1),)}
    return LineReport.model_validate(fields | known)


def report(*lines: LineReport, seconds: float = 60.0, name: str = "talk.mp4") -> Report:
    return Report(
        version="1",
        verdict="fail",
        source_language="en",
        language="ar",
        original=MediaReport(name=name, duration=seconds),
        dub=MediaReport(name=name, duration=seconds),
        settings=SettingsReport(profile=name, thresholds=name),
        programme={
            key: Measure(value=1.0, unit=unit, threshold=Limit(max=0.5), verdict="fail")
            for key, unit in UNITS.items()
        },
        line_limits={"rate": Limit(max=1.25)},
        lines=lines,
    )


def rendered(made: Report) -> str:
    silence = Peaks(50.0, np.zeros(4, np.float32), np.zeros(4, np.float32))
    tracks = [Track(silence, b"opus"), Track(silence, b"opus")]
    return page.render(made, tracks, clips.cuts(made, page.worst_first(made)))


class Tags(HTMLParser):
    """Every tag, and the attributes that could run something or fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.dangerous: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.dangerous += [
            (name, value) for name, value in attrs
            if name.startswith("on") or name in ("src", "style")
            or (name == "href" and not (value or "").startswith(("#", "data:,")))
        ]  # fmt: skip


def test_nothing_untrusted_becomes_a_tag() -> None:
    evil = line(EVIL, speaker=EVIL, source_text=EVIL, text=EVIL, said=EVIL, heard=EVIL + " more",
                flags=(EVIL,))  # fmt: skip
    plain = line("s1", speaker="x", source_text="x", text="x", said="x", heard="x more",
                 flags=("x",))  # fmt: skip
    seen = []
    for made in (report(evil, name=EVIL), report(plain)):
        tags = Tags()
        tags.feed(rendered(made))
        assert tags.dangerous == []
        seen.append([name for name in tags.names if name != "mark"])
    assert seen[0] == seen[1]


def test_a_turned_direction_is_written_out() -> None:
    html = rendered(report(line(source_text="a\u202ebc", text="\u2067x\u0000")))
    assert "\u202e" not in html and "\u2067" not in html and "\u0000" not in html
    assert "a⟨U+202E⟩bc" in html
    assert visible("\u200fשלום, a\u200db") == "\u200fשלום, a\u200db", "what languages need stays"


def test_the_policy_names_the_script_and_the_style() -> None:
    html = rendered(report(line()))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None and "default-src 'none'" in policy[1]
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert f"{tag}-src '{page.digest(text)}'" in policy[1]


@pytest.mark.parametrize("locale", page.LOCALES)
def test_every_measure_has_a_name_and_a_meaning(locale: str) -> None:
    texts = page.words()[locale]
    assert set(texts["measures"]) == set(UNITS)
    assert all(label and meaning for label, meaning in texts["measures"].values())
    assert set(LINE_MEASURES) <= set(texts["flags"])
    assert set(texts["page"]) == set(page.words()["en"]["page"])


def test_the_worst_line_comes_first() -> None:
    fast = line("fast", 1, rate=1.3, flags=("rate",))
    faster = line("faster", 3, rate=1.9, flags=("rate",))
    good, early = line("good", 0, rate=1.0), line("early", 5, rate=2.0)
    ranked = page.worst_first(report(good, fast, faster, early))
    assert [x.id for x in ranked] == ["faster", "fast", "good", "early"]


def test_figures_and_limits() -> None:
    assert page.figure(-0.25, "s", 2, sign=True) == "−0.25 s"
    assert page.figure(1.2, "x") == "1.200×"
    assert page.figure(3, "lines") == "3"
    assert page.figure(None, "x") == "–"
    assert page.limit(Limit(min=0.8), "") == "≥ 80 %"
    assert page.limit(Limit(min=-1, max=1), "LU") == "−1 … 1 LU"
    assert page.limit(Limit(max=0), "lines") == "≤ 0"
    assert page.limit(None, "s") == "–"
    assert page.clock(59.999) == "1:00.00"


def test_differences_of_words_and_of_characters() -> None:
    assert differences(["Hello, brave new world."], "hello new word", "en") == [
        Piece("same", "hello"), Piece("missing", "brave"), Piece("same", "new"),
        Piece("missing", "world."), Piece("wrong", "word"),
    ]  # fmt: skip
    assert differences(["안녕하세요"], "안녕 하시요", "ko") == [
        Piece("same", "안녕하"), Piece("missing", "세"), Piece("wrong", "시"), Piece("same", "요"),
    ]  # fmt: skip
    assert differences([], "what it says", "en") == [Piece("same", "what it says")]


def test_a_short_film_is_carried_whole_and_of_a_long_one_what_is_flagged() -> None:
    flagged = [line(f"s{i}", 100.0 * i, flags=("rate",), rate=1.3) for i in range(1, 4)]
    assert clips.cuts(report(*flagged), flagged) == [(0.0, 60.0)]
    long = report(line("ok", 50.0), *flagged, seconds=7200.0)
    assert clips.cuts(long, page.worst_first(long)) == [(99, 102), (199, 202), (299, 302)]
    many = [line(f"s{i}", 10.0 * i, flags=("rate",)) for i in range(1, 1000)]
    full = clips.cuts(report(*many, seconds=10_800.0), many)
    assert clips.LONGEST - 3 < sum(end - start for start, end in full) <= clips.LONGEST
    assert clips.cuts(report(line(), seconds=7200.0), [line()]) == []


def test_peaks_do_not_depend_on_the_blocks() -> None:
    rate = 1000
    sound = np.sin(np.arange(3050) / 50).astype(np.float32) * np.float32(0.5)
    whole, parts = PeakMeter(rate, 3.05), PeakMeter(rate, 3.05)
    whole.push(sound)
    for i in range(0, len(sound), 77):
        parts.push(sound[i : i + 77])
    a, b = whole.peaks(), parts.peaks()
    assert a.per_second == 50 and len(a.low) == len(b.low) == 153
    np.testing.assert_array_equal(a.low, b.low)
    np.testing.assert_array_equal(a.high, b.high)
    assert a.top == pytest.approx(0.5, abs=1e-3)
    pairs = np.frombuffer(base64.b64decode(a.packed(a.top)), np.int8).reshape(-1, 2)
    np.testing.assert_allclose(pairs[:, 1] / 127 * a.top, a.high, atol=a.top / 250)


def test_peaks_of_a_long_film_stay_few_and_silence_is_silence() -> None:
    meter = PeakMeter(24_000, 3 * 3600)
    meter.push(np.zeros(24_000, np.float32))
    found = meter.peaks()
    assert found.per_second * 3 * 3600 <= 180_000
    assert set(base64.b64decode(found.packed(found.top))) == {0}


def test_the_voice_of_the_centre_is_not_lost_in_a_mix() -> None:
    surround = np.zeros((2, 6), np.float32)
    surround[:, 2] = 0.8
    np.testing.assert_allclose(clips.mono(surround), 0.4)
    np.testing.assert_allclose(clips.mono(np.full((2, 2), 0.5, np.float32)), 0.5)
    np.testing.assert_allclose(clips.mono(np.full((2, 1), 0.5, np.float32)), 0.5)
