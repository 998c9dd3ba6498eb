from __future__ import annotations

import base64
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from onevoice.engines.recognition import uploads
from onevoice.engines.recognition.listening import LEVEL_DB, Span
from onevoice.engines.recognition.uploads import (
    Passage,
    data_url,
    encode,
    in_place,
    passages,
    phrases,
    shortened,
    sounding_spans,
)
from onevoice.engines.speech import MODEL_RATE
from onevoice.errors import MediaError
from onevoice.types import Word

RATE = 48_000


def write(path: Path, seconds: float, bursts: list[Span], *, db: float = -25.0) -> Path:
    """A stereo recording: silence with bursts of noise of a known level."""
    samples = np.zeros((round(seconds * RATE), 2), np.float32)
    noise = np.random.default_rng(5).standard_normal(len(samples)) * 10 ** (db / 20)
    for start, end in bursts:
        a, b = round(start * RATE), round(end * RATE)
        samples[a:b] = noise[a:b, None]
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def every(period: float, length: float, until: float) -> list[Span]:
    return [(t, t + length) for t in np.arange(1.0, until - period, period).tolist()]


def test_spans_by_loudness_hold_the_bursts_and_little_else() -> None:
    samples = np.zeros(12 * MODEL_RATE, np.float32)
    noise = 0.07 * np.random.default_rng(1).standard_normal(len(samples)).astype(np.float32)
    # The first two are a short pause apart and one span; the third is only a click.
    for start, end in ((1.0, 2.0), (2.2, 3.0), (5.0, 5.05), (7.0, 9.0)):
        samples[int(start * 16_000) : int(end * 16_000)] = noise[
            : int(end * 16_000) - int(start * 16_000)
        ]
    spans = sounding_spans(samples)
    np.testing.assert_allclose(spans, [(0.8, 3.2), (6.8, 9.2)], atol=0.05)
    assert sounding_spans(np.zeros(3 * MODEL_RATE, np.float32)) == []
    assert sounding_spans(np.zeros(0, np.float32)) == []


def test_pads_share_a_pause() -> None:
    noise = 0.07 * np.random.default_rng(1).standard_normal(4 * MODEL_RATE).astype(np.float32)
    noise[round(1.8 * MODEL_RATE) : round(2.15 * MODEL_RATE)] = 0
    noise = np.concatenate([np.zeros(MODEL_RATE, np.float32), noise])
    first, second = sounding_spans(noise)
    assert first[1] <= second[0]
    assert second[1] <= 5.0


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    noise = 0.07 * np.random.default_rng(1).standard_normal(60 * MODEL_RATE).astype(np.float32)
    noise[:MODEL_RATE] = 0
    noise[round(20 * MODEL_RATE) : round(20.15 * MODEL_RATE)] *= 0.3
    spans = sounding_spans(noise)
    assert spans[0][1] == pytest.approx(20.08, abs=0.15)
    assert all(b - a <= 28.5 for a, b in spans)
    assert all(left[1] == right[0] for left, right in pairwise(spans))


def test_passages_end_at_pauses_and_lose_nothing(tmp_path: Path) -> None:
    bursts = every(5.0, 4.0, 180.0)
    path = write(tmp_path / "x.wav", 180.0, bursts)
    found = list(passages(path, minutes=0.5, detect=sounding_spans))
    assert len(found) >= 6
    assert all(p.duration <= 30.0 for p in found)
    for start, end in bursts:
        inside = [p for p in found if p.start <= start + 0.05 and p.end >= end - 0.05]
        assert len(inside) == 1, (start, end)
    for left, right in pairwise(found):
        assert left.end <= right.start


def test_a_limit_in_bytes_shortens_passages_until_any_sound_fits(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 60.0, every(3.0, 2.5, 60.0))
    limit = 320_000  # ten seconds of incompressible sound
    found = list(passages(path, limit_bytes=limit, detect=sounding_spans))
    assert len(found) > 5
    assert all(len(encode(path, passage).flac) <= limit for passage in found)


@pytest.mark.parametrize("seconds", [0.0, 3.0, 90.0])
def test_silence_is_not_sent(tmp_path: Path, seconds: float) -> None:
    path = write(tmp_path / "x.wav", seconds, [])
    assert list(passages(path, minutes=0.5, detect=sounding_spans)) == []


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("no sound")
    for path in (tmp_path / "x.wav", tmp_path / "none.wav"):
        with pytest.raises(MediaError):
            list(passages(path, detect=sounding_spans))


@pytest.mark.parametrize("db", [-20.0, -38.0])
def test_an_upload_is_levelled_flac(tmp_path: Path, db: float) -> None:
    path = write(tmp_path / "x.wav", 90.0, [(10.0, 75.0)], db=db)
    upload = encode(path, Passage(10.0, 75.0, ((10.0, 75.0),)))
    info = soundfile.info(io.BytesIO(upload.flac))
    assert (info.format, info.samplerate, info.channels) == ("FLAC", MODEL_RATE, 1)
    assert info.frames == 65 * MODEL_RATE
    samples, _ = soundfile.read(io.BytesIO(upload.flac))
    # Blocks join without a seam: the level is the same everywhere, also around 70 s.
    for second in (5, 30, 59.5, 60.5):
        part = samples[int(second * MODEL_RATE) : int((second + 1) * MODEL_RATE)]
        assert 10 * np.log10(np.mean(part**2)) == pytest.approx(LEVEL_DB, abs=1.0)
    assert len(upload.active) == 6500 and upload.active.mean() > 0.99


def test_words_come_to_their_place_and_ghosts_go(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 40.0, [(21.0, 22.0), (23.0, 24.0)])
    passage = Passage(20.8, 24.2, ((20.8, 22.2), (22.8, 24.2)))
    upload = encode(path, passage)
    words = [
        Word(text="two", start=2.1, end=3.3),
        Word(text="one", start=0.1, end=1.3),
        Word(text="ghost", start=8.0, end=9.0),
    ]
    one, two = in_place(upload, words)
    assert (one.text, two.text) == ("one", "two")
    # Edges in silence moved to the sound; a frame has 10 ms.
    np.testing.assert_allclose([one.start, one.end], [21.0, 22.0], atol=0.02)
    np.testing.assert_allclose([two.start, two.end], [23.0, 24.0], atol=0.02)


def test_shortened_ends_at_a_pause() -> None:
    passage = Passage(10.0, 90.0, ((10.0, 20.0), (22.0, 39.0), (41.0, 90.0)))
    assert shortened(passage, 30.0) == Passage(10.0, 39.0, ((10.0, 20.0), (22.0, 39.0)))
    assert shortened(passage, 100.0) is passage
    assert shortened(passage, 5.0) == Passage(10.0, 15.0, ((10.0, 15.0),))


def test_phrases_end_at_pauses_and_lose_nothing(tmp_path: Path) -> None:
    speech = ((1.0, 2.0), (2.4, 4.0), (5.5, 6.0), (6.3, 9.7), (10.4, 13.0), (13.3, 15.0))
    path = write(tmp_path / "x.wav", 16.0, list(speech))
    found = list(phrases(path, Passage(1.0, 15.0, speech), seconds=8.0))
    # 4.0 to 5.5 is too long a pause to go over; of the others the longest is cut at.
    assert [(p.start, p.end) for p in found] == [(1.0, 4.0), (5.5, 9.7), (10.4, 15.0)]
    assert [span for p in found for span in p.speech] == list(speech)


def test_a_phrase_that_does_not_end_is_cut_where_it_is_quietest(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 30.0, [(3.0, 9.0), (9.1, 27.0)])
    speech = ((3.0, 27.0),)
    found = list(phrases(path, Passage(3.0, 27.0, speech), seconds=8.0))
    assert found[0].end == pytest.approx(9.05, abs=0.1)
    assert all(p.duration <= 8.0 + 1e-6 for p in found)
    assert (found[0].start, found[-1].end) == (3.0, 27.0)
    for left, right in pairwise(found):
        assert left.end == right.start
    assert all(p.speech == ((p.start, p.end),) for p in found)


def test_a_data_url_holds_the_section(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 10.0, [(2.0, 8.0)])
    head, _, data = data_url(path, (3.0, 7.0)).partition(",")
    assert head == "data:audio/flac;base64"
    assert soundfile.info(io.BytesIO(base64.b64decode(data))).duration == pytest.approx(4.0)


def test_without_faster_whisper_loudness_tells_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = 0.07 * np.random.default_rng(1).standard_normal(4 * MODEL_RATE).astype(np.float32)
    noise[:MODEL_RATE] = 0
    monkeypatch.setattr(uploads, "find_spec", lambda name: None)
    assert uploads.detector() == "energy"
    assert uploads.find_speech(noise) == sounding_spans(noise) != []
